package live

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

var start = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func plain(string) (detect.Target, bool) { return detect.Target{Kind: detect.KindService}, true }

// look is a record of one look.
func look(target string, at time.Time, v detect.Verdict, f detect.Facts) incident.Record {
	o := detect.Observation{Target: target, At: at, Facts: f}
	return incident.Record{At: at, Target: target, Event: incident.Event{Kind: incident.Observed, Target: target, Observation: &o},
		After: &incident.TargetState{Name: target, Last: o, Diagnosis: detect.Diagnosis{Verdict: v}}}
}

func TestSlotsKeepThePeakAndEveryVerdict(t *testing.T) {
	f := New(Options{Target: plain})
	for i, pool := range []float64{0.2, 0.97, 0.3} {
		f.Decided(look("a", start.Add(time.Duration(i)*5*time.Second), detect.Healthy, detect.Facts{detect.PoolUtilization: detect.Num(pool)}))
	}
	f.Decided(look("a", start.Add(15*time.Second), detect.Unhealthy, detect.Facts{detect.PoolUtilization: detect.NotMeasured("no reply")}))
	slots := f.History("a", Hour, start.Add(30*time.Second))
	require.Len(t, slots, 60)
	s := slots[59]
	require.Equal(t, start, s.From.UTC())
	require.Equal(t, [4]uint32{detect.Healthy: 3, detect.Unhealthy: 1}, s.Looks)
	require.Equal(t, detect.Unhealthy, s.Worst())
	v, ok := s.Pool.Get()
	require.True(t, ok)
	require.InDelta(t, 0.97, v, 1e-9)
	require.True(t, s.Latency.IsZero())
	require.Zero(t, slots[58].Total(), "a time without looks is a gap")
	day := f.History("a", Day, start.Add(30*time.Second))
	require.Len(t, day, 96)
	require.Equal(t, uint32(4), day[95].Total())
}

func TestOldSlotsMakeRoom(t *testing.T) {
	f := New(Options{Target: plain})
	for at := start; at.Before(start.Add(3 * time.Hour)); at = at.Add(20 * time.Second) {
		f.Decided(look("a", at, detect.Healthy, nil))
	}
	now := start.Add(3*time.Hour - time.Second)
	slots := f.History("a", Hour, now)
	for i, s := range slots {
		require.Equal(t, uint32(3), s.Total(), "slot %d", i)
		if i > 0 {
			require.Equal(t, slots[i-1].From.Add(time.Minute), s.From)
		}
	}
	slots = f.History("a", Hour, now.Add(59*time.Minute))
	require.Equal(t, uint32(3), slots[0].Total())
	require.Zero(t, slots[1].Total(), "the daemon saw nothing since")
	slots = f.History("a", Hour, now.Add(30*24*time.Hour))
	for _, s := range slots {
		require.Zero(t, s.Total(), "a slot of a round before is not one of this round")
	}
}

func TestAClockThatIsSetBackLosesTheFutureAndNotThePresent(t *testing.T) {
	f := New(Options{Target: plain})
	f.Decided(look("a", start.Add(5*time.Hour), detect.Unhealthy, nil))
	f.Decided(look("a", start, detect.Healthy, nil))
	slots := f.History("a", Hour, start)
	require.Equal(t, detect.Healthy, slots[59].Worst())
	require.Equal(t, uint32(1), slots[59].Total())
}

func TestSampleOfEachKind(t *testing.T) {
	facts := detect.Facts{detect.PoolUtilization: detect.Num(0.5), detect.HTTPLatency: detect.Num(0.02), detect.SQLUsed: detect.Num(30), detect.SQLMax: detect.Num(120),
		detect.SQLLatency: detect.Num(0.004), detect.SocketLatency: detect.Num(0.001), detect.MemoryCurrent: detect.Num(100), detect.ProcessRSS: detect.Num(120), detect.MemoryMax: detect.Num(400)}
	of := func(k detect.Kind, limit uint64, without ...string) Sample {
		f := detect.Facts{}
		for n, r := range facts {
			f[n] = r
		}
		for _, n := range without {
			delete(f, n)
		}
		return SampleOf(detect.Observation{Facts: f}, detect.Healthy, detect.Target{Kind: k, Memory: detect.Memory{Limit: limit}})
	}
	for _, c := range []struct {
		name                         string
		s                            Sample
		pool, memory, share, latency Value
	}{
		{"a server's own pool and reply", of(detect.KindService, 0), Measured(0.5), Measured(120), Measured(0.3), Measured(0.02)},
		{"a cluster's connections and SELECT 1", of(detect.KindPostgres, 0), Measured(0.25), Measured(120), Measured(0.3), Measured(0.004)},
		{"the lower of two limits counts", of(detect.KindService, 200), Measured(0.5), Measured(120), Measured(0.6), Measured(0.02)},
		{"a configured limit counts without one of the unit", of(detect.KindService, 240, detect.MemoryMax), Measured(0.5), Measured(120), Measured(0.5), Measured(0.02)},
		{"no limit, no share", of(detect.KindService, 0, detect.MemoryMax), Measured(0.5), Measured(120), Value{}, Measured(0.02)},
		{"a dependency's connection", of(detect.KindPlain, 0, detect.HTTPLatency, detect.PoolUtilization), Value{}, Measured(120), Measured(0.3), Measured(0.001)},
		{"a cluster that does not answer", of(detect.KindPostgres, 0, detect.SQLUsed, detect.SQLLatency, detect.SocketLatency), Value{}, Measured(120), Measured(0.3), Value{}},
	} {
		require.Equal(t, [4]Value{c.pool, c.memory, c.share, c.latency}, [4]Value{c.s.Pool, c.s.Memory, c.s.Share, c.s.Latency}, c.name)
	}
	require.True(t, Measured(math.NaN()).IsZero())
	require.True(t, Measured(math.Inf(1)).IsZero())
}

func TestWhatIsSavedIsRestored(t *testing.T) {
	type row struct {
		minute time.Time
		body   []byte
	}
	var kept []row
	o := Options{Target: plain, Save: func(minute time.Time, body []byte) { kept = append(kept, row{minute, body}) }}
	before := New(o)
	for i := range 2000 { // nearly three hours
		at := start.Add(time.Duration(i) * 5 * time.Second)
		before.Decided(look("a", at, detect.Verdict(i%4), detect.Facts{detect.HTTPLatency: detect.Num(float64(i%700) / 1000)}))
		before.Decided(look("b", at, detect.Healthy, nil))
	}
	before.Close()
	before.Close()
	require.Len(t, kept, 167, "one row a minute, the last one by Close, and only once")

	now := start.Add(2000 * 5 * time.Second)
	after := New(o)
	after.Decided(look("a", now, detect.Healthy, nil)) // it runs already when the past is read
	before.Decided(look("a", now, detect.Healthy, nil))
	for _, r := range kept {
		require.NoError(t, after.Restore(r.minute, r.body))
	}
	for _, s := range []Span{Hour, Day} {
		for _, name := range []string{"a", "b"} {
			require.Equal(t, utc(before.History(name, s, now)), utc(after.History(name, s, now)), "%s %s", name, s.Name)
		}
	}
	require.Error(t, after.Restore(now, []byte("no json")))

	other := New(Options{Target: func(name string) (detect.Target, bool) { return detect.Target{}, name == "b" }})
	for _, r := range kept {
		require.NoError(t, other.Restore(r.minute, r.body))
	}
	require.Zero(t, other.History("a", Day, now)[95].Total(), "a is not configured any more")
	require.Positive(t, other.History("b", Day, now)[95].Total())
}

// utc makes slots comparable whatever zone their times are in.
func utc(slots []Slot) []Slot {
	for i := range slots {
		slots[i].From = slots[i].From.UTC()
	}
	return slots
}

func TestOnlyWhatChangedIsADecision(t *testing.T) {
	f := New(Options{Target: plain})
	w, err := f.Follow()
	require.NoError(t, err)
	defer w.Stop()
	quiet := look("a", start, detect.Healthy, nil)
	f.Decided(quiet)
	ev := <-w.Events()
	require.Nil(t, ev.Decision)
	require.NotNil(t, ev.Look)

	loud := look("a", start.Add(time.Second), detect.Unhealthy, nil)
	loud.From, loud.To, loud.Reason, loud.Sentence, loud.Seq = incident.Watching, incident.Suspect, incident.FirstSign, "first sign", 7
	f.Decided(loud)
	ev = <-w.Events()
	require.Equal(t, &Decision{Seq: 7, From: incident.Watching, To: incident.Suspect, Reason: incident.FirstSign, Sentence: "first sign"}, ev.Decision)

	old := look("a", start.Add(2*time.Second), detect.Unhealthy, nil) // overtaken: the state has a later look
	old.After.Last.At = start.Add(3 * time.Second)
	f.Decided(old)
	slots := f.History("a", Hour, start)
	require.Equal(t, uint32(2), slots[59].Total(), "an overtaken look is not counted")
	version, decisions := f.Version("a")
	require.Equal(t, uint64(1), decisions)
	require.Equal(t, uint64(2), version)
}

func TestASlowFollowerLosesEventsAndHoldsNobodyUp(t *testing.T) {
	f := New(Options{Target: plain})
	w, err := f.Follow()
	require.NoError(t, err)
	defer w.Stop()
	for i := range 1000 {
		f.Decided(look("a", start.Add(time.Duration(i)*time.Second), detect.Healthy, nil))
	}
	require.Equal(t, uint64(1000-64), w.Lost())
	require.Zero(t, w.Lost(), "it is told once")
	require.Len(t, w.Events(), 64)
}

func TestFollowersAreBounded(t *testing.T) {
	f := New(Options{Target: plain})
	var all []*Follower
	for range maxFollowers {
		w, err := f.Follow()
		require.NoError(t, err)
		all = append(all, w)
	}
	_, err := f.Follow()
	require.ErrorIs(t, err, ErrTooMany)
	all[0].Stop()
	all[0].Stop()
	w, err := f.Follow()
	require.NoError(t, err)
	f.Close()
	f.Close()
	_, more := <-w.Events()
	require.False(t, more, "closed")
	_, err = f.Follow()
	require.ErrorIs(t, err, ErrClosed)
	f.Decided(look("a", start, detect.Healthy, nil)) // sends to nobody and does not panic
}

func TestTargetsThatAreGoneAreForgotten(t *testing.T) {
	f := New(Options{Target: plain})
	f.Decided(look("a", start, detect.Healthy, nil))
	f.Decided(look("b", start, detect.Healthy, nil))
	f.Keep([]string{"b"})
	slots := f.History("a", Hour, start)
	require.Zero(t, slots[59].Total())
	slots = f.History("b", Hour, start)
	require.Equal(t, uint32(1), slots[59].Total())
}

// A server's ReadTimeout would end every stream after it: the stream lifts it.
func TestAStreamOutlivesTheServersReadTimeout(t *testing.T) {
	ended := make(chan error, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := OpenStream(w)
		if err == nil {
			err = s.Send("hello", []byte("one\ntwo"))
		}
		if err != nil {
			ended <- err
			return
		}
		<-r.Context().Done()
		ended <- context.Cause(r.Context())
	}))
	srv.Config.ReadTimeout = 50 * time.Millisecond
	srv.Start()
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond) // twelve times the ReadTimeout
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "text/event-stream; charset=utf-8", resp.Header.Get("Content-Type"))
	b := bufio.NewReader(resp.Body)
	var lines []string
	for range 4 {
		l, err := b.ReadString('\n')
		require.NoError(t, err)
		lines = append(lines, strings.TrimSpace(l))
	}
	require.Equal(t, []string{"event: hello", "data: one", "data: two", ""}, lines)
	_, err = b.ReadByte()
	require.ErrorIs(t, err, context.DeadlineExceeded, "the server ended the stream, not we")
	require.ErrorIs(t, <-ended, context.Canceled)
	require.False(t, errors.Is(err, io.EOF))
}
