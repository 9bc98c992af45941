package detect

import (
	"slices"
	"strings"
)

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
	What   string   // meaning, and what a number counts
	Prefix bool     // the rest of the name is free: an application, a path
	Words  []string // for a word: all values there are; nil when others may come
	Now    string   // the name that it has now, for one that rules still know by an older name; "" = it is its own
}

// platformFacts are those that only one platform has.
var platformFacts []Fact

// RegisterFacts adds facts that only one platform has to those that rules may name and screens show. They are
// evidence of the platform's kind, and no built-in judgement rests on them. Call it while the program starts;
// it is not safe for concurrent use.
func RegisterFacts(facts ...Fact) { platformFacts = append(platformFacts, facts...) }

// FactTable lists every fact that rules may name: those of facts.go in their order, then those of platforms.
func FactTable() []Fact {
	return append(neutralFacts(), slices.DeleteFunc(slices.Clone(platformFacts), func(f Fact) bool { return f.Now != "" })...)
}

func neutralFacts() []Fact {
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
		word(WorkloadState, "what it is doing, as its platform says", StateRunning, StateStarting, StateStopping, StateRetrying, StateStopped, StateFailed),
		word(WorkloadWords, "the same in the platform's own words"),
		word(WorkloadNoun, "what the platform calls it: process, container, ..."),
		word(WorkloadManager, "who runs it: the container runtime, ..."),
		word(WorkloadRun, "id of this run; changes at every start"),
		number(WorkloadPID, "process id of the main process"),
		number(WorkloadSince, "Unix seconds at which this run began; age() is easier"),
		number(WorkloadExitCode, "exit status or signal of the last end"),
		word(WorkloadExitKind, "how the main process ended: exited, killed, dumped"),
		truth(WorkloadOOM, "its last end was for want of memory"),
		word(WorkloadMissing, "there is no such thing on the platform"),
		word(WorkloadUnable, "why its program never ran: it does not exist, its user does not exist, ..."),
		word(WorkloadAdvice, "what a person should do when it is missing or unable"),
		word(WorkloadDisabled, "how a person has forbidden it to run: masked, ..."),
		number(WorkloadRestarts, "automatic restarts so far"),
		word(WorkloadPolicy, "its platform's rule for restarting it: no, always, on-failure, ..."),
		number(WorkloadRetryAfter, "seconds that the platform waits before an automatic restart"),
		number(WorkloadStartLimit, "starts that the platform allows within start_window; 0: no limit"),
		number(WorkloadStartWindow, "seconds over which the platform counts starts"),
		word(WorkloadPending, "what is being done to it, or is queued: start, stop, restart, ..."),
		truth(WorkloadPendingOurs, "that was asked for by recoveryd"),
		word(WorkloadPendingWith, "whose own end has asked for that (it is bound to it): nobody else did"),
		word(WorkloadDeparture, "why it is not running", DepartureNone, DepartureStopped, DepartureRestart, DepartureCrash, DepartureClean,
			DepartureSIGTERM, DepartureOOM, DepartureWatchdog, DepartureLimit, DepartureBySelf, DepartureUnasked, DepartureUnknown),
		word(WorkloadError, "why the platform could not be asked"),
		truth(WorkloadWatched, "changes of it are being told without asking"),
		word(WorkloadPermission, "why an action would be refused"),
		word(WorkloadMaintenance, "a person is at work here: a package upgrade, ..."),
		word(WorkloadNote, "what the operator did, or how it ended"),
		number(MemoryCurrent, "bytes that the platform counts for it, page cache included"),
		number(MemoryMax, "bytes, its limit; not measured when it has none"),
		word(MemorySource, "who told: the platform, the kernel's accounting, the process table"),
		number(MemoryOOMKills, "its processes that the kernel killed for memory since it was set up"),
		number(MemoryPressure, "percent of the last 10 s in which a process waited for memory (PSI some avg10)"),
		number(ProcessRSS, "bytes of resident memory of all its processes"),
		word(ProcessState, "state letter of the main process", "R", "S", "D", "T", "t", "Z", "I", "X"),
		number(ProcessBusy, "share of the time in which a check got no answer that the main process computed or waited for a disk, all its threads together; 1 = one processor"),
		number(ProcessFDs, "open file descriptors of the main process"),
		number(ProcessFDLimit, "limit of open file descriptors of the main process"),
		word(SocketConnect, "how a plain connection to the port ended", "ok", "refused", "timeout", "unreachable", "dns"),
		truth(SocketListening, "some process listens on the port"),
		number(SocketBacklog, "connections that wait to be accepted"),
		number(SocketOwnerPID, "process id of the listener"),
		word(SocketOwner, "command name of the listener"),
		word(SocketOwnerService, "what the platform calls the workload of the listener"),
		word(SocketOwnerUser, "user of the listener"),
		truth(SocketOwnerOurs, "the listener belongs to the target"),
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

// FactNamed describes the fact of that full name ("pool.size", "disk.share./var"), also by an older name.
func FactNamed(name string) (Fact, bool) {
	for _, f := range platformFacts {
		if f.Name == name && f.Now != "" {
			name = f.Now
		}
	}
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
			return ByMemory
		}
		return ByHTTP
	}
	if slices.ContainsFunc(platformFacts, func(f Fact) bool { return f.Name == fact }) {
		return ByPlatform
	}
	return Witness(kind)
}
