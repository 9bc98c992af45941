package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/detect/probe"
)

func TestCapturedRepliesAreJudgedAsLiveOnesWouldBe(t *testing.T) {
	reply := func(file string, status int) *probe.Reply {
		body, err := os.ReadFile(filepath.Join("../../pkg/detect/probe/testdata/replies", file))
		require.NoError(t, err)
		return &probe.Reply{Status: status, Body: body, Latency: 3 * time.Millisecond}
	}
	silent := &probe.Reply{Latency: 5 * time.Second, Outcome: detect.OutcomeNoReply}
	refused := &probe.Reply{Outcome: detect.OutcomeRefused}
	for _, c := range []struct {
		name      string
		in        Captured
		verdict   detect.Verdict
		class     detect.Class
		culprit   string
		wouldSays string
	}{
		{"a healthy reply", Captured{Reply: reply("a-healthy.json", 200), UnitState: "active"}, detect.Healthy, "", "", "nothing"},
		{"a full pool that calls itself disconnected, beside a database that answers",
			Captured{Reply: reply("a-pool-full.json", 200), UnitState: "active", Witnesses: map[string]string{"postgres": "ok"}},
			detect.Unhealthy, detect.ClassPool, "svc", "terminate-idle: pg.terminate-idle postgres"},
		{"a lost database that was seen down",
			Captured{Reply: reply("a-database-stopped.json", 200), UnitState: "active", Witnesses: map[string]string{"postgres": "down"}},
			detect.Unhealthy, detect.ClassDatabase, "postgres", "start: start postgresql@15-main.service"},
		{"a lost database that nobody else has seen",
			Captured{Reply: reply("a-database-stopped.json", 200), UnitState: "active"},
			detect.Unhealthy, detect.ClassDatabase, "postgres", "nothing yet"},
		{"a frozen database behind a hanging health call",
			Captured{Reply: silent, UnitState: "active", Witnesses: map[string]string{"postgres": "frozen"}},
			detect.Unhealthy, detect.ClassDatabase, "postgres", "restart: restart postgresql@15-main.service"},
		{"a hanging service beside a database that answers",
			Captured{Reply: silent, UnitState: "active", Witnesses: map[string]string{"postgres": "ok"}},
			detect.Unhealthy, detect.ClassHung, "svc", "restart: restart svc.service"},
		{"a hanging service beside a database that could not be asked",
			Captured{Reply: silent, UnitState: "active", Witnesses: map[string]string{"postgres": "unknown"}},
			detect.Unknown, detect.ClassUnknown, "svc", "nothing: it does not act on a guess"},
		{"a saturated database is never restarted",
			Captured{Reply: reply("a-database-stopped.json", 200), UnitState: "active", Witnesses: map[string]string{"postgres": "saturated"}},
			detect.Unhealthy, detect.ClassPool, "postgres", "terminate-idle"},
		{"a dead unit with a closed port", Captured{Reply: refused, UnitState: "failed"}, detect.Unhealthy, detect.ClassDown, "svc", "start: start svc.service"},
		{"a unit that a person stopped", Captured{Reply: refused, UnitState: "stopped"}, detect.Unhealthy, detect.ClassDown, "svc", "nothing: a person stopped"},
		{"a page that does not exist", Captured{Reply: reply("task-not-found.json", 404), UnitState: "active"}, detect.Unknown, detect.ClassMisconfigured, "svc", "nothing but page"},
		{"a web page", Captured{Reply: reply("page.html", 200), UnitState: "active"}, detect.Unknown, detect.ClassMisconfigured, "svc", "nothing but page"},
		{"the always unhealthy default configuration", Captured{Reply: reply("g-validation.json", 200), UnitState: "active"}, detect.Unknown, detect.ClassMisconfigured, "svc", "nothing but page"},
		{"a rate limit answered with HTTP 500", Captured{Reply: reply("task-rate-limited.json", 500), UnitState: "active"}, detect.Unknown, detect.ClassUnknown, "svc", "nothing"},
		{"a truncated reply", Captured{Reply: reply("bad-truncated.json", 200), UnitState: "active"}, detect.Unknown, detect.ClassUnknown, "svc", "nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.Target = "svc"
			v := Diagnose(c.in)
			require.Equal(t, c.verdict, v.Verdict, v.Because)
			require.Equal(t, c.class, v.Class, v.Because)
			require.Equal(t, c.culprit, v.Culprit, v.Because)
			require.Contains(t, v.Would, c.wouldSays)
			require.NotEmpty(t, v.Because)
		})
	}
}
