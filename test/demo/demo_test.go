package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// asExpected is a result, and the expectation that it meets.
func asExpected() (expectation, result) {
	because := "no health reply within 1.5s"
	i := incident.Incident{Target: "a", Class: detect.ClassHung,
		Attempts: []incident.Attempt{{Verb: strategy.Restart, Verdict: incident.Verified, Detail: "killed after 1s of stop grace"}}}
	rec := incident.Record{Target: "a", After: &incident.TargetState{Diagnosis: detect.Diagnosis{Because: because}}}
	return expectation{target: "a", class: detect.ClassHung, verbs: []strategy.Verb{strategy.Restart}, evidence: "no health reply",
			detail: "killed after", woken: true, page: "hung", sameRun: []string{"b"}},
		result{histories: []httpserve.History{{Incident: i, Records: []incident.Record{rec}}}, pages: []escalatetest.Entry{{Body: "a is hung"}}}
}

func TestEveryDeviationFromWhatIsExpectedIsFound(t *testing.T) {
	before, after := map[string]string{"b": "1"}, map[string]string{"b": "1"}
	x, r := asExpected()
	require.Empty(t, x.compare(r, before, after))
	for name, c := range map[string]struct {
		change func(*expectation, *result)
		says   string
	}{
		"no incident":          {func(_ *expectation, r *result) { r.histories = nil }, "want one incident, got 0"},
		"a second incident":    {func(_ *expectation, r *result) { r.histories = append(r.histories, r.histories[0]) }, "got 2"},
		"another class":        {func(x *expectation, _ *result) { x.class = detect.ClassDown }, "want the diagnosis down of a, got hung of a"},
		"another target":       {func(x *expectation, _ *result) { x.target = "b" }, "of b, got hung of a"},
		"other evidence":       {func(x *expectation, _ *result) { x.evidence = "refused" }, `"refused"`},
		"another action":       {func(x *expectation, _ *result) { x.verbs = []strategy.Verb{strategy.Start} }, "want the actions [start], got [restart]"},
		"an action too many":   {func(x *expectation, _ *result) { x.verbs = nil }, "want the actions [], got [restart]"},
		"not verified":         {func(_ *expectation, r *result) { r.histories[0].Incident.Attempts[0].Verdict = "no-effect" }, "not verified (no-effect)"},
		"another detail":       {func(x *expectation, _ *result) { x.detail = "graceful" }, `does not say "graceful"`},
		"a bystander":          {func(x *expectation, _ *result) { x.sameRun = append(x.sameRun, "c"); after["c"] = "2" }, "c was restarted"},
		"no page":              {func(_ *expectation, r *result) { r.pages = nil }, "want 1 page(s), got 0"},
		"a page for nothing":   {func(x *expectation, _ *result) { x.woken = false }, "want 0 page(s), got 1"},
		"a page without sense": {func(x *expectation, _ *result) { x.page = "down" }, `the page does not say "down"`},
	} {
		t.Run(name, func(t *testing.T) {
			x, r := asExpected()
			c.change(&x, &r)
			require.Contains(t, strings.Join(x.compare(r, before, after), "; "), c.says)
		})
	}
	require.Len(t, refused([]escalatetest.Entry{{Verdict: escalatetest.Accepted}, {Verdict: escalatetest.Dropped}, {Verdict: escalatetest.Rejected}}), 2)
}

func TestTheSummaryFailsWhenOneFaultDiffers(t *testing.T) {
	x, r := asExpected()
	r.scene = scene{name: "hung", want: x}
	r.detected, r.healthy = 3*time.Second, 4*time.Second
	var out bytes.Buffer
	require.True(t, newScreen(&out).summary([]result{r}, time.Minute))
	require.Contains(t, out.String(), "hung    hung (a)    restart   3.00 s           4.00 s          yes")
	r.differs = []string{"it was not over"}
	require.False(t, newScreen(&out).summary([]result{r, r}, time.Minute))
	require.Contains(t, out.String(), "2 of 2 faults did not go as expected")
	require.NotContains(t, out.String(), "\x1b", "no colours where there is no terminal")
}

func TestLinesAreBrokenBetweenWordsAndIndented(t *testing.T) {
	require.Equal(t, []string{"one two", "three", "muchtoolong", "x"}, wrap("one two three muchtoolong x", 7))
	require.Equal(t, []string{""}, wrap("", 7))
	var out bytes.Buffer
	s := newScreen(&out)
	s.width = indent + 9
	s.event(12340*time.Millisecond, toneNone, "fault", "one two three")
	require.Equal(t, "   12.3 s   fault     one two\n"+strings.Repeat(" ", indent)+"three\n", out.String())
}

func TestBothConfigurationsAreAcceptedByRecoveryd(t *testing.T) {
	for _, database := range []string{"", "postgres://mcp_user@127.0.0.1:1/x?sslmode=disable"} {
		dir := t.TempDir()
		s := setup{Dir: dir, API: "127.0.0.1:9465", PagerDuty: "http://127.0.0.1:1", Slack: "http://127.0.0.1:2"}
		if database != "" {
			s.Postgres, s.PostgresDSN = yamlList([]string{"/bin/postgres", "-D", `/a "b"`}), database
		}
		for _, name := range []string{"codebase-mcp", "workflow-mcp"} {
			srv, err := newServer(dir, "/bin/mcp-target", name, database)
			require.NoError(t, err)
			s.Servers = append(s.Servers, srv)
		}
		path := filepath.Join(dir, "recoveryd.yaml")
		require.NoError(t, s.write(path))
		c, err := config.Load(path, app.Known())
		require.NoError(t, err)
		require.NoError(t, app.CheckParts(c))
		require.Empty(t, c.Warnings)
	}
}
