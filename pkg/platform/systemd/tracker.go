package systemd

import (
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// tracker is what the signals of one unit have told. It does no I/O; the session that owns it
// holds its lock while calling it.
//
// systemd sends two signals per change, the service's properties first and the unit's second, and
// promises that order so that clients can treat the pair as one change. So only the second makes
// the tracker move.
type tracker struct {
	unit  string
	bound bool // followed only because a watched unit is bound to it
	own   *ledger
	cause func(t *tracker, seen time.Time, depth int) (unit, why string) // which other unit took this one along

	props  unitProps
	known  bool           // props have been read
	synced bool           // props are current: signals have been received since they were read
	cur    *job           // the job on the unit
	ep     *episode       // since it left active, or gave up becoming so; nil while it runs
	by     *job           // the job that brought the present process, until that job is over
	last   detect.Facts   // what was reported last
	queue  []*dbus.Signal // signals received while properties are being read
	gap    bool           // signals may have been lost since props were current
	asking bool           // properties are being read
	tries  uint32         // NRestarts when the delay before an automatic restart began
	trying bool           // systemd itself is starting it again after that delay
	heard  uint64         // grows with everything that is learnt about the unit
}

type job struct {
	id      uint32
	typ     string // "" until it is known
	during  bool   // first seen while a call of ours was under way
	end     string // result, "" while it runs
	seen    time.Time
	with    string // unit that took this one along
	withWhy string
	running bool // the unit was running when the job was first seen
	auto    bool // systemd's own restart of a unit that has ended: nobody's word
}

type episode struct {
	from   string
	job    *job   // on the unit when it left; nil = none
	killed bool   // by our own kill
	failed string // Result while it was failed: clearing the failed state clears it
	at     time.Time
}

// takeAlong is how far apart two units may leave and still be believed to belong together.
const takeAlong = 5 * time.Second

func stateOf(p unitProps) string {
	if p.active == "activating" && (p.sub == "auto-restart" || p.sub == "auto-restart-queued") {
		return FromAutoRestart
	}
	return p.active
}

func isUp(state string) bool {
	return state == "active" || state == "reloading" || state == "refreshing"
}

// snapshot takes over properties that were read as a whole.
func (t *tracker) snapshot(p unitProps, now time.Time) {
	t.heard++
	before, known := t.props, t.known
	unbroken := known && !t.gap
	p = keepLastRun(p, before)
	t.props, t.known, t.synced, t.gap, t.asking = p, true, true, false, false
	switch {
	case p.job == 0:
		t.cur = nil
	case t.cur == nil || t.cur.id != p.job:
		t.jobSeen(p.job, isUp(stateOf(p)), now)
	}
	switch {
	case unbroken:
		t.move(before, now)
	case known && stateOf(before) == stateOf(p) && before.invocation == p.invocation:
		// Nothing happened while nobody looked: what was known still holds.
	default:
		t.ep, t.by = nil, nil
	}
}

// keepLastRun fills in what is known of the last run when systemd has unloaded the unit since:
// then everything of it reads as never started.
func keepLastRun(p, before unitProps) unitProps {
	if p.changed != 0 || before.changed == 0 || p.active != "inactive" || before.active != "inactive" {
		return p
	}
	before.load, before.policy, before.job, before.cgroup = p.load, p.policy, p.job, p.cgroup
	before.mainPID, before.controlPID, before.deps = 0, 0, p.deps
	before.memCurrent, before.memMax, before.file, before.wanted = p.memCurrent, p.memMax, p.file, p.wanted
	return before
}

// changed takes over a PropertiesChanged signal. It reports whether the change is complete.
func (t *tracker) changed(iface string, m map[string]dbus.Variant, now time.Time) bool {
	t.heard++
	before := t.props
	t.props.apply(m)
	if iface != unitIf {
		return false
	}
	if id := t.props.job; id != 0 && (t.cur == nil || t.cur.id != id) {
		t.jobSeen(id, isUp(stateOf(before)), now)
	}
	t.move(before, now)
	return true
}

// move notes what a change of state means. before are the properties until now; the main
// process's share of them may already be the new one.
func (t *tracker) move(before unitProps, now time.Time) {
	from, to := stateOf(before), stateOf(t.props)
	if to == FromAutoRestart && from != to {
		t.tries = t.props.restarts
	}
	if from == FromAutoRestart && t.cur != nil && t.cur.typ != "stop" && t.props.restarts > t.tries {
		// systemd counts its own restart when it queues the job for it. A job that comes after that, in the
		// same delay, has taken its place and is somebody else's.
		t.cur.typ, t.cur.auto, t.tries = "restart", true, t.props.restarts
	}
	switch {
	case isUp(from) && isUp(to):
		if before.invocation != t.props.invocation && t.cur != nil {
			t.by = t.cur
			t.by.typ = "restart"
		}
	case isUp(to):
		t.by = nil
		if t.ep != nil && t.ep.job != nil && t.ep.job == t.cur && isUp(t.ep.from) {
			t.by = t.cur // one job stopped it and brought it back
			t.by.typ = "restart"
		}
		t.ep = nil
	case from == FromAutoRestart && to == "inactive" && t.cur != nil && t.cur.typ == "restart":
		t.trying = true // on its way through: why it left at first still holds
	case from == "inactive" && to == "failed" && t.trying:
		t.left(FromAutoRestart, now) // it may not be started again
	case isUp(from),
		from == "activating" && to != "activating",
		from == FromAutoRestart && (to == "inactive" || to == "failed"):
		t.left(from, now)
	}
	if to != "inactive" {
		t.trying = false
	}
	if to == "failed" && t.ep != nil && t.props.result != "success" { // which a start that has begun says
		t.ep.failed = t.props.result
	}
}

// left begins an episode: the unit left a state in which it ran, or was about to.
func (t *tracker) left(from string, now time.Time) {
	t.ep = &episode{from: from, job: t.cur, killed: t.own.killed(t.unit), at: now}
	t.by = nil
}

// jobSeen notes that a job is on the unit, which was running or not before.
func (t *tracker) jobSeen(id uint32, running bool, now time.Time) {
	t.heard++
	if t.cur == nil || t.cur.id != id {
		t.cur = &job{id: id, during: t.own.busy(t.unit), seen: now, running: running}
	}
}

// jobType notes the type of a job. A restart becomes a start for its second half: when the unit
// left meanwhile, a start says nothing about why.
func (t *tracker) jobType(id uint32, typ string) {
	t.heard++
	for _, j := range []*job{t.cur, t.episodeJob()} {
		if j != nil && j.id == id && j.auto && typ == "stop" {
			j.typ, j.auto = typ, false // it was counted together with the restart that it has replaced
		}
		if j == nil || j.id != id || (j.typ != "" && j.typ != JobUnknown) {
			continue
		}
		j.typ = typ
		if typ == "start" && j.running && t.ep != nil && t.ep.job == j {
			j.typ = JobUnknown
		}
	}
}

func (t *tracker) episodeJob() *job {
	if t.ep == nil {
		return nil
	}
	return t.ep.job
}

// jobRemoved notes the end of a job.
func (t *tracker) jobRemoved(id uint32, result string) {
	t.heard++
	for _, j := range []*job{t.cur, t.episodeJob()} {
		if j != nil && j.id == id {
			j.end = result
		}
	}
	if t.cur != nil && t.cur.id == id {
		t.stopped(t.cur)
		t.cur = nil
		t.props.job = 0
	}
	if t.by != nil && t.by.id == id {
		t.by = nil // reported while the job ran
	}
}

// stopped takes the end of a stop of a unit that did not run at that moment: one that had ended already,
// or that was between two lives of its automatic restart. Nothing of the unit changes then, but it was
// said. A restart that is done leaves no unit inactive, so that was a stop, too.
func (t *tracker) stopped(j *job) {
	state := stateOf(t.props)
	down := state == "inactive" || state == "failed"
	unheard := t.ep == nil || t.ep.job != j
	if j.end == "done" && down && unheard && (j.typ == "stop" || t.trying && (j.auto || j.typ == "" || j.typ == JobUnknown)) {
		failed := ""
		if t.ep != nil {
			failed = t.ep.failed
		}
		j.typ, j.auto, t.trying = "stop", false, false
		t.ep = &episode{from: FromAutoRestart, job: j, failed: failed, at: j.seen}
	}
}

// lost says that signals may have been missed.
func (t *tracker) lost() {
	t.heard++
	t.synced, t.gap, t.asking, t.queue = false, true, false, nil
}

// end is what is known of why the unit is not running.
func (t *tracker) end(depth int) UnitEnd {
	e := endOf(t.props)
	var j *job
	switch {
	case t.ep != nil:
		e.Live, e.From, e.Killed = true, t.ep.from, t.ep.killed
		if t.ep.failed != "" && (e.Active == "inactive" || e.Active == "failed") && e.Result == "success" {
			e.Result = t.ep.failed // its failed state was cleared since, or a start has begun that clears it first
		}
		j = t.ep.job
	case t.by != nil:
		e.Live, j = true, t.by
	}
	if j == nil {
		return e
	}
	e.Job, e.JobEnd = j.typ, j.end
	if e.Job == "" {
		e.Job = JobUnknown
	}
	e.JobOurs = t.own.ours(t.unit, j.id, j.during)
	e.With, e.WithWhy = t.takenAlong(j, depth)
	return e
}

// takenAlong is the unit whose end has queued a job on this one, and why that one ended; "" when none is
// known, or the job is our own.
func (t *tracker) takenAlong(j *job, depth int) (with, why string) {
	if j.with == "" && depth > 0 && !t.own.ours(t.unit, j.id, j.during) {
		j.with, j.withWhy = t.cause(t, j.seen, depth-1)
	}
	return j.with, j.withWhy
}

// unasked is the unit whose end has queued the present job on this one, when nobody asked for that end.
func (t *tracker) unasked() string {
	if t.cur == nil {
		return ""
	}
	with, why := t.takenAlong(t.cur, maxDepth)
	if why == detect.DepartureStopped || why == detect.DepartureRestart {
		return ""
	}
	return with
}

// facts are the unit.* facts as the signals tell them.
func (t *tracker) facts() detect.Facts {
	typ := ""
	if t.cur != nil && !t.cur.auto {
		if typ = t.cur.typ; typ == "" {
			typ = JobUnknown
		}
	}
	f := unitFacts(t.props, typ)
	if t.cur != nil && t.cur.auto {
		restarting(f)
	}
	if typ != "" {
		f[detect.WorkloadPendingOurs] = detect.Flag(t.own.ours(t.unit, t.cur.id, t.cur.during))
		addJobWith(f, t.unasked())
	}
	addDeparture(f, t.end(maxDepth))
	f[detect.WorkloadWatched] = detect.Flag(t.synced)
	return Neutral(t.unit, f)
}

// restarting shows a unit that its own automatic restart takes through inactive as still waiting for it.
func restarting(f detect.Facts) {
	if f.Text(UnitActive) == "inactive" {
		f[UnitSub] = detect.Word(FromAutoRestart)
	}
}

func addJobWith(f detect.Facts, unit string) {
	if unit != "" {
		f[detect.WorkloadPendingWith] = detect.Word(unit)
	}
}

// maxDepth bounds the search for the unit that took others along.
const maxDepth = 3

// view is what a session knows of a unit, for Inspect.
type view struct {
	props   unitProps
	end     UnitEnd
	jobID   uint32
	jobType string
	jobAuto bool   // it is systemd's own automatic restart
	jobWith string // the unit whose end has queued it, when nobody asked for that end
	heard   uint64
}

// describes reports whether the view is of the same state and run as the properties.
func (v view) describes(p unitProps) bool {
	return stateOf(v.props) == stateOf(p) && v.props.invocation == p.invocation
}

// fill adds what is known of the last run of a unit that systemd has unloaded since.
func (v view) fill(p unitProps) unitProps { return keepLastRun(p, v.props) }
