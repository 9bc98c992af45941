package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// nature is the character of a world: what it has, and how often what happens to it. Rates are
// per simulated day.
type nature struct {
	// calm: one curable fault at a time with hours in between, and nobody interferes. In such a
	// world everything must be cured without waking anybody.
	calm bool

	faults, persons, lies, crashes, journal, clocks float64
	moods                                           moods
	killed                                          float64 // probability per durable record
}

// moods is how verbs behave: the probability that one does something else than it should.
type moods struct {
	nothing, failed, lost, worse, endless, late float64
}

func newWorld(o Options) *world {
	w := &world{o: o, out: o.Transcript, rng: rand.New(rand.NewPCG(o.Seed, 0x5eed)),
		index: map[string]int{}, things: map[string]thing{}, permission: true}
	w.end = time.Duration(o.Days*24*float64(time.Hour)) + mendingTime
	w.report = Report{Seed: o.Seed, Held: map[incident.Reason]int{}, Acted: map[strategy.Verb]int{}}
	w.ledger = newLedger()
	w.character()
	w.build()
	w.drawFlaps()
	list := strategy.Builtin()
	if w.hasBooks() {
		w.giveBooks()
		list = append(list, strategy.RunPlaybook(w.options.Playbooks[0]))
	}
	set, err := strategy.NewSet(list...)
	if err != nil {
		panic(fmt.Sprintf("the built-in strategies do not fit together: %v", err))
	}
	w.options.Strategies = set
	options := w.options
	if o.breaks.options != nil {
		o.breaks.options(&options)
	}
	p, err := incident.NewPolicy(options)
	if err != nil {
		panic(fmt.Sprintf("the policy of world %d: %v", o.Seed, err))
	}
	w.d = &daemon{w: w, core: p, policy: p, shadow: incident.NewState(), watchers: make([]watcher, len(w.targets)), wakes: make([]int, len(w.targets))}
	w.d.killAt = func() killing {
		if w.t > w.end-mendingTime || !w.chance(w.nature.killed) {
			return lives
		}
		return killing(1 + w.rng.IntN(2))
	}
	if o.breaks.core != nil {
		w.d.core = o.breaks.core(w, p)
	}
	return w
}

// mendingTime is how long a world goes on after everything was mended: the longest budget window,
// the longest backoff and a probation fit into it, and then some.
const mendingTime = 3 * time.Hour

// character draws the nature of the world.
func (w *world) character() {
	r := w.rng
	n := &w.nature
	n.faults = 6 + 14*r.Float64()
	w.signals, w.synthetic = !w.chance(0.15), w.chance(0.5)
	if w.chance(0.25) {
		n.calm, n.faults, w.signals = true, 6, true
		return
	}
	some := func(p, most float64) float64 {
		if !w.chance(p) {
			return 0
		}
		return most * r.Float64()
	}
	n.persons, n.lies = some(0.6, 12), some(0.5, 16)
	n.crashes, n.journal, n.clocks = some(0.4, 10), some(0.2, 4), some(0.2, 4)
	n.killed = some(0.3, 0.05)
	if w.chance(0.5) {
		n.moods = moods{nothing: some(0.4, 0.3), failed: some(0.4, 0.3), lost: some(0.4, 0.3), worse: some(0.3, 0.2), endless: some(0.3, 0.1), late: some(0.3, 0.3)}
	}
}

// build makes the things of the world and the configuration of the daemon.
func (w *world) build() {
	r := w.rng
	one := func(words ...string) string { return words[r.IntN(len(words))] }
	unitOf := func(target, name string) *unit {
		u := &unit{w: w, name: name, target: target, policy: one("no", "no", "on-failure", "always"),
			restartAfter: time.Duration([]int{100, 1000, 2000, 5000, 30000}[r.IntN(5)]) * time.Millisecond,
			burst:        []int{0, 3, 5, 5, 10}[r.IntN(5)],
			interval:     time.Duration([]int{10, 10, 60, 600}[r.IntN(4)]) * time.Second,
			stopTimeout:  90 * time.Second, notify: w.chance(0.2),
			active: "active", sub: "running", result: "success"}
		w.runs++
		u.run, u.sinceWall = w.runs, w.wallSeconds()-3600
		return u
	}
	w.db = &database{w: w, slots: 100, startup: w.between(time.Second, 8*time.Second), ready: -time.Hour}
	w.db.u = unitOf("postgres", "postgresql@15-main.service")
	w.db.u.p, w.db.u.policy, w.db.u.notify = w.db, "no", true
	w.db.t = detect.Target{Name: "postgres", Kind: detect.KindPostgres, Platform: "systemd", Object: w.db.u.name, StartGrace: 30 * time.Second, StopGrace: 10 * time.Second,
		External: !w.nature.calm && w.chance(0.05)}
	if w.chance(0.4) {
		w.redis = &redis{w: w, u: unitOf("redis", "redis-server.service")}
		w.redis.u.p = w.redis
		w.redis.t = detect.Target{Name: "redis", Kind: detect.KindPlain, Platform: "systemd", Object: w.redis.u.name, StartGrace: 5 * time.Second, StopGrace: 5 * time.Second}
	}
	for _, name := range []string{"codebase", "workflow", "search"}[:2+r.IntN(2)] {
		s := &server{w: w, db: w.db, u: unitOf(name, name+"-mcp.service"), poolMax: 30, memMax: 400, memBase: 120,
			base: 2 + r.IntN(6), startup: w.between(200*time.Millisecond, 6*time.Second), ready: -time.Hour,
			diesWithDB: w.chance(0.3), stopsSlowly: w.chance(0.5), quirkBacklog: w.chance(0.6)}
		s.u.p, s.pool = s, s.poolMax
		s.t = detect.Target{Name: name, Kind: detect.KindService, Platform: "systemd", Object: s.u.name, DependsOn: []string{"postgres"},
			StartGrace: 15 * time.Second, StopGrace: 5 * time.Second,
			Limits: detect.Limits{PoolFull: 0.95, PoolHigh: 0.8, MemoryFull: 0.95, MemoryHigh: 0.8, Latency: 3 * time.Second},
			Pool:   detect.Pool{Application: name, Database: "postgres", Initial: 30, Cap: 50, Factor: 1.5, ShrinkBelow: 0.3, ShrinkFactor: 0.7, Quiet: w.between(10*time.Minute, 40*time.Minute), IdleAfter: 5 * time.Minute, LongAfter: 10 * time.Minute},
			Memory: detect.Memory{Cap: 800 * mib, Factor: 1.5, Quiet: w.between(10*time.Minute, time.Hour)}}
		if w.chance(0.7) {
			s.t.Pool.EnvFile, s.t.Pool.EnvKey = "/run/recoveryd/"+name+".env", "POOL_MAX_SIZE"
		}
		if w.chance(0.2) {
			s.t.Pool.AdminURL = "http://127.0.0.1/" + name + "/pool"
		}
		if w.redis != nil && w.chance(0.5) {
			s.need = w.redis
			s.t.DependsOn = append(s.t.DependsOn, "redis")
		}
		s.appFact = detect.SQLAppSessions + name
		w.servers = append(w.servers, s)
		w.db.users = append(w.db.users, s)
		w.add(s.t, thing{u: s.u, server: s})
	}
	if w.redis != nil {
		w.add(w.redis.t, thing{u: w.redis.u, redis: w.redis})
	}
	w.add(w.db.t, thing{u: w.db.u, db: w.db})
	w.options = incident.Options{Targets: w.targets, Modes: map[string]incident.Mode{},
		Limits: incident.Limits{Target: incident.Budget{Actions: 4, Window: time.Hour}, Host: incident.Budget{Actions: 10, Window: time.Hour}, Class: incident.Budget{Actions: 8, Window: time.Hour}, Concurrent: 1,
			Backoff: incident.Backoff{Initial: 5 * time.Second, Factor: 2, Max: 5 * time.Minute}, StormTargets: 5, StormWindow: time.Minute, StallMemory: 20, StallIO: 40},
		PageAfter:  incident.PageAfter{Held: 5 * time.Minute, Unknown: 10 * time.Minute, Unresolved: 15 * time.Minute},
		Escalation: escalation(tiers()), Probation: time.Minute}
	w.options.Memory = incident.Memory{SkipAfter: 3, Forget: 8 * time.Hour}
	if w.nature.calm {
		w.options.Limits.Target.Actions = 6 // the whole ladder of a full pool
		return
	}
	if w.chance(0.2) {
		w.options.Limits = incident.Limits{Target: incident.Budget{Actions: 2, Window: 30 * time.Minute}, Host: incident.Budget{Actions: 5, Window: time.Hour}, Class: incident.Budget{Actions: 3, Window: time.Hour}, Concurrent: 2,
			Backoff: incident.Backoff{Initial: 20 * time.Second, Factor: 3, Max: 10 * time.Minute}, StormTargets: 3, StormWindow: 2 * time.Minute, StallMemory: 20, StallIO: 40}
	}
	for _, t := range w.targets {
		if w.chance(0.1) {
			w.options.Modes[t.Name] = incident.Mode(one("observe", "propose", "propose"))
		}
	}
	for _, s := range strategy.Builtin() {
		if w.chance(0.04) {
			w.options.StrategyModes = append(w.options.StrategyModes, incident.StrategyMode{Strategy: s.Name(), Mode: incident.Mode(one("observe", "propose", "auto"))})
		}
	}
	if w.chance(0.8) {
		w.options.Approval.Deadline = w.between(time.Minute, 12*time.Minute)
	}
	if w.chance(0.4) {
		w.options.Approval.PromoteAfter, w.options.Approval.DemoteAfter = 1+r.IntN(2), 1+r.IntN(3)
	}
	if w.chance(0.2) {
		w.options.PageAfter.Operator = 2 * time.Hour
	}
	if w.chance(0.2) {
		begin, length := w.between(0, 20*time.Hour), w.between(10*time.Minute, 3*time.Hour)
		w.options.Windows = []incident.Window{{Name: "nightly", Targets: []string{w.targets[r.IntN(len(w.targets))].Name}, Open: func(now time.Time) (time.Time, bool) {
			from := now.Truncate(24 * time.Hour).Add(begin)
			return from.Add(length), !now.Before(from) && now.Before(from.Add(length))
		}}}
	}
}

func (w *world) add(t detect.Target, x thing) {
	w.index[t.Name] = len(w.targets)
	w.targets = append(w.targets, t)
	w.things[t.Name] = x
}
