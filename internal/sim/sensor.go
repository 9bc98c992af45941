package sim

import (
	"strconv"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform/systemd"
)

// distortion makes one witness of one target blind, or makes it lie.
type distortion struct {
	target  string
	witness detect.Witness
	lie     string // "" = blind: not measured
	from    time.Duration
	until   time.Duration
}

// distorted returns what is wrong with a witness now; nil when it can be trusted.
func (w *world) distorted(target string, by detect.Witness) *distortion {
	for i := range w.distortions {
		if d := &w.distortions[i]; d.target == target && d.witness == by && w.t < d.until {
			return d
		}
	}
	return nil
}

const blind = "the sensor could not be asked"

// How long a look waits for an answer that does not come.
const (
	httpTimeout = 5 * time.Second
	sqlTimeout  = 3 * time.Second
)

// look takes one look at a target as it is now, and says how long that takes.
func (w *world) look(target string) (detect.Facts, time.Duration) {
	f := make(detect.Facts, 28)
	took := time.Duration(10+w.rng.IntN(40)) * time.Millisecond
	x := w.things[target]
	if x.u != nil {
		w.unitFacts(x.u, f)
	}
	switch {
	case x.server != nil:
		took += w.serverFacts(x.server, f)
	case x.db != nil:
		took += w.databaseFacts(x.db, f)
	case x.redis != nil:
		took += w.redisFacts(x.redis, f)
	}
	return f, w.late(f, took)
}

func (w *world) unitFacts(u *unit, f detect.Facts) {
	d := w.distorted(u.target, detect.ByPlatform)
	if d != nil && d.lie == "" {
		f[systemd.UnitActive] = detect.NotMeasured(blind)
		f[detect.WorkloadError] = detect.Word(blind)
		systemd.Neutral(u.name, f)
		return
	}
	u.facts(f)
	if d != nil && !u.forgotten() { // an adapter that is wrong about it; what has failed is never unloaded
		f[systemd.UnitActive], f[systemd.UnitSub], f[systemd.UnitResult] = detect.Word("failed"), detect.Word("failed"), detect.Word("exit-code")
		systemd.Neutral(u.name, f)
	}
	if w.upgrading == u.target {
		f[detect.WorkloadMaintenance] = detect.Word("package-upgrade: dpkg")
	}
}

// facts are what the bus tells of the unit.
func (u *unit) facts(f detect.Facts) {
	load := "loaded"
	if u.masked {
		load = "masked"
	}
	f[systemd.UnitLoad] = detect.Word(load)
	f[systemd.UnitActive], f[systemd.UnitSub], f[systemd.UnitResult] = detect.Word(u.active), detect.Word(u.sub), detect.Word(u.result)
	f[detect.WorkloadWatched] = detect.Flag(u.w.signals)
	f[detect.WorkloadRun] = detect.Word(u.w.runName(u.run))
	f[detect.WorkloadSince] = detect.Num(u.sinceWall)
	f[detect.WorkloadPolicy] = detect.Word(u.policy)
	f[detect.WorkloadRetryAfter] = detect.Num(u.restartAfter.Seconds())
	if u.burst > 0 {
		f[detect.WorkloadStartLimit], f[detect.WorkloadStartWindow] = detect.Num(float64(u.burst)), detect.Num(u.interval.Seconds())
	}
	f[detect.WorkloadRestarts] = detect.Num(float64(u.restarts))
	if u.kind != "" {
		f[detect.WorkloadExitKind], f[detect.WorkloadExitCode] = detect.Word(u.kind), detect.Num(float64(u.code))
	}
	if u.departure != "" {
		f[detect.WorkloadDeparture] = detect.Word(u.departure)
	}
	if u.forgotten() {
		f[detect.WorkloadRestarts] = detect.Num(0)
		for _, name := range lastRun() {
			delete(f, name)
		}
	}
	if u.job != "" {
		f[detect.WorkloadPending], f[detect.WorkloadPendingOurs] = detect.Word(u.job), detect.Flag(u.jobBy == byUs)
	}
	systemd.Neutral(u.name, f)
}

func (w *world) serverFacts(s *server, f detect.Facts) (took time.Duration) {
	u := s.u
	if d := w.distorted(s.t.Name, detect.ByMemory); d == nil {
		f[detect.MemoryMax] = detect.Num(s.memMax * mib)
		if u.alive() {
			f[detect.MemoryCurrent] = detect.Num(s.memory() * mib)
			f[detect.ProcessRSS] = detect.Num(s.memory() * 0.93 * mib)
		}
	}
	out := detect.OutcomeReply
	switch {
	case s.loading():
		out = detect.OutcomeStarting
	case !u.alive() || w.t < s.ready:
		out = detect.OutcomeRefused
	case s.hung, s.db != nil && s.db.frozen && s.db.u.alive():
		out = detect.OutcomeNoReply
	}
	connect := "ok"
	if out == detect.OutcomeRefused && s.gateway == nil {
		connect = "refused"
	}
	if d := w.distorted(s.t.Name, detect.BySocket); d == nil {
		f[detect.SocketConnect] = detect.Word(connect)
		if s.hung && s.quirkBacklog && s.gateway == nil {
			f[detect.SocketBacklog] = detect.Num(4)
		}
		if s.stoppedT {
			f[detect.ProcessState] = detect.Word("T")
		}
	} else if d.lie != "" {
		f[detect.SocketConnect] = detect.Word(d.lie)
	}
	synthetic := out == detect.OutcomeReply && !s.lost() && s.has(unwell) == nil
	if a := s.has(unwell); a != nil && a.n == 0 {
		synthetic = true // it complains and works
	}
	status := s.gateway.says(out)
	switch {
	case !w.synthetic, out == detect.OutcomeStarting:
	case status > 0 && s.gateway.realWork:
		f[detect.SyntheticOK], f[detect.SyntheticSameWay] = detect.Flag(false), detect.Flag(true)
		f[detect.SyntheticError] = detect.Word("a gateway answers in its place")
	case out != detect.OutcomeRefused:
		f[detect.SyntheticOK] = detect.Flag(synthetic && s.share() < 1)
		if !synthetic {
			f[detect.SyntheticError] = detect.Word("no result")
		}
	}
	if d := w.distorted(s.t.Name, detect.ByHTTP); d != nil {
		if d.lie == "" {
			f[detect.HTTPOutcome] = detect.NotMeasured(blind)
			return 0
		}
		f[detect.HTTPOutcome] = detect.Word(d.lie)
		if d.lie == detect.OutcomeNoReply {
			d.until = w.t // one lost packet, one look
			return httpTimeout
		}
		return 0
	}
	if status > 0 {
		f[detect.HTTPOutcome], f[detect.HTTPStatus], f[detect.HTTPError] = detect.Word(detect.OutcomeGateway), detect.Num(status), detect.Word("a page of nginx")
		if status == 504 {
			return httpTimeout
		}
		return 0
	}
	f[detect.HTTPOutcome] = detect.Word(out)
	switch out {
	case detect.OutcomeStarting:
		f[detect.HTTPError] = detect.Word("Loading model")
		return 0
	case detect.OutcomeNoReply:
		f[detect.HTTPLatency] = detect.Num(httpTimeout.Seconds())
		return httpTimeout
	case detect.OutcomeRefused:
		return 0
	}
	s.answered = true
	f[detect.HTTPLatency] = detect.Num(0.02)
	return w.replyFacts(s, f)
}

// replyFacts is what the server says of itself.
func (w *world) replyFacts(s *server, f detect.Facts) (took time.Duration) {
	if a := s.has(replies); a != nil {
		switch word := strange[a.n%len(strange)]; word {
		case "ValidationError":
			f[detect.HealthStatus], f[detect.HealthError] = detect.Word("unhealthy"), detect.Word("1 validation error: ValidationError: DATABASE_URL")
		default:
			f[detect.HTTPOutcome] = detect.Word(word)
			if word == detect.OutcomeNotFound {
				f[detect.HTTPStatus] = detect.Num(404)
			}
		}
		return 0
	}
	if a := s.has(slowAnswers); a != nil {
		took = time.Duration(a.n) * time.Second
		f[detect.HTTPLatency] = detect.Num(took.Seconds())
	}
	status, db := "healthy", "connected"
	size, used := s.sessions(), s.used()
	switch {
	case s.lost():
		status, db, size, used = "unhealthy", "disconnected", 0, 0
	case used >= s.pool:
		status, db, size = "unhealthy", "disconnected", s.pool
	case float64(used) > 0.95*float64(size):
		status = "unhealthy"
	case s.has(unwell) != nil:
		status = "unhealthy"
	}
	f[detect.HTTPStatus] = detect.Num(map[string]float64{"healthy": 200, "unhealthy": 503}[status])
	f[detect.HealthStatus], f[detect.HealthDatabase] = detect.Word(status), detect.Word(db)
	f[detect.PoolMax], f[detect.PoolSize], f[detect.PoolFree] = detect.Num(float64(s.pool)), detect.Num(float64(size)), detect.Num(float64(size-used))
	return took
}

func (w *world) databaseFacts(d *database, f detect.Facts) (took time.Duration) {
	if d.stoppedT && d.u.alive() {
		f[detect.ProcessState] = detect.Word("T")
	}
	if d.diskFull {
		f[detect.DiskShare+"/var/lib/postgresql"] = detect.Num(0.99)
	}
	if x := w.distorted(d.t.Name, detect.BySQL); x != nil {
		if x.lie == "" {
			f[detect.SQLOutcome] = detect.NotMeasured(blind)
			return 0
		}
		f[detect.SQLOutcome] = detect.Word(x.lie)
		if x.lie == detect.SQLFrozen {
			f[detect.SQLLatency] = detect.Num(sqlTimeout.Seconds())
			return sqlTimeout
		}
		return 0
	}
	out := detect.SQLOK
	switch {
	case !d.u.alive() || d.u.active == "deactivating" && !d.frozen:
		out = detect.SQLRefused
	case d.frozen:
		out = detect.SQLFrozen
	case w.t < d.ready || !d.u.running():
		out = detect.SQLStarting
	case d.diskFull:
		out = detect.SQLRefused
	case d.full():
		out = detect.SQLSaturated
	}
	f[detect.SQLOutcome] = detect.Word(out)
	switch out {
	case detect.SQLFrozen:
		f[detect.SQLLatency] = detect.Num(sqlTimeout.Seconds())
		return sqlTimeout
	case detect.SQLSaturated:
		f[detect.SQLState] = detect.Word("53300")
	case detect.SQLOK:
		f[detect.SQLMax], f[detect.SQLUsed] = detect.Num(float64(d.slots)), detect.Num(float64(d.sessions()))
		for _, s := range d.users {
			f[s.appFact] = detect.Num(float64(s.sessions()))
		}
	}
	return 0
}

func (w *world) redisFacts(r *redis, f detect.Facts) (took time.Duration) {
	out, connect := "ok", "ok"
	switch {
	case !r.u.alive():
		out, connect = "refused", "refused"
	case r.loading():
		out = "starting"
		f[detect.PlainError] = detect.Word("LOADING Redis is loading the dataset in memory")
	case r.stuck:
		out = "timeout"
	}
	f[detect.SocketConnect] = detect.Word(connect)
	if d := w.distorted(r.t.Name, detect.ByPlain); d != nil {
		f[detect.PlainOutcome] = detect.NotMeasured(blind)
		return 0
	}
	f[detect.PlainOutcome] = detect.Word(out)
	if out == "timeout" {
		return 2 * time.Second
	}
	return 0
}

const mib = 1 << 20

// runName is the invocation id of a run.
func (w *world) runName(run int) string {
	if run == 0 {
		return ""
	}
	for len(w.runNames) <= run {
		w.runNames = append(w.runNames, "r"+strconv.Itoa(len(w.runNames)))
	}
	return w.runNames[run]
}
