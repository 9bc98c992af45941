package page

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

var hourSpan = live.Hour

// locked is a host whose journal cannot be read.
type locked struct{ *hosttest.Host }

func (locked) Incidents(context.Context, bool, int) ([]incident.Incident, error) {
	return nil, errors.New("database is locked")
}

func brokenJournal(t *testing.T) (*Page, *hosttest.Host) {
	t.Helper()
	policy, err := incident.NewPolicy(hosttest.Options(t))
	require.NoError(t, err)
	feed := live.New(live.Options{Target: policy.Target})
	h := hosttest.DatabaseDead(t, time.Now(), feed.Decided)
	p, err := New(Options{Daemon: locked{h}, Feed: feed, Logger: zaptest.NewLogger(t)})
	require.NoError(t, err)
	return p, h
}

// slots makes slots of one minute each from words: h healthy, d degraded, u unknown, x unhealthy,
// space none; ten looks each, and for "y" one unhealthy look among ten.
func slots(word string) []live.Slot {
	var out []live.Slot
	from := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	for i, r := range word {
		s := live.Slot{From: from.Add(time.Duration(i) * time.Minute)}
		switch r {
		case 'h':
			s.Looks[detect.Healthy] = 10
		case 'd':
			s.Looks[detect.Degraded] = 10
		case 'u':
			s.Looks[detect.Unknown] = 10
		case 'x':
			s.Looks[detect.Unhealthy] = 10
		case 'y':
			s.Looks[detect.Healthy], s.Looks[detect.Unhealthy] = 9, 1
		}
		out = append(out, s)
	}
	return out
}

func TestTheBar(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		name, in    string
		moods       []mood
		good, words string
	}{
		{"nothing was looked at", "    ", nil, "", "no looks in the last hour"},
		{"all is well in one piece", "hhhh", []mood{moodOK}, "100 % good", "the last hour: 40 looks, 100 % good"},
		{"a gap is no colour", "hh  hh", []mood{moodOK, moodOK}, "100 % good", "the last hour: 40 looks, 100 % good"},
		{"one bad look in a minute is seen", "hyh", []mood{moodOK, moodBad, moodOK}, "96.7 % good", "the last hour: 30 looks, 96.7 % good, last bad at 03:01:00"},
		{"unknown is not down", "uuh", []mood{moodUnknown, moodOK}, "100 % good", "the last hour: 30 looks, 100 % good, 20 could not tell"},
		{"degraded serves", "dd", []mood{moodWarn}, "100 % good", "the last hour: 20 looks, 100 % good"},
		{"nothing but unknown is no share at all", "uu", []mood{moodUnknown}, "", "the last hour: 20 looks, 20 could not tell"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := barOf(slots(c.in), hourSpan, now)
			var moods []mood
			for _, r := range b.Runs {
				moods = append(moods, r.Mood)
				require.LessOrEqual(t, r.X+r.Width, b.Width)
				require.Positive(t, r.Height)
			}
			require.Equal(t, c.moods, moods)
			require.Equal(t, c.good, b.Good)
			require.Equal(t, c.words, b.Words)
		})
	}
	require.Equal(t, "03:01:00 to 03:02:00: unhealthy in 1 of 10 looks", barOf(slots("hyh"), hourSpan, now).Runs[1].Title)
	require.Equal(t, "99.9 %", share(99999, 100000), "a failure is never rounded away")
}

func TestASparkHasGapsWhereNothingWasMeasured(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 30, 0, 0, time.UTC)
	s := slots("hhhhhh")
	v := []live.Value{live.Measured(0.2), live.Measured(0.4), {}, {}, live.Measured(0.97), {}}
	k := sparkOf("pool in use", "pool", v, s, live.Value{}, 0.95, 1, percent, hourSpan, now)
	require.Len(t, k.Lines, 2)
	require.Equal(t, "–", k.Value, "the last value is not shown as if it were the present one")
	require.False(t, k.Over)
	require.Equal(t, "pool in use: not measured now; highest in the last hour 97 %, at 03:04:00; limit 95 %", k.Words)
	k = sparkOf("pool in use", "pool", v, s, live.Measured(0.96), 0.95, 1, percent, hourSpan, now)
	require.True(t, k.Over)
	require.Equal(t, "96 %", k.Value)
}

func TestTheGraph(t *testing.T) {
	target := func(name string, v detect.Verdict, culprit string, needs ...string) httpserve.Target {
		return httpserve.Target{Name: name, Verdict: v, Culprit: culprit, DependsOn: needs}
	}
	require.Nil(t, graphOf([]httpserve.Target{target("a", detect.Healthy, ""), target("b", detect.Healthy, "")}), "nothing to draw")
	g := graphOf([]httpserve.Target{
		target("db", detect.Unhealthy, "db"), target("lonely", detect.Healthy, ""),
		target("api", detect.Unhealthy, "db", "db"), target("web", detect.Healthy, "", "api", "cache"), target("cache", detect.Healthy, ""),
	})
	x, words := map[string]int{}, map[string]string{}
	for _, n := range g.Nodes {
		x[n.Name], words[n.Name] = n.X, n.Words
		require.Equal(t, n.Name == "db", n.Culprit, n.Name)
		require.LessOrEqual(t, n.X+n.Width, g.Width)
		require.LessOrEqual(t, n.Y+n.Height, g.Height)
	}
	require.NotContains(t, x, "lonely")
	require.Less(t, x["web"], x["api"])
	require.Less(t, x["api"], x["db"])
	require.Equal(t, x["db"], x["cache"])
	require.Equal(t, map[string]string{"api": "api unhealthy because of db, needs db, needed by web", "web": "web healthy, needs api, cache",
		"db": "db culprit, unhealthy, needed by api", "cache": "cache healthy, needed by web"}, words)
	blamed := 0
	for _, e := range g.Edges {
		if e.Blamed {
			blamed++
		}
	}
	require.Equal(t, 1, blamed)
	require.True(t, g.Edges[len(g.Edges)-1].Blamed, "what is wrong is drawn above the rest")
	circle := graphOf([]httpserve.Target{target("a", detect.Healthy, "", "b"), target("b", detect.Healthy, "", "a")})
	require.Len(t, circle.Nodes, 2, "a circle does not hang the page")
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Second: "0 s", 1200 * time.Millisecond: "1.2 s", 59 * time.Second: "59 s",
		61 * time.Second: "1 min 1 s", 3 * time.Hour: "3 h 0 min", 72 * time.Hour: "3 days"} {
		require.Equal(t, want, lasting(d))
	}
	for v, want := range map[float64]string{512: "512 B", 412 << 20: "412 MiB", 2 << 30: "2 GiB", 1.5 * (1 << 30): "1.5 GiB"} {
		require.Equal(t, want, size(v))
	}
	for v, want := range map[float64]string{0.0042: "4.2 ms", 0.018: "18 ms", 0.9999: "1.0 s", 3: "3.0 s"} {
		require.Equal(t, want, seconds(v))
	}
}
