package alerts

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func webhook(t *testing.T) Webhook {
	t.Helper()
	body, err := os.ReadFile("testdata/firing.json")
	require.NoError(t, err)
	w, err := Decode(body)
	require.NoError(t, err)
	return w
}

func book(entries ...Entry) *Book {
	b := NewBook()
	b.Configure(entries, []string{"codebase-mcp", "workflow-mcp", "postgres"})
	return b
}

func pool(class detect.Class) detect.Facts {
	return detect.Facts{detect.AlertFiring: detect.Word("PoolNearlyFull"), detect.AlertClass: detect.Word(string(class))}
}

func TestAFiringAlertIsAFactAboutTheTargetThatItsLabelNames(t *testing.T) {
	b := book(Entry{Name: "PoolNearlyFull", Label: "service", Class: "pool", Keep: 5 * time.Hour})
	require.Equal(t, Taken{Taken: 2, Targets: []string{"codebase-mcp"}}, b.Take(webhook(t), now))
	require.Equal(t, pool("pool"), b.Facts("codebase-mcp", now))
	require.Nil(t, b.Facts("workflow-mcp", now), "resolved")
	require.Nil(t, b.Facts("postgres", now))
	require.Equal(t, Taken{Taken: 2, Targets: []string{}}, b.Take(webhook(t), now), "repeated: nothing changed")
}

func TestAnAlertMayBeMappedToATargetByTheConfiguration(t *testing.T) {
	b := book(Entry{Name: "PoolNearlyFull", Target: "postgres", Class: "database", Keep: time.Hour}, Entry{Name: "Other", Target: "postgres", Class: "disk", Keep: time.Hour})
	w := webhook(t)
	w.Alerts = w.Alerts[:1]
	require.Equal(t, []string{"postgres"}, b.Take(w, now).Targets)
	require.Equal(t, pool("database"), b.Facts("postgres", now))
}

func TestAnAlertEndsWhenItIsResolvedOrWhenNothingIsHeardOfIt(t *testing.T) {
	entry := Entry{Name: "PoolNearlyFull", Label: "service", Class: "pool", Keep: 5 * time.Hour}
	b := book(entry)
	b.Take(webhook(t), now)
	w := webhook(t)
	w.Alerts[0].Status, w.Alerts[0].EndsAt = Resolved, now.Add(time.Minute)
	require.Equal(t, []string{"codebase-mcp"}, b.Take(w, now.Add(time.Minute)).Targets)
	require.Nil(t, b.Facts("codebase-mcp", now.Add(time.Minute)))

	b.Take(webhook(t), now)
	require.NotNil(t, b.Facts("codebase-mcp", now.Add(5*time.Hour-time.Second)))
	b.Take(webhook(t), now.Add(4*time.Hour)) // repeated
	require.NotNil(t, b.Facts("codebase-mcp", now.Add(8*time.Hour)))
	require.Nil(t, b.Facts("codebase-mcp", now.Add(9*time.Hour)))

	w = webhook(t)
	w.Alerts[0].EndsAt = now.Add(5 * time.Minute)
	b.Take(w, now)
	require.Nil(t, b.Facts("codebase-mcp", now.Add(5*time.Minute)), "it said itself when it ends")
}

func TestTheAlertThatFiresLongestIsTheFact(t *testing.T) {
	b := book(Entry{Name: "A", Target: "postgres", Class: "disk", Keep: time.Hour}, Entry{Name: "B", Target: "postgres", Class: "database", Keep: time.Hour})
	fire := func(name string, since time.Time) {
		b.Take(Webhook{Alerts: []Alert{{Status: Firing, Labels: map[string]string{"alertname": name, "instance": "x"}, StartsAt: since}}}, now)
	}
	fire("A", now.Add(-time.Minute))
	fire("B", now.Add(-time.Hour))
	require.Equal(t, "B", b.Facts("postgres", now).Text(detect.AlertFiring))
	require.Equal(t, "database", b.Facts("postgres", now).Text(detect.AlertClass))
}

func TestAReloadKeepsWhatIsStillConfigured(t *testing.T) {
	entry := Entry{Name: "PoolNearlyFull", Label: "service", Class: "pool", Keep: time.Hour}
	b := book(entry)
	b.Take(webhook(t), now)
	b.Configure([]Entry{entry}, []string{"codebase-mcp"})
	require.NotNil(t, b.Facts("codebase-mcp", now))
	b.Configure([]Entry{{Name: "PoolNearlyFull", Label: "service", Class: "latency", Keep: time.Hour}}, []string{"codebase-mcp"})
	require.Nil(t, b.Facts("codebase-mcp", now))
	b.Take(webhook(t), now)
	b.Configure([]Entry{{Name: "PoolNearlyFull", Label: "service", Class: "latency", Keep: time.Hour}}, []string{"postgres"})
	require.Nil(t, b.Facts("codebase-mcp", now))
}

func TestWhatNobodyAskedForIsIgnoredAndNothingGrowsWithoutBound(t *testing.T) {
	b := book(Entry{Name: "A", Label: "service", Class: "pool", Keep: time.Hour})
	w := Webhook{}
	for i := range 500 {
		w.Alerts = append(w.Alerts, Alert{Status: Firing, Labels: map[string]string{"alertname": "A", "service": "postgres", "n": fmt.Sprint(i)}},
			Alert{Status: Firing, Labels: map[string]string{"alertname": "A", "service": fmt.Sprint("stranger", i)}},
			Alert{Status: Firing, Labels: map[string]string{"alertname": "Z", "service": "postgres"}})
	}
	require.Equal(t, Taken{Taken: 500, Ignored: 1000, Targets: []string{"postgres"}}, b.Take(w, now))
	require.Len(t, b.firing["postgres"], maxKept)
	require.Len(t, b.firing, 1)
}

func TestAWebhookThatIsNoneIsRefusedWithTheReason(t *testing.T) {
	good, err := os.ReadFile("testdata/firing.json")
	require.NoError(t, err)
	change := func(old, new string) string {
		require.Contains(t, string(good), old)
		return strings.Replace(string(good), old, new, 1)
	}
	for _, c := range []struct{ name, body, says string }{
		{"nothing", "", "no webhook of Alertmanager"},
		{"no JSON", "hello", "no webhook of Alertmanager"},
		{"a list", "[]", "no webhook of Alertmanager"},
		{"two", string(good) + string(good), "something follows"},
		{"Grafana's own", change(`"version": "4"`, `"version": "1"`), "has version"},
		{"no alerts", `{"version":"4","status":"firing","alerts":[]}`, "no alerts"},
		{"another status", change(`"status": "firing"`, `"status": "pending"`), "the status is"},
		{"another status of an alert", change(`"status": "resolved"`, `"status": "suppressed"`), "alert 2: its status"},
		{"no name", change(`"alertname": "PoolNearlyFull", "instance"`, `"instance"`), "no label alertname"},
		{"a number for a label", change(`"job": "pgbouncer"`, `"job": 7`), "no webhook of Alertmanager"},
		{"no time", change(`2026-11-22T02:58:13.042Z`, `yesterday`), "no webhook of Alertmanager"},
		{"a label without end", change(`"job": "pgbouncer"`, `"job": "`+strings.Repeat("x", 2000)+`"`), "longer than"},
		{"too much", strings.Repeat(" ", MaxBody+1), "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode([]byte(c.body))
			require.ErrorContains(t, err, c.says)
		})
	}
	many := `{"version":"4","status":"firing","alerts":[` + strings.Repeat(`{"status":"firing","labels":{"alertname":"A"}},`, maxAlerts) + `{"status":"firing","labels":{"alertname":"A"}}]}`
	_, err = Decode([]byte(many))
	require.ErrorContains(t, err, "max_alerts")
}

// FuzzWebhook feeds anything to the decoder, and what it accepts to the book.
func FuzzWebhook(f *testing.F) {
	good, err := os.ReadFile("testdata/firing.json")
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte(`{"version":"4","status":"resolved","alerts":[{"status":"firing","labels":{"alertname":"A","service":"postgres"},"endsAt":"9999-12-31T23:59:59Z"}]}`))
	f.Add([]byte(`{"version":"4","status":"firing","alerts":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w, err := Decode(body)
		if err != nil {
			require.Less(t, len(err.Error()), 4000)
			return
		}
		b := book(Entry{Name: "PoolNearlyFull", Label: "service", Class: "pool", Keep: time.Hour}, Entry{Name: "A", Target: "postgres", Class: "disk", Keep: time.Hour})
		got := b.Take(w, now)
		require.Equal(t, len(w.Alerts), got.Taken+got.Ignored)
		for _, target := range []string{"codebase-mcp", "workflow-mcp", "postgres"} {
			if f := b.Facts(target, now); f != nil {
				require.Contains(t, []string{"PoolNearlyFull", "A"}, f.Text(detect.AlertFiring), "a name of the configuration, never one from outside")
			}
			require.Nil(t, b.Facts(target, now.Add(time.Hour)), "nothing counts for longer than it is kept")
		}
	})
}
