package detect

import "strings"

// FactType says what a fact's reading holds.
type FactType uint8

// The types of facts.
const (
	Number FactType = iota // Reading.Value
	Share                  // Reading.Value, 0 to 1
	Truth                  // Reading.Value, 0 or 1
	Text                   // Reading.Text
)

var factTypeNames = [...]string{"number", "share 0..1", "truth", "word"}

// String returns the word used in docs and error messages.
func (t FactType) String() string {
	if int(t) < len(factTypeNames) {
		return factTypeNames[t]
	}
	return "unknown type"
}

// Fact describes one fact that a rule may name. A test keeps this table in step with facts.go.
type Fact struct {
	Name   string // a prefix that a name follows, when Prefix is set
	Type   FactType
	What   string   // meaning and unit
	Prefix bool     // the rest of the name is free: an application, a path
	Words  []string // for a word: all values there are; nil when others may come
}

// FactTable lists every fact that rules may name, in the order of facts.go.
func FactTable() []Fact {
	number := func(name, what string) Fact { return Fact{Name: name, What: what} }
	share := func(name, what string) Fact { return Fact{Name: name, Type: Share, What: what} }
	truth := func(name, what string) Fact { return Fact{Name: name, Type: Truth, What: what} }
	word := func(name, what string, words ...string) Fact {
		return Fact{Name: name, Type: Text, What: what, Words: words}
	}
	each := func(f Fact) Fact { f.Prefix = true; return f }
	return []Fact{
		word(HTTPOutcome, "how the health request ended", OutcomeReply, OutcomeNoReply, OutcomePartial, OutcomeStream, OutcomeRefused, OutcomeReset, OutcomeConnect,
			OutcomeDNS, OutcomeTLS, OutcomeNotFound, OutcomeDenied, OutcomeLimited, OutcomeHTML, OutcomeGarbage, OutcomeTooLarge,
			OutcomeRedirect, OutcomeRPC, OutcomeHTTPError, OutcomeGateway, OutcomeStarting),
		number(HTTPStatus, "HTTP status code"),
		number(HTTPLatency, "seconds until the health reply was complete, or until we gave up"),
		number(HTTPRetryAfter, "seconds that the server asked us to wait"),
		word(HTTPError, "what went wrong with the health request"),
		truth(HTTPAnswered, "this process has given a health reply before"),
		truth(HTTPPing, "after a health call without a reply, the MCP server still answered a ping: it lives, and waits for something that it needs"),
		word(HealthStatus, "what the service calls itself: healthy, degraded, unhealthy, or a word that is not known"),
		word(HealthWord, "the service's own word for that, when it is another one"),
		word(HealthParts, "parts that the reply calls bad, with their paths"),
		word(HealthRequired, "required parts that the reply calls bad (required_parts)"),
		word(HealthIgnored, "parts that the reply calls bad and that are ignored (ignored_parts)"),
		word(HealthDatabase, "the service's word for its database: connected, degraded, disconnected, or another"),
		word(HealthError, "error text of the reply; such texts lie"),
		word(HealthInstead, "what an MCP server is judged by that has no such health resource"),
		number(HealthUptime, "seconds that the service says it has been up"),
		number(PoolSize, "connections of the pool that are open now"),
		number(PoolMin, "configured minimum of the pool"),
		number(PoolMax, "configured maximum of the pool"),
		number(PoolFree, "open connections that are idle now"),
		number(PoolWaiting, "requests that wait for a connection (the real servers always say 0)"),
		share(PoolUtilization, "share of the pool's maximum in use, computed by recoveryd"),
		share(PoolReported, "share in use as the service reports it; often of the open connections, not of the maximum"),
		share(HealthMemoryShare, "share of its memory limit, when the reply carries memory"),
		truth(SyntheticOK, "the last call of real work succeeded"),
		word(SyntheticError, "why the call of real work failed"),
		truth(SyntheticPart, "the call of real work failed because only a part of its answer came in time: the service lives"),
		number(SyntheticLatency, "seconds that the call of real work took"),
		truth(SyntheticSameWay, "the call of real work got no answer, over the host and port of the health check: it then says no more than that check does"),
		word(UnitLoad, "load state of the unit: loaded, not-found, masked, ..."),
		word(UnitActive, "state of the unit: active, activating, deactivating, inactive, failed, reloading, ..."),
		word(UnitSub, "finer state of the unit: running, dead, auto-restart, ..."),
		word(UnitResult, "result of the last run: success, signal, exit-code, oom-kill, watchdog, timeout, ..."),
		word(UnitInvocation, "id of this run; changes at every start"),
		number(UnitMainPID, "process id of the main process"),
		number(UnitSince, "Unix seconds at which the unit left inactive; age() is easier"),
		number(UnitExitCode, "exit status or signal of the last end"),
		word(UnitExitKind, "how the main process ended: exited, killed, dumped"),
		word(UnitUnable, "why the program of the unit never ran: it does not exist, its user does not exist, ..."),
		number(UnitRestarts, "automatic restarts so far (NRestarts)"),
		word(UnitPolicy, "Restart= of the unit: no, always, on-failure, ..."),
		number(UnitRestartSec, "seconds that systemd waits before an automatic restart"),
		number(UnitLimitBurst, "StartLimitBurst= of the unit"),
		number(UnitLimitWindow, "seconds, StartLimitIntervalSec= of the unit"),
		word(UnitJob, "type of a job that is queued or running: start, stop, restart, ..."),
		truth(UnitJobOurs, "that job was queued by recoveryd"),
		word(UnitJobWith, "the unit whose own end has queued that job (BindsTo=, PartOf=): nobody asked for it"),
		word(UnitDeparture, "why it is not running", DepartureNone, DepartureStopped, DepartureRestart, DepartureCrash, DepartureClean,
			DepartureSIGTERM, DepartureOOM, DepartureWatchdog, DepartureLimit, DepartureBySelf, DepartureUnasked, DepartureUnknown),
		word(UnitError, "why the platform could not be asked"),
		truth(UnitWatched, "change signals of the unit are being received"),
		word(UnitPermission, "why an action would be refused"),
		number(UnitStopTimeout, "seconds, TimeoutStopSec= of the unit"),
		word(UnitMaintenance, "a person is at work here: a package upgrade, ..."),
		word(UnitOperatorNote, "what the operator did"),
		number(MemoryCurrent, "bytes of the unit's cgroup, page cache included"),
		number(MemoryMax, "bytes, the unit's limit; not measured when it has none"),
		word(MemorySource, "who told: systemd, cgroup, procfs"),
		number(MemoryOOMKills, "processes of the unit killed for memory since its cgroup was made"),
		number(MemoryPressure, "percent of the last 10 s in which a process waited for memory (PSI some avg10)"),
		number(ProcessRSS, "bytes of resident memory of all processes of the unit"),
		word(ProcessState, "state letter of the main process", "R", "S", "D", "T", "t", "Z", "I", "X"),
		number(ProcessBusy, "share of the time in which a check got no answer that the main process computed or waited for a disk, all its threads together; 1 = one processor"),
		number(ProcessFDs, "open file descriptors of the main process"),
		number(ProcessFDLimit, "limit of open file descriptors of the main process"),
		word(SocketConnect, "how a plain connection to the port ended", "ok", "refused", "timeout", "unreachable", "dns"),
		truth(SocketListening, "some process listens on the port"),
		number(SocketBacklog, "connections that wait to be accepted"),
		number(SocketOwnerPID, "process id of the listener"),
		word(SocketOwner, "command name of the listener"),
		word(SocketOwnerUnit, "unit of the listener"),
		word(SocketOwnerUser, "user of the listener"),
		truth(SocketOwnerOurs, "the listener belongs to the target's unit"),
		word(SocketResolution, "ok, or why the name could not be resolved"),
		number(SocketLatency, "seconds to connect"),
		word(SQLOutcome, "how our own connection to PostgreSQL ended", SQLOK, SQLRefused, SQLFrozen, SQLSaturated, SQLStarting,
			SQLDenied, SQLNoConnect, SQLFailed, SQLPoolerFull, SQLPoolerOnly, SQLDiskFull, SQLCorrupt, SQLRefusing, SQLClosed),
		word(SQLState, "SQLSTATE of the answer"),
		word(SQLError, "what PostgreSQL said"),
		number(SQLLatency, "seconds for connecting and SELECT 1"),
		number(SQLMax, "max_connections"),
		number(SQLUsed, "client sessions, without those of recoveryd"),
		number(SQLReserved, "connections that ordinary roles never get: superuser_reserved_connections, and reserved_connections since version 16"),
		number(SQLFree, "connections that ordinary roles can still open: max_connections without the reserved and the used ones"),
		truth(SQLRecovery, "the cluster is in recovery (a standby)"),
		number(SQLLongestTx, "seconds, age of the oldest open transaction"),
		number(SQLBlocked, "sessions that wait for a lock"),
		word(SQLBlocker, "process id and application of the first blocker"),
		number(SQLReplicaLag, "seconds that replication lags"),
		number(SQLIdle, "sessions that are idle"),
		number(SQLIdleInTx, "sessions that are idle in a transaction"),
		number(SQLActive, "sessions that are active"),
		each(number(SQLAppSessions, "sessions of an application: sql.app[\"codebase-mcp\"]")),
		each(number(SQLAppIdle, "idle sessions of an application: sql.app_idle[\"codebase-mcp\"]")),
		each(share(DiskShare, "share of a file system in use: disk.share[\"/var/lib/postgresql\"]")),
		each(share(InodeShare, "share of a file system's inodes in use: disk.inodes[\"/\"]")),
		number(TrendLatencyP95, "seconds within which 95 of 100 health replies of the last 5 minutes came; not measured with fewer than 20"),
		number(TrendMemorySlope, "bytes a second by which memory grows (negative: shrinks), over at least 5 and at most 30 minutes of the present run"),
		number(TrendMemoryLeft, "seconds until the memory limit at that pace; absent unless memory grows steadily"),
		number(TrendPoolSlope, "connections a second by which the pool's use grows (negative: shrinks), over at least 1 and at most 5 minutes of the present run"),
		number(TrendPoolLeft, "seconds until the pool is used up at that pace; absent unless its use grows steadily"),
		number(TrendDegradedFor, "seconds that the service has called itself degraded, without a break; absent when it does not"),
		number(HostMemoryPressure, "percent of the last 10 s in which some process of the host waited for memory (PSI some avg10)"),
		number(HostCPUPressure, "percent of the last 10 s in which some process of the host waited for a processor"),
		number(HostIOPressure, "percent of the last 10 s in which some process of the host waited for a disk"),
		number(HostMemoryStall, "percent of the last 10 s in which everything on the host that had work waited for memory (PSI full avg10)"),
		number(HostIOStall, "percent of the last 10 s in which everything on the host that had work waited for a disk (PSI full avg10)"),
		word(AlertFiring, "name of an outside system's firing alert"),
		word(AlertClass, "failure class that the alert maps to"),
		word(PlainOutcome, "how the dependency's own check ended", "ok", "refused", "timeout", "error", "starting", "gateway", "unknown"),
		word(PlainError, "what went wrong with that check"),
	}
}

// FactNamed describes the fact of that full name ("pool.size", "disk.share./var").
func FactNamed(name string) (Fact, bool) {
	for _, f := range FactTable() {
		if f.Name == name && !f.Prefix || f.Prefix && strings.HasPrefix(name, f.Name) && len(name) > len(f.Name) {
			return f, true
		}
	}
	return Fact{}, false
}

// witnessOf is the kind of evidence that a fact is. Facts of the health reply and its pool are
// one witness, whatever their names begin with; a trend is the witness of what it is a trend of.
func witnessOf(fact string) Witness {
	kind, _, _ := strings.Cut(fact, ".")
	switch kind {
	case "health", "pool":
		return ByHTTP
	case "trend":
		if fact == TrendMemorySlope || fact == TrendMemoryLeft {
			return ByCgroup
		}
		return ByHTTP
	}
	return Witness(kind)
}
