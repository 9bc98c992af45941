package command_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/command"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// TestMain lets the test binary be the program that is started: "-post URL" hands its standard
// input to a webhook and ends with 0, or with 75 (EX_TEMPFAIL) when that did not work.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "-post" {
		os.Exit(post(os.Args[2]))
	}
	os.Exit(m.Run())
}

func post(url string) int {
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		return 75
	}
	var in command.Input
	if err := json.Unmarshal(body, &in); err != nil {
		return 65
	}
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 64
	}
	req.Header.Set("Idempotency-Key", strconv.QuoteToASCII(in.Notice.ID))
	req.Header.Set("Authorization", os.Getenv("TOKEN"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Fprintln(os.Stderr, "token", os.Getenv("TOKEN"), err)
		return 75
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || string(answer) != `{"ok":true}` {
		fmt.Fprintln(os.Stderr, "token", os.Getenv("TOKEN"), resp.Status, err)
		return 75
	}
	return 0
}

func build(t testing.TB, section string) notice.Notifier {
	t.Helper()
	n, err := command.New(escalatetest.Decode(section))
	require.NoError(t, err)
	return n
}

func TestConformance(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	escalatetest.Run(t, escalatetest.Case{
		New: func(t testing.TB, base string, timeout time.Duration) notice.Notifier {
			// A program built with the race detector would wait a second at its end.
			return build(t, fmt.Sprintf("argv: [%s, -post, %s]\nenv: [{name: TOKEN, value: command-secret-token}, {name: GORACE, value: atexit_sleep_ms=0}]\ntimeout: %s", self, base, timeout))
		},
		Vendor: func(t testing.TB) escalatetest.Backend {
			w := escalatetest.NewWebhook(escalatetest.WebhookOptions{Unsigned: true})
			return escalatetest.Backend{URL: escalatetest.Serve(t, w), Log: w.Log, Set: w.Set, Opened: w.Received}
		},
		Secrets: []string{"command-secret-token"},
		Local:   true,
	})
}

// script writes a program of /bin/sh and returns a section that runs it.
func script(t testing.TB, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700))
	return "argv: [" + path + ", 'a b', '$HOME;`id`']\n"
}

func run(t testing.TB, section string, prior notice.Receipt) (notice.Receipt, error) {
	t.Helper()
	return build(t, section).Notify(t.Context(), notice.Delivery{Notice: escalatetest.Notice("inc/t0"), Prior: prior, Attempt: 1})
}

func TestExitStatuses(t *testing.T) {
	for status := range 256 {
		if status%16 != 0 && (status < 60 || status > 80) && status != 126 && status != 127 {
			continue // a process each: one in sixteen, and all that mean something
		}
		_, err := run(t, script(t, "echo out; echo why it failed >&2; exit "+strconv.Itoa(status)), nil)
		want := "retry"
		reason := notice.ReasonServer
		switch status {
		case 0:
			require.NoError(t, err)
			continue
		case 64, 65:
			want, reason = "final", notice.ReasonRejected
		case 77:
			want, reason = "final", notice.ReasonAuth
		case 78, 126, 127:
			want, reason = "final", notice.ReasonConfig
		}
		require.ErrorContains(t, err, "why it failed")
		if r, ok := errors.AsType[*notice.RetryError](err); ok {
			require.Equal(t, "retry", want, "%d: %v", status, err)
			require.Equal(t, reason, r.Reason)
			continue
		}
		f, ok := errors.AsType[*notice.FinalError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "final", want, "%d: %v", status, err)
		require.Equal(t, reason, f.Reason)
	}
}

func TestNoShellAndNoInheritedEnvironment(t *testing.T) {
	t.Setenv("DAEMON_SECRET", "inherited")
	out := filepath.Join(t.TempDir(), "out")
	_, err := run(t, script(t, `{ printf '%s|' "$@"; env; pwd; cat; } > `+out), nil)
	require.NoError(t, err)
	b, err := os.ReadFile(out)
	require.NoError(t, err)
	got := string(b)
	require.True(t, strings.HasPrefix(got, "a b|$HOME;`id`|"), "arguments arrive as they stand: %.40s", got)
	require.NotContains(t, got, "inherited")
	require.Contains(t, got, "RECOVERYD_KIND=trigger")
	require.Contains(t, got, "PATH=/usr/local/sbin")
	require.Contains(t, got, `"evidence":["unit codebase-mcp.service failed`)
}

func TestReceipt(t *testing.T) {
	r, err := run(t, script(t, `echo '{"ticket":"OPS-17"}'`), nil)
	require.NoError(t, err)
	require.Equal(t, notice.Receipt{"ticket": "OPS-17"}, r)
	r, err = run(t, script(t, `grep -o '"ticket":"OPS-17"' >&2 || exit 65`), r)
	require.NoError(t, err, "the program gets its receipt back")
	require.Nil(t, r, "and keeps it by printing nothing")
	for name, print := range map[string]string{
		"words": "echo done", "another shape": `echo '{"a":1}'`, "too long": `printf '{"a":"'; head -c 3000 /dev/zero | tr '\0' x; echo '"}'`,
	} {
		r, err = run(t, script(t, print), nil)
		require.NoError(t, err, name)
		require.Nil(t, r, name)
	}
	r, err = run(t, script(t, `echo '{"a":"printed-secret"}'`)+"env: [{name: X, value: printed-secret}]", nil)
	require.NoError(t, err)
	require.Nil(t, r, "a receipt is stored and holds no secret")
}

func TestWholeGroupIsKilled(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	start := time.Now()
	_, err := run(t, script(t, "sleep 300 & echo $! > "+pid+"; wait")+"timeout: 300ms", nil)
	retry, ok := errors.AsType[*notice.RetryError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, notice.ReasonTimeout, retry.Reason)
	require.Less(t, time.Since(start), 30*time.Second)
	b, err := os.ReadFile(pid)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(b)) + "/stat")
		return err != nil || strings.Contains(string(state), ") Z ") // gone, or dead and not yet reaped by init
	}, 10*time.Second, 10*time.Millisecond, "a child of the program is still running")
}

func TestAChildLeftBehindDoesNotHoldThePage(t *testing.T) {
	start := time.Now()
	_, err := run(t, script(t, "sleep 20 & exit 0"), nil)
	require.NoError(t, err, "it has delivered")
	require.Less(t, time.Since(start), 15*time.Second)
}

func TestOutputIsBounded(t *testing.T) {
	_, err := run(t, script(t, "head -c 50000000 /dev/zero; head -c 5000000 /dev/zero | tr '\\0' e >&2; exit 75"), nil)
	require.Error(t, err)
	require.Less(t, len(err.Error()), 2000)
}

func TestWhatCannotBeStarted(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(plain, []byte("x"), 0o600))
	garbage := filepath.Join(t.TempDir(), "garbage")
	require.NoError(t, os.WriteFile(garbage, []byte("\x00\x01"), 0o700))
	for _, path := range []string{"/nonexistent/page", plain, garbage} {
		_, err := run(t, "argv: ["+path+"]", nil)
		f, ok := errors.AsType[*notice.FinalError](err)
		require.True(t, ok, "%s: %v", path, err)
		require.Equal(t, notice.ReasonConfig, f.Reason, "the channel is broken, not the notice")
		require.NotErrorIs(t, err, exec.ErrWaitDelay)
	}
}

func TestWrongConfigurations(t *testing.T) {
	for name, tc := range map[string]struct{ section, want string }{
		"no program":            {"", "argv: missing"},
		"a relative path":       {"argv: [page]", "argv[0]: want an absolute path"},
		"a variable that is no": {"argv: [/bin/true]\nenv: [{name: 'a=b', value: secretsecret}]", "env[0]"},
		"a kind that is none":   {"argv: [/bin/true]\nkinds: [page]", "kinds[0]"},
		"a negative limit":      {"argv: [/bin/true]\ntimeout: -1s", "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := command.New(escalatetest.Decode(tc.section))
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "secretsecret")
		})
	}
}
