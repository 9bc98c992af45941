package detect

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// databaseState is what our own SQL witness says of a cluster.
type databaseState uint8

const (
	dbUnknown   databaseState = iota // not asked, or could not be asked
	dbAlive                          // it answers us (even if only to refuse our login)
	dbStarting                       // SQLSTATE 57P03
	dbSaturated                      // SQLSTATE 53300: alive
	dbShut                           // it answers, and lets nobody in: see refusing.go
	dbDown                           // connection refused
	dbFrozen                         // accepts, never answers
)

// stateOf reads the SQL facts. Saturation is not death, and a refused login is an answer.
func stateOf(f Facts) databaseState {
	switch f.Text(SQLOutcome) {
	case SQLOK, SQLDenied, SQLFailed:
		return dbAlive
	case SQLSaturated:
		return dbSaturated
	case SQLStarting:
		return dbStarting
	case SQLPoolerFull, SQLPoolerOnly, SQLDiskFull, SQLCorrupt, SQLRefusing:
		return dbShut
	case SQLRefused:
		return dbDown
	case SQLFrozen:
		return dbFrozen
	default: // SQLNoConnect, SQLClosed: no route, a name that does not resolve, a forwarder without an end: evidence about the path
		return dbUnknown
	}
}

// databaseOf returns the first database that the target needs, preferring one that is in
// trouble, with the state our own witness gave it and whether that look is recent enough.
func databaseOf(o Observation, b Background) (n Neighbour, st databaseState, found bool) {
	for _, d := range b.Needs {
		if d.Target.Kind != KindPostgres {
			continue
		}
		s := dbUnknown
		if b.fresh(d, o.At) {
			s = stateOf(d.Observation.Facts)
			if s == dbUnknown && d.Diagnosis.Bad() && d.Diagnosis.Class == ClassDatabase {
				s = dbDown // judged from what its platform and other services say
			}
		}
		if !found || worse(s, st) {
			n, st, found = d, s, true
		}
	}
	return n, st, found
}

// worse orders the states by how much they explain.
func worse(a, b databaseState) bool {
	order := []databaseState{dbAlive, dbUnknown, dbStarting, dbSaturated, dbShut, dbDown, dbFrozen}
	return slices.Index(order, a) > slices.Index(order, b)
}

// poolUse returns connections in use and the maximum, when the reply has them.
func poolUse(f Facts) (used, max float64, ok bool) {
	max, okM := f.Num(PoolMax)
	size, okS := f.Num(PoolSize)
	free, okF := f.Num(PoolFree)
	if !okM || !okS || !okF || max <= 0 || size < free {
		return 0, 0, false
	}
	return size - free, max, true
}

// poolFull reports a pool whose every permitted connection is open and busy. The real server
// calls this state "disconnected".
func poolFull(f Facts) bool {
	used, max, ok := poolUse(f)
	return ok && used >= max
}

// lostDatabaseCondition: the service's trouble is its database. It names the cluster as the
// culprit; the cluster's own condition decides what is done.
var lostDatabaseCondition = Condition{
	Class: ClassDatabase, Kinds: []Kind{KindService}, Severity: P1,
	Looks: 2, Clear: 2 * time.Second,
	Summary: "the service has lost its database, or hangs on it: the cluster is the culprit",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		db, st, found := databaseOf(o, b)
		disconnected := understood(f) && f.Text(HealthDatabase) == "disconnected"
		lost := disconnected && !poolFull(f)
		silence, by := silent(o, b)
		died := notRunning(f) && !understood(f)
		var symptom string
		switch {
		case disconnected:
			symptom, by = "the health reply says the database is disconnected"+sizeNote(f), []Witness{ByHTTP}
		case died:
			symptom, by = StateWords(f), []Witness{ByPlatform}
		case silence != "":
			symptom = silence
		case notSeen(f) && refused(f):
			symptom, by = "connection refused, "+StateWords(f), []Witness{BySocket}
		case f.Text(HTTPOutcome) == OutcomeGateway:
			_, symptom = gatewaySaid(f)
			by = []Witness{ByHTTP}
		default:
			return Finding{}
		}
		blame := func(c Class, what string) Finding {
			w := BySQL
			if db.Observation.Facts.Text(SQLOutcome) == "" {
				w = ByPlatform // judged from what its platform says
			}
			if !slices.Contains(by, w) {
				by = append(slices.Clip(by), w)
			}
			return Finding{Verdict: Unhealthy, Class: c, Culprit: db.Target.Name, Witnesses: by,
				Because: fmt.Sprintf("%s, and %s %s", symptom, db.Target.Name, what)}
		}
		switch st {
		case dbDown:
			if db.Observation.Facts.Text(SQLOutcome) != SQLRefused {
				return blame(ClassDatabase, "is not running")
			}
			return blame(ClassDatabase, "refuses connections")
		case dbFrozen: // also behind a full pool: each of its connections hangs
			return blame(ClassDatabase, "accepts connections but does not answer")
		case dbStarting:
			return blame(ClassDatabase, "is still starting")
		case dbShut:
			what, _ := refusal(db.Observation.Facts)
			return blame(ClassRefusing, what)
		case dbSaturated:
			if lost || silence != "" {
				return blame(ClassPool, "has no connection left (too many clients): saturated, not dead")
			}
		}
		if !lost {
			return Finding{} // judged by the down, hung and pool conditions
		}
		if st == dbAlive {
			return Finding{Verdict: Unknown, Class: ClassUnknown, Witnesses: []Witness{ByHTTP},
				Because: fmt.Sprintf("%s, but %s answers us: the witnesses disagree", symptom, db.Target.Name),
				Advice:  "if it lasts, check the service's own database address and login; one such reply is normal after sessions were ended"}
		}
		size, sized := f.Num(PoolSize)
		if !sized || size > 0 {
			return Finding{Verdict: Unknown, Class: ClassUnknown, Witnesses: []Witness{ByHTTP},
				Because: symptom + ": a full pool and a lost database cannot be told apart"}
		}
		fd := Finding{Verdict: Unhealthy, Witnesses: []Witness{ByHTTP},
			Because: symptom + "; nothing else has seen the database"}
		if found {
			fd.Culprit = db.Target.Name
			fd.Because = fmt.Sprintf("%s; %s itself could not be asked", symptom, db.Target.Name)
		}
		return fd
	},
}

// sizeNote adds the pool's numbers to a sentence about the database: they tell a lost database
// (no connection left) from a full pool.
func sizeNote(f Facts) string {
	size, ok := f.Num(PoolSize)
	if !ok {
		return ""
	}
	return fmt.Sprintf(" and %.0f connections are open", size)
}

// accusers returns the services that, seen recently, suffer from this database, and what they do:
// lose it when it is gone, hang on it (or lose it) when it is frozen. A refused connection makes a
// service fail and not hang, so a hanging one agrees with a frozen database only.
func accusers(o Observation, b Background, st databaseState) (names []string, what string) {
	what = "lost it too"
	if st == dbFrozen {
		what = "lost it or hang on it too"
	}
	for _, n := range b.Dependents {
		f := n.Observation.Facts
		if n.Target.Kind != KindService || !b.fresh(n, o.At) {
			continue
		}
		size, sized := f.Num(PoolSize)
		lost := understood(f) && f.Text(HealthDatabase) == "disconnected" && sized && size == 0
		hangs := f.Text(HTTPOutcome) == OutcomeNoReply && running(f)
		if lost || hangs && st == dbFrozen {
			names = append(names, n.Target.Name)
		}
	}
	return names, what
}

// starved returns the services that, seen recently, find no connection to this database.
func starved(o Observation, b Background) (names []string) {
	for _, n := range b.Dependents {
		f := n.Observation.Facts
		if n.Target.Kind == KindService && b.fresh(n, o.At) && understood(f) && f.Text(HealthDatabase) == "disconnected" {
			names = append(names, n.Target.Name)
		}
	}
	return names
}

// clusterCondition: the PostgreSQL cluster itself is dead or frozen. Never from one witness: a
// refused or unanswered connection needs its platform, the process table or a service to agree.
var clusterCondition = Condition{
	Class: ClassDatabase, Kinds: []Kind{KindPostgres}, Severity: P1,
	Looks: 2, Clear: 2 * time.Second,
	Ladder:  []string{"start", "restart", "kill-start"},
	Summary: "the PostgreSQL cluster is dead (start it) or frozen (restart it, on two witnesses)",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		st := stateOf(f)
		who, suffer := accusers(o, b, st)
		var fd Finding
		switch st {
		case dbAlive, dbSaturated, dbShut, dbStarting:
			return Finding{}
		case dbDown:
			fd = Finding{Verdict: Unhealthy, Witnesses: []Witness{BySQL}, Because: "PostgreSQL refuses connections"}
		case dbFrozen:
			fd = Finding{Verdict: Unhealthy, Witnesses: []Witness{BySQL},
				Because: "PostgreSQL accepts connections but does not answer within " + sqlWaited(f)}
			switch s := f.Text(ProcessState); {
			case isStopped(f):
				fd.Witnesses = append(fd.Witnesses, ByProcess)
				fd.Because += ", its postmaster is in state " + s + " (stopped)"
			case s == "D": // seen in passing on any busy disk, and no restart can end it
				fd.Because += ", its postmaster waits for its disk (state D)"
				fd.Advice = "look at the disk or the network file system below the data directory: a process in state D cannot even be killed"
			}
		case dbUnknown:
			if !notRunning(f) {
				return Finding{Verdict: Unknown, Class: ClassUnknown, Because: notAsked(f), Advice: wayAdvice(f)}
			}
			fd = Finding{Verdict: Unhealthy, Because: "PostgreSQL could not be asked"}
		}
		if notRunning(f) && st != dbFrozen {
			fd.Witnesses = append(fd.Witnesses, ByPlatform)
			fd.Because += ", " + StateWords(f)
			fd.Conclusive = st == dbDown
			switch f.Text(WorkloadDeparture) {
			case DepartureStopped:
				fd.Because += ": stopped by a person"
			case DepartureUnasked:
				fd.Because += ": nothing asks for it to run"
			}
		}
		if len(who) > 0 {
			fd.Witnesses = append(fd.Witnesses, ByDependents)
			fd.Because += fmt.Sprintf("; %s %s", join(who), suffer)
		}
		for _, name := range diskFacts(f) {
			if share, ok := f.Num(name); ok && share >= orDefault(b.Target.Limits.DiskFull, 0.95) {
				fd.Because += fmt.Sprintf("; its disk %s is %s full", diskPath(name), percent(share))
				fd.Advice = "free disk space first: a cluster on a full disk does not come up"
			}
		}
		return fd
	},
}

func reservedNote(n float64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %.0f more are reserved", n)
}

// wayAdvice says what to look at when it is the way to the cluster that is in doubt.
func wayAdvice(f Facts) string {
	switch f.Text(SQLOutcome) {
	case SQLClosed:
		return "look at PostgreSQL's own log (its sessions may crash as they begin), and at what stands before its port: a forwarder whose other end is gone does the same"
	case SQLNoConnect:
	default:
		return ""
	}
	if c := f.Text(SocketConnect); c == "dns" {
		return "correct the host name in its dsn, or the resolver of this host; nothing else is known of the cluster"
	}
	return "check the route and the firewall between recoveryd and the cluster; services on this host may take the same way"
}

// notAsked says why PostgreSQL gave no answer that tells anything. A running workload beside it proves
// nothing: Debian's is active for a dead cluster.
func notAsked(f Facts) string {
	r, asked := f[SQLOutcome]
	switch {
	case !asked:
		return "PostgreSQL was not asked"
	case r.Err != "":
		return "PostgreSQL could not be asked: " + r.Err
	case r.Text == SQLClosed:
		return "PostgreSQL's port takes the connection and closes it without a word"
	case r.Text == SQLNoConnect:
		why := "PostgreSQL cannot be reached: " + orNone(f.Text(SQLError))
		switch f.Text(SocketConnect) {
		case "dns":
			why += "; its name does not resolve"
		case "timeout", "unreachable":
			why += "; there is no way to its port"
		case "ok":
			why += "; its port takes connections"
		}
		return why
	}
	return fmt.Sprintf("asking PostgreSQL ended as %q, which is no known word", r.Text)
}

// saturatedCondition: the cluster is alive and out of connections. Restarting it would end
// everybody's work to cure a queue: it is never restarted for this.
var saturatedCondition = Condition{
	Class: ClassPool, Kinds: []Kind{KindPostgres}, Severity: P2,
	Looks: 3, Clear: 5 * time.Second,
	Ladder:  []string{"terminate-idle", "terminate-long"},
	Summary: "PostgreSQL has no connection left: saturation, not death; it is never restarted for it",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		if stateOf(f) == dbSaturated {
			fd := Finding{Verdict: Unhealthy, Witnesses: []Witness{BySQL},
				Because: "PostgreSQL answers \"too many clients\" (SQLSTATE 53300): saturated, not dead",
				Advice:  "find who holds the connections (pg_stat_activity on a reserved connection); raising max_connections needs a restart of the database and is a person's decision"}
			if who := starved(o, b); len(who) > 0 {
				fd.Witnesses = append(fd.Witnesses, ByDependents)
				fd.Because += fmt.Sprintf("; %s cannot get one either", join(who))
			}
			return fd
		}
		used, okU := f.Num(SQLUsed)
		max, okM := f.Num(SQLMax)
		reserved, _ := f.Num(SQLReserved) // 0 when it was not measured
		if free, ok := f.Num(SQLFree); ok && free < 1 && okU && okM && used > 0 {
			// Our own login may use the reserved connections: that it got in hides the saturation.
			fd := Finding{Verdict: Unhealthy, Witnesses: []Witness{BySQL},
				Because: fmt.Sprintf("PostgreSQL has no connection left for ordinary roles: %.0f of %.0f are used and %.0f are reserved; recoveryd got in on a reserved one", used, max, reserved),
				Advice:  "find who holds the connections (pg_stat_activity); raising max_connections needs a restart of the database and is a person's decision"}
			if who := starved(o, b); len(who) > 0 {
				fd.Witnesses = append(fd.Witnesses, ByDependents)
				fd.Because += fmt.Sprintf("; %s cannot get one", join(who))
			}
			return fd
		}
		if ordinary := max - reserved; okU && okM && ordinary > 0 && used/ordinary >= 0.9 {
			return Finding{Verdict: Degraded, Witnesses: []Witness{BySQL},
				Because: fmt.Sprintf("%.0f of %.0f PostgreSQL connections are used%s", used, max, reservedNote(reserved))}
		}
		switch f.Text(SQLOutcome) {
		case SQLDenied:
			fd := Finding{Verdict: Unknown, Class: ClassMisconfigured, Witnesses: []Witness{BySQL},
				Because: fmt.Sprintf("PostgreSQL answers, but refuses recoveryd's own login (%s)", sqlSaid(f)),
				Advice:  "correct the dsn of this target, or its role and pg_hba.conf"}
			if strings.Contains(strings.ToLower(f.Text(SQLError)), "unsupported startup parameter") { // PgBouncer, as it comes
				fd.Advice = "name statement_timeout, lock_timeout and default_transaction_read_only in ignore_startup_parameters of the pooler, or let the dsn of this target lead to PostgreSQL itself"
			}
			return fd
		case SQLFailed:
			return Finding{Verdict: Degraded, Class: ClassUnknown, Witnesses: []Witness{BySQL},
				Because: fmt.Sprintf("PostgreSQL answers with an error (SQLSTATE %s: %s)", orNone(f.Text(SQLState)), f.Text(SQLError))}
		}
		return Finding{}
	},
}
