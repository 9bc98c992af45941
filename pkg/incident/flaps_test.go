package incident

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// The budget of docs/operations.md: what one unit that flaps for a whole day may write.
const (
	flapRecords = 100
	flapBytes   = 1 << 20
	flapNotices = 20
)

// flapper lives through a day of a unit with Restart=always that ends at once, and measures what is written.
type flapper struct {
	*story
	records, bytes, notices int
}

func (f *flapper) counts(rec Record) {
	if !rec.Durable() {
		return
	}
	b, err := json.Marshal(rec)
	require.NoError(f.t, err)
	f.records, f.bytes = f.records+1, f.bytes+len(b)
	f.kept = append(f.kept, rec)
	for _, e := range rec.Effects {
		if e.Kind == Notify {
			f.notices++
		}
	}
}

// sees is a look at one face of the unit, without the checks of a story, which take too long for a day of it.
func (f *flapper) sees(target string, facts detect.Facts, n int) {
	var rec Record
	facts = but(facts, detect.WorkloadRun, fmt.Sprint("r", n))
	f.s, rec = f.p.Step(f.s, f.now, Event{Kind: Observed, Target: target, Observation: &detect.Observation{Target: target, At: f.now, Facts: facts}})
	f.counts(rec)
	if ts := f.s.Targets[target]; ts.Phase == Acting { // it comes too late, fails, or helps nothing
		result := []Result{ResultVoid, ResultDone, ResultVoid, ResultFailed}[n%4]
		f.s, rec = f.p.Step(f.s, f.now, Event{Kind: Ended, Target: target, ActionID: ts.ActionID, Result: result})
		f.counts(rec)
	}
}

// faces are what such a unit shows at one look and the next: it waits for systemd, it has failed, somebody
// has queued a job, it runs and does not answer yet, it seems well.
func faces(target string) []detect.Facts {
	fails := but(crashed("c1"), detect.WorkloadPolicy, "always")
	waits := but(fails, detect.WorkloadState, detect.StateRetrying)
	queued := but(fails, detect.WorkloadPending, "restart")
	runs := but(well("c1"), detect.HTTPOutcome, detect.OutcomeRefused, detect.WorkloadPolicy, "always")
	return []detect.Facts{waits, waits, fails, fails, queued, queued, runs, runs, fails, waits, queued, fails, runs, well("c1"), well("c1")}
}

func TestAUnitThatFlapsForADayWritesWhatIsDecidedAndNoMore(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"as it is configured at first": func(*Options) {},
		"with large budgets": func(o *Options) {
			b := Budget{Actions: 500, Window: time.Hour}
			o.Limits.Target, o.Limits.Class, o.Limits.Host = b, b, b
		},
		"in propose mode": func(o *Options) { o.Modes = map[string]Mode{"codebase": Propose} },
		"in observe mode": func(o *Options) { o.Modes = map[string]Mode{"codebase": Observe} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &flapper{story: quiet(t, change)}
			targets := []string{"codebase", "workflow"}
			began, n := f.now, 0
			for f.now.Sub(began) < 24*time.Hour {
				// Every 70 ms in the first and the last minutes. In between a look at every 500th flip does as well: each
				// shows another face than the last one.
				step := 35070 * time.Millisecond
				if d := f.now.Sub(began); d < 3*time.Minute || d > 24*time.Hour-3*time.Minute {
					step = 70 * time.Millisecond
				}
				f.now = f.now.Add(step)
				n++
				for i, target := range targets {
					all := faces(target)
					f.sees(target, all[(n+7*i)%len(all)], n)
				}
				if n%50 == 0 {
					f.sees("postgres", database("p1"), 0)
				}
			}
			t.Logf("%d looks: %d records, %d bytes, %d notices", n, f.records, f.bytes, f.notices)
			require.Less(t, f.records, flapRecords*len(targets))
			require.Less(t, f.bytes, flapBytes*len(targets))
			require.Less(t, f.notices, flapNotices*len(targets))
			for _, target := range targets {
				i := f.incident(target)
				require.Regexp(t, `; it flaps: \d+ changes to and fro since 2026-\S+ \S+ UTC, one every \S+, the last at `, Next(f.s.Targets[target], i))
				require.LessOrEqual(t, len(i.Attempts), maxAttempts)
				require.NotEmpty(t, i.Told, "somebody knows")
			}
			f.now = f.now.Add(flapsSettled)
			for _, target := range targets {
				f.sees(target, crashed("c1"), n)
			}
			require.Empty(t, differences(lasting(t, f.s), lasting(t, f.replayed())), "when it rests, everything is written")
		})
	}
}

func TestAPageSaysThatItFlapsAlsoWhereNothingElseChanges(t *testing.T) {
	s := quiet(t)
	for n := range 3 {
		f := but(crashed(fmt.Sprintf("c%d", n)), detect.WorkloadState, detect.StateRetrying, detect.WorkloadPolicy, "always", detect.WorkloadRestarts, 100*n)
		s.in(7*time.Second).sees("codebase", f).heldBy("codebase", HoldHealing)
	}
	require.Nil(t, s.s.Targets["codebase"].Flaps, "one reason all the time")
	require.Regexp(t, `; it flaps: started anew 201 times since 2026-11-22 03:00:0\d UTC, one every 1\d0ms, the last at 03:00:2\d$`,
		Next(s.s.Targets["codebase"], s.incident("codebase")))
	s.in(10*time.Minute).sees("codebase", but(crashed("c2"), detect.WorkloadPolicy, "always", detect.WorkloadRestarts, 200))
	require.NotContains(t, Next(s.s.Targets["codebase"], s.incident("codebase")), "flaps")
}

func TestWhatAPersonDoesToAFlappingUnitIsWrittenAtOnce(t *testing.T) {
	f := &flapper{story: quiet(t)}
	for n := range 1500 {
		f.now = f.now.Add(70 * time.Millisecond)
		all := faces("codebase")
		f.sees("codebase", all[n%len(all)], n)
	}
	before := f.records
	f.now = f.now.Add(70 * time.Millisecond)
	f.sees("codebase", stopped("c2"), 2001)
	require.Equal(t, before+1, f.records)
	require.Equal(t, "a person stopped the unit", f.replayed().Targets["codebase"].Intent)
}

// The hard bound of docs/operations.md for one incident, whatever people and scripts ask for.
const incidentBytes = 16 << 20

func TestWhatOneIncidentWritesIsBoundedAlsoWhenAScriptAsksForRecoveriesAllDay(t *testing.T) {
	f := &flapper{story: quiet(t, largeBudgets)}
	all := faces("codebase")
	id, asked := "", 0
	for n := range 12000 {
		f.now = f.now.Add(7 * time.Second)
		f.sees("codebase", all[n%len(all)], n)
		if n%10 == 0 {
			f.sees("postgres", database("p1"), 0)
		}
		if i := f.s.Incidents[f.s.Targets["codebase"].Incident]; i != nil {
			if id == "" {
				id = i.ID
			}
			require.LessOrEqual(t, len(i.Attempts), maxAsked)
			var rec Record
			c := asks([]string{"", "kill-start", "restart"}[n%3])
			f.s, rec = f.p.Step(f.s, f.now, Event{Kind: Operator, Target: "codebase", Command: &c})
			f.counts(rec)
			asked++
		}
	}
	bytes, most := 0, 0
	for _, rec := range f.kept {
		if rec.After != nil && rec.After.Incident == id {
			b, err := json.Marshal(rec)
			require.NoError(t, err)
			bytes, most = bytes+len(b), max(most, len(b))
		}
	}
	t.Logf("asked %d times: %d records, %d bytes in all; of the first incident %d bytes, the largest record %d", asked, f.records, f.bytes, bytes, most)
	require.NotZero(t, bytes)
	require.Less(t, bytes, incidentBytes)
	require.Less(t, most, 256<<10)
}

func TestAScriptThatStopsAndStartsAUnitAllDayDoesNotFillTheJournal(t *testing.T) {
	f := &flapper{story: quiet(t)}
	for n := range 3000 {
		f.now = f.now.Add(4 * time.Second)
		f.sees("codebase", []detect.Facts{stopped("c1"), well("c2")}[n%2], n)
	}
	t.Logf("%d records, %d bytes", f.records, f.bytes)
	require.Less(t, f.records, flapsByPerson+flapRecords)
	f.sees("codebase", stopped("c1"), 1)
	f.now = f.now.Add(flapsSettled)
	f.sees("codebase", stopped("c1"), 1)
	require.Equal(t, "a person stopped the unit", f.replayed().Targets["codebase"].Intent, "what stays is written")
}
