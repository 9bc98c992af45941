package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/doctor"
)

func TestDoctorWarnsOfRolesThatLeadToNobody(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "recoveryd.yaml")
	examine := func(roles string) (gaps []doctor.Finding) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `version: 1
state_dir: %[1]s/state
runtime_dir: %[1]s/run
targets: [{name: svc, kind: plain, platform: none, check: {type: tcp, address: "127.0.0.1:1"}}]
notifiers:
  - {name: pd, type: pagerduty, routing_key: "%032d"}
  - {name: mail, type: email, server: "localhost:25", from: a@example.org, to: [b@example.org]}
escalation: {runbook: true}
%[3]s`, dir, 7, roles), 0o600))
		out, stderr, _ := say(t, "doctor", "--inside", "-o", "json", "--config", path)
		var r doctor.Report
		require.NoError(t, json.Unmarshal([]byte(out), &r), stderr)
		for _, f := range r.Findings {
			if f.Check == "configuration" && f.Status != doctor.OK && !strings.HasPrefix(f.Object, "notifiers") {
				gaps = append(gaps, f)
			}
		}
		return gaps
	}
	const mend = "recoveryd escalation shows who is told; name somebody under roles or oncall"
	require.Equal(t, []doctor.Finding{
		{Check: "configuration", Object: "oncall[primary]", Status: doctor.Warn, Mend: mend,
			Detail: "from 2038-01-04 09:00:00 UTC primary leads to nobody, since no channel stands for secondary: nobody is told in that place"},
		{Check: "configuration", Object: "roles[teem]", Status: doctor.Warn, Mend: mend,
			Detail: "teem is in no tier: nobody is ever told in this place"},
	}, examine(`roles: [{name: teem, notify: [mail]}, {name: chat, notify: [mail]}]
oncall: [{name: primary, notify: [pd, secondary], start: "2037-12-28 09:00", turn: 7d, timezone: UTC}]
`))
	require.Empty(t, examine(`roles: [{name: primary, notify: [pd]}, {name: team, notify: [mail]}, {name: chat, notify: [mail]}]
`), "where somebody stands in for every role there is nothing to warn of")
}
