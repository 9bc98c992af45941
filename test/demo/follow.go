package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
)

// result is what a scene came to.
type result struct {
	scene     scene
	histories []httpserve.History // incidents of the scene, oldest first
	detected  time.Duration       // from the fault to the confirmed problem; 0 = never
	healthy   time.Duration       // from the fault to healthy answers of every server concerned; 0 = never
	pages     []escalatetest.Entry
	differs   []string // what was not as expected
}

// take is one scene while it runs.
type take struct {
	st        *stage
	scene     scene
	began     time.Time         // when the fault was injected
	known     map[string]bool   // incidents from before
	runs      map[string]string // invocations from before
	arrived   int               // entries of the receivers from before
	recovery  *recovery
	teller    *teller
	histories map[string]httpserve.History
	mended    bool
}

// show injects one fault, follows it to its end and judges what happened.
func (st *stage) show(ctx context.Context, n, of int, s scene) (result, error) {
	if s.limit == 0 {
		s.limit = time.Minute
	}
	if err := st.daemon.quiet(ctx, 30*time.Second); err != nil {
		return result{}, err
	}
	t := &take{st: st, scene: s, known: map[string]bool{}, runs: map[string]string{}, histories: map[string]httpserve.History{}, arrived: st.people.count()}
	if err := t.before(ctx); err != nil {
		return result{}, err
	}
	st.screen.head(n, of, s.title)
	t.began = time.Now()
	what, err := s.inject(ctx)
	if err != nil {
		return result{}, fmt.Errorf("inject: %w", err)
	}
	t.teller = newTeller(st.screen, t.began)
	t.teller.say(t.began, toneBad, "fault", what)
	t.recovery = watchRecovery(ctx, s.servers)
	defer func() { t.recovery.end() }()
	over, err := t.follow(ctx)
	if err != nil {
		return result{}, err
	}
	return t.judge(ctx, over)
}

// before notes what must be told apart from this scene.
func (t *take) before(ctx context.Context) error {
	list, err := t.st.daemon.incidents(ctx)
	if err != nil {
		return err
	}
	for _, i := range list {
		t.known[i.ID] = true
	}
	t.runs, err = t.st.invocations(ctx)
	return err
}

// invocations returns the present run of each target.
func (st *stage) invocations(ctx context.Context) (map[string]string, error) {
	targets, err := st.daemon.status(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for name, t := range targets {
		out[name] = t.Facts.Text(detect.WorkloadRun)
	}
	return out, nil
}

// follow tells what happens until it is over; false when that takes too long.
func (t *take) follow(ctx context.Context) (over bool, err error) {
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for time.Since(t.began) < t.scene.limit {
		if err := t.read(ctx); err != nil {
			return false, err
		}
		t.tell()
		if t.over() {
			return true, nil
		}
		if t.scene.mend != nil && !t.mended && t.pageArrived() {
			if err := t.mend(ctx); err != nil {
				return false, err
			}
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-tick.C:
		}
	}
	return false, nil
}

// mend does what a person would. Only from then on is a healthy answer the end of the trouble: a
// server in a crash loop gives some in between.
func (t *take) mend(ctx context.Context) error {
	at := time.Now()
	what, err := t.scene.mend(ctx)
	if err != nil {
		return fmt.Errorf("mend: %w", err)
	}
	t.mended = true
	t.teller.say(at, toneGood, "mended", what)
	t.recovery.end()
	t.recovery = watchRecovery(ctx, t.scene.servers)
	return nil
}

// read fetches the incidents of this scene.
func (t *take) read(ctx context.Context) error {
	list, err := t.st.daemon.incidents(ctx)
	if err != nil {
		return err
	}
	for _, i := range list {
		if t.known[i.ID] {
			continue
		}
		if h, ok := t.histories[i.ID]; ok && !h.Incident.Open() {
			continue // closed and read
		}
		if t.histories[i.ID], err = t.st.daemon.history(ctx, i.ID); err != nil {
			return err
		}
	}
	return nil
}

// tell prints what is new, in the order of time.
func (t *take) tell() {
	for _, id := range slices.Sorted(maps.Keys(t.histories)) {
		t.teller.records(t.histories[id])
	}
	for _, e := range t.st.people.since(t.arrived) {
		t.teller.message(e)
	}
	for name, at := range t.recovery.seen() {
		if t.scene.mend == nil || t.mended {
			t.teller.once("healthy "+name, at, toneGood, "healthy", name+" answers that it is healthy")
		}
	}
	t.teller.flush()
}

// over reports whether the scene has come to its end: the incidents are closed, and what had to be
// told has arrived.
func (t *take) over() bool {
	if len(t.histories) == 0 || len(t.recovery.seen()) < len(t.scene.servers) {
		return false
	}
	for _, h := range t.histories {
		if h.Incident.Open() {
			return false
		}
	}
	if !t.scene.want.woken {
		return t.arrivedKind("change") > 0 // told for the record, to PagerDuty
	}
	return t.mended && t.arrivedKind("resolve") > 0
}

func (t *take) pageArrived() bool { return t.arrivedKind("trigger") > 0 }

// arrivedKind counts what PagerDuty has accepted of a kind in this scene.
func (t *take) arrivedKind(kind string) (n int) {
	for _, e := range t.st.people.since(t.arrived) {
		if e.Vendor == "pagerduty" && e.Verdict == escalatetest.Accepted && e.Kind == kind {
			n++
		}
	}
	return n
}

// judge compares with what was expected.
func (t *take) judge(ctx context.Context, over bool) (result, error) {
	r := result{scene: t.scene}
	for _, id := range slices.Sorted(maps.Keys(t.histories)) {
		r.histories = append(r.histories, t.histories[id])
	}
	slices.SortStableFunc(r.histories, func(a, b httpserve.History) int { return a.Incident.Opened.Compare(b.Incident.Opened) })
	for _, e := range t.st.people.since(t.arrived) {
		if e.Pages && e.Vendor == "pagerduty" {
			r.pages = append(r.pages, e)
		}
	}
	if len(r.histories) > 0 {
		r.detected = r.histories[0].Incident.Opened.Sub(t.began)
	}
	r.healthy = t.healthyAfter(r)
	if !over {
		r.differs = append(r.differs, fmt.Sprintf("it was not over within %s", t.scene.limit))
	}
	runs, err := t.st.invocations(ctx)
	if err != nil {
		return r, errors.Join(err, fmt.Errorf("after %s", t.scene.name))
	}
	r.differs = append(r.differs, t.scene.want.compare(r, t.runs, runs)...)
	r.differs = append(r.differs, refused(t.st.people.since(t.arrived))...)
	t.closing(r)
	return r, nil
}

// healthyAfter is when the last of the servers answered again; where none ever stopped answering,
// when recoveryd saw the condition clear.
func (t *take) healthyAfter(r result) time.Duration {
	seen := t.recovery.seen()
	if len(t.scene.servers) > 0 {
		if len(seen) < len(t.scene.servers) {
			return 0
		}
		return slices.MaxFunc(slices.Collect(maps.Values(seen)), time.Time.Compare).Sub(t.began)
	}
	var last time.Duration
	for _, h := range r.histories {
		for _, rec := range h.Records {
			if cleared(rec) {
				last = rec.At.Sub(t.began)
			}
		}
	}
	return last
}

// closing prints what was not as expected.
func (t *take) closing(r result) {
	for _, d := range r.differs {
		t.st.screen.note(toneBad, "NOT AS EXPECTED: "+d)
	}
}
