package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/console/trial"
)

// say runs the command line and returns what it printed and its exit code.
func say(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errOut bytes.Buffer
	root := newRoot(&out, &errOut)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	switch e, ok := errors.AsType[*console.ExitError](err); {
	case ok:
		code = e.Code
	case err != nil:
		code = console.NotHealthy
	}
	if err != nil {
		errOut.WriteString(err.Error())
	}
	return out.String(), errOut.String(), code
}

func TestDiagnosePrintsAListWithExactlyTheDocumentedKeys(t *testing.T) {
	files := []string{"../../pkg/detect/probe/testdata/replies/a-healthy.json", "../../pkg/detect/probe/testdata/replies/a-pool-full.json"}
	out, _, code := say(t, append([]string{"diagnose", "-o", "json", "--unit-state", "active", "--witness", "postgres=ok"}, files...)...)
	require.Zero(t, code)
	var list []map[string]string
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	require.Len(t, list, 2)
	for i, v := range list {
		require.Equal(t, files[i], v["file"])
		require.Len(t, v, 6)
		for _, key := range []string{"file", "verdict", "class", "culprit", "because", "would"} {
			require.Contains(t, v, key)
		}
	}
	require.Equal(t, "healthy", list[0]["verdict"])
	require.Equal(t, "unhealthy", list[1]["verdict"])
	require.Equal(t, "pool", list[1]["class"])
}

func TestSeveralFilesMakeATableAndOneMakesACard(t *testing.T) {
	one, _, _ := say(t, "diagnose", "--latency", "5s", "--unit-state", "active", "--witness", "postgres=frozen")
	require.Contains(t, one, "culprit  postgres")
	many, _, _ := say(t, "diagnose", "--body", "../../pkg/detect/probe/testdata/replies/a-healthy.json", "--body", "../../pkg/detect/probe/testdata/replies/page.html")
	require.Contains(t, many, "FILE")
	require.Contains(t, many, "page.html")
}

func TestBadArgumentsAreRefusedWithExitCode2AndAWayOut(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"an unknown output format", []string{"version", "-o", "xml"}, "want text or json"},
		{"an unknown flag", []string{"check", "--fast"}, "--help"},
		{"an unknown unit state", []string{"diagnose", "--unit-state", "sleepy"}, "want one of active"},
		{"a witness without a state", []string{"diagnose", "--witness", "postgres"}, "NAME=STATE"},
		{"a body that is not there", []string{"diagnose", "--body", "/nonexistent"}, "no such file"},
		{"a configuration that is not there", []string{"validate", "/nonexistent.yaml"}, "does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, stderr, code := say(t, c.args...)
			require.Equal(t, console.Usage, code)
			require.Contains(t, stderr, c.says)
		})
	}
}

func TestValidateReportsEveryProblemAtOnceForPeopleAndForMachines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(path, []byte("version: 1\ntargets:\n  - {name: a, kind: service, unitt: a.service, interval: soon}\n"), 0o600))
	_, stderr, code := say(t, "validate", path)
	require.Equal(t, console.Usage, code)
	require.Contains(t, stderr, path+":3:")
	require.Contains(t, stderr, `did you mean "unit"?`)
	require.Contains(t, stderr, "interval")
	out, _, code := say(t, "validate", path, "-o", "json")
	require.Equal(t, console.Usage, code)
	var list trial.ProblemList
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	require.False(t, list.Valid)
	require.GreaterOrEqual(t, len(list.Problems), 2)
}

func TestCommandsForADaemonThatIsNotThereSayWhatToDo(t *testing.T) {
	_, stderr, code := say(t, "hold", "x", "--socket", filepath.Join(t.TempDir(), "control.sock"))
	require.Equal(t, console.NotHealthy, code)
	require.Contains(t, stderr, "is it running")
}
