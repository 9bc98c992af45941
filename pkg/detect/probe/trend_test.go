package probe

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

var trendBegan = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// shown feeds looks to a Trend, one every step, and returns the facts of the last.
func shown(t *Trend, n int, step time.Duration, look func(i int) detect.Facts) (f detect.Facts) {
	for i := range n {
		f = look(i)
		t.Add(trendBegan.Add(time.Duration(i)*step), f)
	}
	return f
}

func reply(latency float64) detect.Facts {
	return detect.Facts{detect.WorkloadRun: detect.Word("r1"), detect.HTTPOutcome: detect.Word(detect.OutcomeReply), detect.HTTPLatency: detect.Num(latency)}
}

func rss(v float64) detect.Facts {
	return detect.Facts{detect.WorkloadRun: detect.Word("r1"), detect.ProcessRSS: detect.Num(v)}
}

func poolOf(size, free, most float64) detect.Facts {
	return detect.Facts{detect.WorkloadRun: detect.Word("r1"), detect.PoolSize: detect.Num(size), detect.PoolFree: detect.Num(free), detect.PoolMax: detect.Num(most)}
}

const mib = 1 << 20

func TestAMemoryLeakShowsItsPaceAndTheTimeThatIsLeft(t *testing.T) {
	noise := rand.New(rand.NewPCG(1, 2))
	// 100 MiB, growing by 1 MiB a minute, scattered by 2 MiB; limit 200 MiB.
	f := shown(NewTrend(TrendConfig{MemoryLimit: 200 * mib}), 240, 5*time.Second, func(i int) detect.Facts {
		return rss(100*mib + float64(i)*5/60*mib + noise.NormFloat64()*2*mib)
	})
	slope, ok := f.Num(detect.TrendMemorySlope)
	require.True(t, ok, "%v", f[detect.TrendMemorySlope])
	require.InDelta(t, float64(mib)/60, slope, float64(mib)/60*0.1)
	left, ok := f.Duration(detect.TrendMemoryLeft)
	require.True(t, ok)
	require.InDelta(t, 80, left.Minutes(), 10, "80 of 100 MiB are left after 20 minutes")
}

func TestWhatDoesNotGrowSteadilyHasNoEnd(t *testing.T) {
	noise := rand.New(rand.NewPCG(3, 4))
	for name, look := range map[string]func(i int) float64{
		"level":                          func(int) float64 { return 100 * mib },
		"level, scattered":               func(int) float64 { return 100*mib + noise.NormFloat64()*5*mib },
		"shrinking":                      func(i int) float64 { return 200*mib - float64(i)*mib/10 },
		"a saw of garbage collection":    func(i int) float64 { return 100*mib + float64(i%24)*2*mib },
		"one jump, then level":           func(i int) float64 { return 100*mib + 60*mib*float64(min(1, i/120)) },
		"growth that comes to an end":    func(i int) float64 { return 100*mib + 80*mib*(1-math.Exp(-float64(i)/20)) },
		"a spike":                        func(i int) float64 { return 100*mib + 90*mib*float64(i/100%2)*float64(1-min(1, i/110)) },
		"growth too small to matter":     func(i int) float64 { return 100*mib + float64(i)*1000 },
		"a level with a few wild values": func(i int) float64 { return 100*mib + float64((i%17)/16)*80*mib },
	} {
		t.Run(name, func(t *testing.T) {
			f := shown(NewTrend(TrendConfig{MemoryLimit: 200 * mib}), 240, 5*time.Second, func(i int) detect.Facts { return rss(look(i)) })
			require.Empty(t, f[detect.TrendMemorySlope].Err, "the slope is known")
			require.NotContains(t, f, detect.TrendMemoryLeft)
		})
	}
}

func TestAFewWildValuesDoNotHideALeak(t *testing.T) {
	f := shown(NewTrend(TrendConfig{}), 240, 5*time.Second, func(i int) detect.Facts {
		v := 100*mib + float64(i)*mib/2
		if i%9 == 0 {
			v = 5 * mib
		}
		f := rss(v)
		f[detect.MemoryMax] = detect.Num(300 * mib)
		return f
	})
	left, ok := f.Duration(detect.TrendMemoryLeft)
	require.True(t, ok)
	require.InDelta(t, (80 * 10 * time.Second).Seconds(), left.Seconds(), 400)
}

func TestAPoolThatFillsShowsWhenItIsUsedUp(t *testing.T) {
	f := shown(NewTrend(TrendConfig{}), 40, 5*time.Second, func(i int) detect.Facts { return poolOf(30, 30-float64(i/4), 30) })
	slope, _ := f.Num(detect.TrendPoolSlope)
	require.InDelta(t, 0.05, slope, 0.005, "one connection in 20 seconds")
	left, ok := f.Duration(detect.TrendPoolLeft)
	require.True(t, ok)
	require.InDelta(t, 410, left.Seconds(), 40)

	f = shown(NewTrend(TrendConfig{}), 40, 5*time.Second, func(i int) detect.Facts { return poolOf(30, 20-float64(i*7%5), 30) })
	require.NotContains(t, f, detect.TrendPoolLeft, "a busy pool that is given back")
}

// A pool that leaked up to 24 of 30 was told to be used up "in seconds" for a minute and a half.
func TestGrowthThatHasStoppedIsNotDrawnOn(t *testing.T) {
	for name, c := range map[string]struct {
		look    func(i int) detect.Facts // every five seconds
		fact    string
		grows   int // looks until it stops
		patient int // looks after which that must be seen
	}{
		"a pool":  {func(i int) detect.Facts { return poolOf(30, 30-float64(min(i, 19)*5/4), 30) }, detect.TrendPoolLeft, 20, 6},
		"memory":  {func(i int) detect.Facts { return rss(100*mib + float64(min(i, 119))*mib/2) }, detect.TrendMemoryLeft, 120, 48},
		"a saw's": {func(i int) detect.Facts { return rss(100*mib + float64(min(i, 119))*mib/2 + float64(i%7)*mib) }, detect.TrendMemoryLeft, 120, 60},
	} {
		t.Run(name, func(t *testing.T) {
			tr := NewTrend(TrendConfig{MemoryLimit: 200 * mib})
			require.Contains(t, shown(tr, c.grows, 5*time.Second, c.look), c.fact, "while it grows")
			f := shown(NewTrend(TrendConfig{MemoryLimit: 200 * mib}), c.grows+c.patient, 5*time.Second, c.look)
			require.NotContains(t, f, c.fact)
		})
	}
}

func TestWhatIsLeftCountsFromWhatIsSeen(t *testing.T) {
	look := func(i int) detect.Facts { return poolOf(30, 30-float64(min(i, 19)*5/4), 30) } // up to 23
	f := shown(NewTrend(TrendConfig{}), 23, 5*time.Second, look)                           // and level for four looks
	left, ok := f.Duration(detect.TrendPoolLeft)
	require.True(t, ok, "it may be a pause")
	require.InDelta(t, 28, left.Seconds(), 2, "7 are free, at one in four seconds; the line alone says 12")
}

func TestScatterDoesNotInterruptTheWarningOfALeak(t *testing.T) {
	noise := rand.New(rand.NewPCG(5, 6))
	tr := NewTrend(TrendConfig{MemoryLimit: 400 * mib})
	known, lost := false, 0
	for i := range 480 { // 40 minutes at 3 MiB a minute, scattered by 3
		f := rss(100*mib + float64(i)*mib/4 + noise.NormFloat64()*3*mib)
		tr.Add(trendBegan.Add(time.Duration(i)*5*time.Second), f)
		_, ok := f[detect.TrendMemoryLeft]
		if known = known || ok; known && !ok {
			lost++
		}
	}
	require.True(t, known)
	require.Less(t, lost, 480/20, "looks without it, of those since it was first seen")
}

func TestANewProcessBeginsANewRow(t *testing.T) {
	tr := NewTrend(TrendConfig{MemoryLimit: 200 * mib})
	shown(tr, 240, 5*time.Second, func(i int) detect.Facts { return rss(100*mib + float64(i)*mib/10) })
	next := rss(50 * mib)
	next[detect.WorkloadRun] = detect.Word("r2")
	tr.Add(trendBegan.Add(21*time.Minute), next)
	require.Equal(t, "too few looks yet: 1 of 10", next[detect.TrendMemorySlope].Err)
	require.NotContains(t, next, detect.TrendMemoryLeft)

	// Where no platform names the run, the service's own uptime tells.
	tr = NewTrend(TrendConfig{})
	shown(tr, 30, 5*time.Second, func(i int) detect.Facts {
		return detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeReply), detect.HTTPLatency: detect.Num(9), detect.HealthUptime: detect.Num(float64(i * 5))}
	})
	young := detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeReply), detect.HTTPLatency: detect.Num(0.1), detect.HealthUptime: detect.Num(1)}
	tr.Add(trendBegan.Add(160*time.Second), young)
	require.Equal(t, "too few looks yet: 1 of 20", young[detect.TrendLatencyP95].Err)
}

func TestTooLittleOrAGapIsNotMeasured(t *testing.T) {
	f := shown(NewTrend(TrendConfig{}), 9, 30*time.Second, func(i int) detect.Facts { return rss(float64(i) * mib) })
	require.Equal(t, "too few looks yet: 9 of 10", f[detect.TrendMemorySlope].Err)
	f = shown(NewTrend(TrendConfig{}), 11, 29*time.Second, func(i int) detect.Facts { return rss(float64(i) * mib) })
	require.Contains(t, f[detect.TrendMemorySlope].Err, "too few", "what is within one bucket is one point")

	tr := NewTrend(TrendConfig{})
	shown(tr, 12, 30*time.Second, func(i int) detect.Facts { return rss(100*mib + float64(i)*mib) })
	late := rss(200 * mib)
	tr.Add(trendBegan.Add(20*time.Minute), late)
	require.Equal(t, "there is a gap in what was seen", late[detect.TrendMemorySlope].Err)
	require.NotContains(t, late, detect.TrendMemoryLeft)

	later := rss(200 * mib)
	tr.Add(trendBegan.Add(2*time.Hour), later)
	require.Equal(t, "too few looks yet: 1 of 10", later[detect.TrendMemorySlope].Err, "what is older than the window is forgotten")
}

func TestSmallGapsDoNotMatter(t *testing.T) {
	f := shown(NewTrend(TrendConfig{MemoryLimit: 300 * mib}), 240, 5*time.Second, func(i int) detect.Facts {
		if i%40 > 30 { // not measured for 45 s now and then
			return detect.Facts{detect.WorkloadRun: detect.Word("r1"), detect.ProcessRSS: detect.NotMeasured("hidden")}
		}
		return rss(100*mib + float64(i)*mib/4)
	})
	require.Contains(t, f, detect.TrendMemoryLeft)
}

func TestMemoryOfTheCgroupIsFollowedWhereResidentMemoryIsNotKnown(t *testing.T) {
	f := shown(NewTrend(TrendConfig{MemoryLimit: 300 * mib}), 100, 10*time.Second, func(i int) detect.Facts {
		f := detect.Facts{detect.MemoryCurrent: detect.Num(100*mib + float64(i)*mib)}
		if i > 95 { // looked at only since memory runs short
			f[detect.ProcessRSS] = detect.Num(50 * mib)
		}
		return f
	})
	require.Contains(t, f, detect.TrendMemoryLeft)
	f = shown(NewTrend(TrendConfig{MemoryLimit: 300 * mib}), 100, 10*time.Second, func(i int) detect.Facts {
		return detect.Facts{detect.MemoryCurrent: detect.Num(100*mib + float64(i)*mib), detect.ProcessRSS: detect.Num(50 * mib)}
	})
	require.NotContains(t, f, detect.TrendMemoryLeft, "the page cache grows, the processes do not")
}

func TestTheP95IsThatOfTheLastFiveMinutes(t *testing.T) {
	slow := func(i int) detect.Facts {
		if i%10 == 0 {
			return reply(3)
		}
		return reply(0.1)
	}
	tr := NewTrend(TrendConfig{})
	f := shown(tr, 60, 5*time.Second, slow)
	p95, ok := f.Num(detect.TrendLatencyP95)
	require.True(t, ok)
	require.Equal(t, 3.0, p95, "one in ten is slow")
	rare := func(i int) detect.Facts {
		if i%30 == 0 {
			return reply(3)
		}
		return reply(0.1)
	}
	f = shown(NewTrend(TrendConfig{}), 60, 5*time.Second, rare)
	require.Equal(t, detect.Num(0.1), f[detect.TrendLatencyP95], "one in thirty is not")
	f = shown(NewTrend(TrendConfig{}), 19, 5*time.Second, slow)
	require.Equal(t, "too few looks yet: 19 of 20", f[detect.TrendLatencyP95].Err)

	// Quick looks under suspicion are one moment: two hundred of them do not outvote the minutes before.
	for i := range 200 {
		f = reply(5)
		tr.Add(trendBegan.Add(5*time.Minute+time.Duration(i)*4*time.Millisecond), f)
	}
	require.Equal(t, detect.Num(3), f[detect.TrendLatencyP95])

	// No reply is no answer time.
	f = detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeNoReply), detect.HTTPLatency: detect.Num(60)}
	tr.Add(trendBegan.Add(6*time.Minute), f)
	require.Equal(t, detect.Num(3), f[detect.TrendLatencyP95])
}

func TestDegradedCountsFromItsFirstWordWithoutABreak(t *testing.T) {
	say := func(word string) detect.Facts { return detect.Facts{detect.HealthStatus: detect.Word(word)} }
	tr := NewTrend(TrendConfig{})
	at := func(after time.Duration, f detect.Facts) detect.Facts { tr.Add(trendBegan.Add(after), f); return f }
	require.NotContains(t, at(0, say("healthy")), detect.TrendDegradedFor)
	require.Equal(t, detect.Num(0), at(time.Minute, say("degraded"))[detect.TrendDegradedFor])
	require.NotContains(t, at(2*time.Minute, detect.Facts{detect.HealthStatus: detect.NotMeasured("no reply")}), detect.TrendDegradedFor)
	require.Equal(t, detect.Num(90), at(150*time.Second, say("degraded"))[detect.TrendDegradedFor], "a look without its word is no break")
	require.NotContains(t, at(3*time.Minute, say("healthy")), detect.TrendDegradedFor)
	require.Equal(t, detect.Num(0), at(4*time.Minute, say("degraded"))[detect.TrendDegradedFor])
	require.Equal(t, detect.Num(0), at(10*time.Minute, say("degraded"))[detect.TrendDegradedFor], "nothing was heard for too long")
}

func TestATargetWithoutAnyOfItHasNoTrends(t *testing.T) {
	f := detect.Facts{detect.SQLOutcome: detect.Word(detect.SQLOK)}
	NewTrend(TrendConfig{}).Add(trendBegan, f)
	require.Len(t, f, 1)
}

func TestALookerAddsTheTrends(t *testing.T) {
	l, err := NewLooker(LookerConfig{Target: "mcp", Trend: NewTrend(TrendConfig{}), Witnesses: []Witness{fixed(reply(0.2))}})
	require.NoError(t, err)
	o := l.Look(t.Context(), "poll")
	require.Equal(t, "too few looks yet: 1 of 20", o.Facts[detect.TrendLatencyP95].Err)
}

// fixed is a witness that always sees the same.
type fixed detect.Facts

func (fixed) Name() string { return "fixed" }
func (f fixed) Look(context.Context, detect.Facts) detect.Facts {
	out := detect.Facts{}
	for k, v := range f {
		out[k] = v
	}
	return out
}

// TestTrendsAreNumbersWhateverIsSeen feeds anything, at any time.
func TestTrendsAreNumbersWhateverIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := NewTrend(TrendConfig{MemoryLimit: rapid.Float64().Draw(t, "limit")})
		at := trendBegan
		for range rapid.IntRange(1, 80).Draw(t, "looks") {
			at = at.Add(time.Duration(rapid.Int64Range(-int64(time.Minute), int64(10*time.Minute)).Draw(t, "after")))
			f := detect.Facts{}
			for _, name := range []string{detect.HTTPLatency, detect.MemoryCurrent, detect.ProcessRSS, detect.MemoryMax, detect.PoolSize, detect.PoolFree, detect.PoolMax, detect.HealthUptime} {
				if rapid.Bool().Draw(t, name+"?") {
					f[name] = detect.Num(rapid.Float64().Draw(t, name))
				}
			}
			f[detect.HTTPOutcome] = detect.Word(rapid.SampledFrom([]string{detect.OutcomeReply, detect.OutcomeNoReply}).Draw(t, "outcome"))
			f[detect.HealthStatus] = detect.Word(rapid.SampledFrom([]string{"healthy", "degraded", "?"}).Draw(t, "status"))
			tr.Add(at, f)
			for _, name := range []string{detect.TrendMemoryLeft, detect.TrendPoolLeft, detect.TrendDegradedFor} {
				if v, ok := f.Num(name); ok {
					require.GreaterOrEqual(t, v, 0.0, name)
				}
			}
			require.LessOrEqual(t, len(tr.latency), 301)
			require.LessOrEqual(t, len(tr.memory.points)+len(tr.rss.points)+len(tr.pool.points), 3*62)
		}
	})
}

func BenchmarkTrendOfALookOnAQuietDay(b *testing.B) {
	tr := NewTrend(TrendConfig{MemoryLimit: 300 * mib})
	i := 0
	for b.Loop() {
		f := rss(100 * mib)
		f[detect.HTTPOutcome], f[detect.HTTPLatency] = detect.Word(detect.OutcomeReply), detect.Num(0.01)
		f[detect.PoolSize], f[detect.PoolFree], f[detect.PoolMax] = detect.Num(20), detect.Num(10), detect.Num(30)
		tr.Add(trendBegan.Add(time.Duration(i)*5*time.Second), f)
		i++
	}
}

func TestAnInheritedTrendGoesOnAndSharesNothing(t *testing.T) {
	look := func(i int) detect.Facts { return rss(100*mib + float64(i)*mib) }
	old := NewTrend(TrendConfig{MemoryLimit: 1000 * mib})
	shown(old, 60, 30*time.Second, look)
	heir := NewTrend(TrendConfig{MemoryLimit: 500 * mib})
	heir.inherit(old)
	at := trendBegan.Add(60 * 30 * time.Second)
	f := look(60)
	heir.Add(at, f)
	left, ok := f.Duration(detect.TrendMemoryLeft)
	require.True(t, ok, "%v", f)
	require.InDelta(t, 340*30, left.Seconds(), 60, "by its own limit, at the inherited pace")
	for i := range 50 { // another process, seen by the old one only
		old.Add(at.Add(time.Duration(i)*time.Second), detect.Facts{detect.WorkloadRun: detect.Word("r2"), detect.ProcessRSS: detect.Num(1)})
	}
	f = look(61)
	heir.Add(at.Add(30*time.Second), f)
	_, ok = f.Duration(detect.TrendMemoryLeft)
	require.True(t, ok, "%v", f)
}
