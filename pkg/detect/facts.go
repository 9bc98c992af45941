package detect

// Names of facts. The part before the first dot is the witness that measured it (see witness.go).
// What numbers count is in the comments; "truth" is 0 or 1.
const (
	// http: the health reply, by whatever transport (HTTP GET or an MCP resource).
	HTTPOutcome    = "http.outcome"     // word, one of the Outcome... constants
	HTTPStatus     = "http.status"      // HTTP status code
	HTTPLatency    = "http.latency"     // seconds until the reply was complete, or until we gave up
	HTTPRetryAfter = "http.retry_after" // seconds, when the server asked us to wait
	HTTPError      = "http.error"       // word: what went wrong, without secrets
	HTTPAnswered   = "http.answered"    // truth: this process (same workload.run) has answered before
	HTTPPing       = "http.ping"        // truth: after a health call without a reply, the MCP server still answered a ping

	// health: what the reply said (all variants normalised). Same witness as http.
	HealthStatus      = "health.status"       // word: healthy, degraded, unhealthy, or the server's own unknown word
	HealthWord        = "health.word"         // word: the server's own word for it, when that is another one
	HealthParts       = "health.parts"        // word: the parts that the reply calls bad, with their paths
	HealthRequired    = "health.required"     // word: the required parts that it calls bad; not measured when one could not be read
	HealthIgnored     = "health.ignored"      // word: the parts that it calls bad, and that the operator ignores
	HealthDatabase    = "health.database"     // word: connected, degraded, disconnected, or the server's own word
	HealthError       = "health.error"        // word: error/message text (evidence only; texts lie)
	HealthInstead     = "health.instead"      // word: what an MCP server is judged by that has no such health resource
	HealthUptime      = "health.uptime"       // seconds
	PoolSize          = "pool.size"           // connections open now
	PoolMin           = "pool.min"            // configured
	PoolMax           = "pool.max"            // configured
	PoolFree          = "pool.free"           // idle now
	PoolWaiting       = "pool.waiting"        // requests waiting (always 0 on the real server)
	PoolUtilization   = "pool.utilization"    // share of max in use, 0..1, computed by us
	PoolReported      = "pool.reported"       // share as the server reported it, 0..1 (of size, not max)
	HealthMemoryShare = "health.memory_share" // 0..1, when the reply carries memory

	// synthetic: a configured call of real work.
	SyntheticOK      = "synthetic.ok"       // truth
	SyntheticError   = "synthetic.error"    // word
	SyntheticPart    = "synthetic.part"     // truth: a part of an answer came and not its end, so the service lives
	SyntheticLatency = "synthetic.latency"  // seconds
	SyntheticSameWay = "synthetic.same_way" // truth: it got no answer, over the host and port of the health check; only then

	// workload: what its platform says of it: of a service of the service manager, a child process, a container. A platform may have
	// facts of its own beside these, whose names begin with its own word; see [RegisterFacts].
	WorkloadState       = "workload.state"        // word, one of the State... constants
	WorkloadWords       = "workload.words"        // word: the same in the platform's own words, for sentences
	WorkloadNoun        = "workload.noun"         // word: what the platform calls it: process, container, ...
	WorkloadManager     = "workload.manager"      // word: who runs it, for sentences: the container runtime, ...
	WorkloadRun         = "workload.run"          // word: id of this run; changes at every start
	WorkloadPID         = "workload.pid"          // number: process id of its main process
	WorkloadSince       = "workload.since"        // Unix seconds (with fraction): this run began, or was asked for; see NPD #444
	WorkloadExitCode    = "workload.exit_code"    // exit status or signal of the last end
	WorkloadExitKind    = "workload.exit_kind"    // word: exited, killed, dumped
	WorkloadOOM         = "workload.oom"          // truth: its last end was for want of memory
	WorkloadMissing     = "workload.missing"      // word: there is no such thing on the platform, in a sentence
	WorkloadUnable      = "workload.unable"       // word: why its program never ran, by its own settings
	WorkloadAdvice      = "workload.advice"       // word: what a person should do about one of these two
	WorkloadDisabled    = "workload.disabled"     // word: how a person has forbidden it to run: masked, ...
	WorkloadRestarts    = "workload.restarts"     // automatic restarts so far
	WorkloadPolicy      = "workload.policy"       // word: its platform's rule for restarting it: no, always, on-failure, ...
	WorkloadRetryAfter  = "workload.retry_after"  // seconds that the platform waits before an automatic restart
	WorkloadStartLimit  = "workload.start_limit"  // starts that the platform allows within start_window; 0 = no limit
	WorkloadStartWindow = "workload.start_window" // seconds
	WorkloadPending     = "workload.pending"      // word: what is being done to it, or queued: start, stop, restart, ...
	WorkloadPendingOurs = "workload.pending_ours" // truth: it was asked for by us
	WorkloadPendingWith = "workload.pending_with" // word: whose own end has asked for that: nobody else did
	WorkloadDeparture   = "workload.departure"    // word, one of the Departure... constants: why it is not running
	WorkloadError       = "workload.error"        // word: the platform could not be asked, and why
	WorkloadWatched     = "workload.watched"      // truth: changes of it are being told without asking
	WorkloadPermission  = "workload.permission"   // word: why an action would be refused, when known
	WorkloadMaintenance = "workload.maintenance"  // word: person at work here: "package-upgrade: dpkg", ...
	WorkloadNote        = "workload.note"         // word: what the operator did, or how it ended, for the sentence

	// memory: what the platform counts for it.
	MemoryCurrent  = "memory.current"   // bytes
	MemoryMax      = "memory.max"       // bytes; absent when unlimited
	MemorySource   = "memory.source"    // word: who told
	MemoryOOMKills = "memory.oom_kills" // count since it was set up
	MemoryPressure = "memory.pressure"  // PSI "some avg10", percent
	ProcessRSS     = "process.rss"      // bytes, resident, all its processes, from /proc
	ProcessState   = "process.state"    // word: R S D T t Z (state letter of the main process)
	ProcessBusy    = "process.busy"     // share of one processor that the main process used, or waited for a disk, while a check got no answer
	ProcessFDs     = "process.fds"      // open file descriptors
	ProcessFDLimit = "process.fd_limit" // RLIMIT_NOFILE of the main process

	// socket: what the kernel says about the port.
	SocketConnect      = "socket.connect"       // word: ok, refused, timeout, unreachable, dns
	SocketListening    = "socket.listening"     // truth: some process listens on the port
	SocketBacklog      = "socket.backlog"       // connections waiting to be accepted
	SocketOwnerPID     = "socket.owner_pid"     // pid of the listener, when it can be seen
	SocketOwner        = "socket.owner"         // word: command name of the listener
	SocketOwnerService = "socket.owner_service" // word: what the platform calls the listener's own workload
	SocketOwnerUser    = "socket.owner_user"    // word: user of the listener
	SocketOwnerOurs    = "socket.owner_ours"    // truth: the listener belongs to the target
	SocketResolution   = "socket.resolution"    // word: ok, or why the name could not be resolved
	SocketLatency      = "socket.latency"       // seconds to connect

	// sql: the PostgreSQL witness.
	SQLOutcome     = "sql.outcome"     // word, one of the SQL... outcome constants
	SQLState       = "sql.state"       // word: SQLSTATE, e.g. 53300, 57P03, 28P01
	SQLError       = "sql.error"       // word
	SQLLatency     = "sql.latency"     // seconds for connect + SELECT 1
	SQLMax         = "sql.max"         // max_connections
	SQLUsed        = "sql.used"        // client sessions, without those of recoveryd
	SQLReserved    = "sql.reserved"    // connections of max_connections that ordinary roles never get
	SQLFree        = "sql.free"        // connections that ordinary roles can still open: max - reserved - used, never below 0
	SQLRecovery    = "sql.in_recovery" // truth: pg_is_in_recovery()
	SQLLongestTx   = "sql.longest_tx"  // seconds, oldest open transaction
	SQLBlocked     = "sql.blocked"     // sessions waiting for a lock
	SQLBlocker     = "sql.blocker"     // word: pid and application of the first blocker
	SQLReplicaLag  = "sql.replica_lag" // seconds
	SQLIdle        = "sql.idle"        // sessions in state idle
	SQLIdleInTx    = "sql.idle_in_tx"  // sessions idle in transaction
	SQLActive      = "sql.active"      // sessions active
	SQLAppSessions = "sql.app."        // prefix: sql.app.<application_name> = its sessions
	SQLAppIdle     = "sql.app_idle."   // prefix: sql.app_idle.<application_name> = its idle sessions

	// disk: file systems that matter. The rest of the name is the path.
	DiskShare  = "disk.share."  // prefix: disk.share.<path> = used share 0..1
	InodeShare = "disk.inodes." // prefix: disk.inodes.<path> = used share 0..1

	// trend: what a row of looks at the same process shows and one alone does not. The evidence is of the
	// kind of what was measured.
	TrendLatencyP95  = "trend.latency_p95"  // seconds: 95 of 100 health replies of the last minutes came within this
	TrendMemorySlope = "trend.memory_slope" // bytes a second by which its memory grows, negative when it shrinks
	TrendMemoryLeft  = "trend.memory_left"  // seconds until its memory limit at that pace; absent unless it grows steadily
	TrendPoolSlope   = "trend.pool_slope"   // connections a second by which the pool's use grows, negative when it shrinks
	TrendPoolLeft    = "trend.pool_left"    // seconds until the pool is used up at that pace; absent unless its use grows steadily
	TrendDegradedFor = "trend.degraded_for" // seconds that the service has called itself degraded, without a break; absent when it does not

	// host: pressure on the whole host (PSI avg10), measured where a rule names it, and when a target
	// is not content.
	HostMemoryPressure = "host.memory_pressure" // percent of the last 10 s in which some process waited for memory
	HostCPUPressure    = "host.cpu_pressure"    // percent of the last 10 s in which some process waited for a processor
	HostIOPressure     = "host.io_pressure"     // percent of the last 10 s in which some process waited for a disk
	HostMemoryStall    = "host.memory_stall"    // percent of the last 10 s in which everything that had work waited for memory
	HostIOStall        = "host.io_stall"        // percent of the last 10 s in which everything that had work waited for a disk

	// alert: a firing alert of an outside system (Alertmanager), as a witness.
	AlertFiring = "alert.firing" // word: alert name; the class it maps to is in AlertClass
	AlertClass  = "alert.class"  // word

	// plain: outcome of a plain dependency's own check (Redis PING, Ollama /api/tags).
	PlainOutcome = "plain.outcome" // word: ok, refused, timeout, error, starting, gateway, unknown
	PlainError   = "plain.error"   // word
)

// Outcomes of a health request (HTTPOutcome).
const (
	OutcomeReply     = "reply"      // a reply that we understood as a health payload
	OutcomeNoReply   = "no-reply"   // the connection was accepted, and nothing of a reply came within the timeout
	OutcomePartial   = "partial"    // a part of a reply came and not its end: it lives, and what it would say is not known
	OutcomeStream    = "stream"     // an event stream without a reply in it, not a page with an end
	OutcomeRefused   = "refused"    // nothing listens
	OutcomeReset     = "reset"      // the connection was closed before a reply
	OutcomeConnect   = "no-connect" // connecting timed out or there is no route
	OutcomeDNS       = "dns"        // the name could not be resolved
	OutcomeTLS       = "tls"        // TLS failed: scheme or certificate
	OutcomeNotFound  = "not-found"  // 404, 405, 410: wrong path or wrong server
	OutcomeDenied    = "denied"     // 401, 403, 407: the probe lacks a credential
	OutcomeLimited   = "limited"    // 429, or RATE_LIMIT_EXCEEDED at any status
	OutcomeHTML      = "html"       // an HTML page instead of a payload
	OutcomeGarbage   = "garbage"    // another protocol, not JSON, or JSON without any known field
	OutcomeTooLarge  = "too-large"  // the body exceeds the bound
	OutcomeRedirect  = "redirect"   // a redirect that we do not follow
	OutcomeRPC       = "rpc-error"  // an MCP/JSON-RPC error instead of a result
	OutcomeHTTPError = "http-error" // 4xx/5xx without a payload that we understand
	OutcomeGateway   = "gateway"    // a proxy, load balancer or CDN on the way answered in the service's place
	OutcomeStarting  = "starting"   // the server says that it is not up yet
)

// Outcomes of the PostgreSQL witness (SQLOutcome).
const (
	SQLOK        = "ok"        // connected and SELECT 1 answered
	SQLRefused   = "refused"   // connection refused, or no socket file
	SQLFrozen    = "frozen"    // connected at TCP level, no answer within the timeout
	SQLSaturated = "saturated" // SQLSTATE 53300: too many clients. Saturation is not death
	SQLStarting  = "starting"  // SQLSTATE 57P03, 57P01, 57P02: starting up, shutting down or in recovery
	SQLDenied    = "denied"    // SQLSTATE class 28, 3D000: our login is wrong, the server answers
	SQLNoConnect = "no-connect"
	SQLFailed    = "failed" // let us in and answered the query with an error: alive
	// It answers, and lets nobody in: each client is refused while connecting.
	SQLPoolerFull = "pooler-full" // a pooler before it (PgBouncer, pgcat, Odyssey, Supavisor) has no connection left
	SQLPoolerOnly = "pooler-only" // a pooler before it answers, and reaches no server
	SQLDiskFull   = "disk-full"   // SQLSTATE 53100, 58030: no space, or the disk fails
	SQLCorrupt    = "corrupt"     // SQLSTATE XX001, XX002: damaged data
	SQLRefusing   = "refusing"    // another error while connecting that is not about our login
	SQLClosed     = "closed"      // the connection was accepted and closed without a word
)

// What a workload is doing (WorkloadState). A state that is not known here is not measured.
const (
	StateRunning  = "running"  // its process runs
	StateStarting = "starting" // it is on its way up, and not ready by the platform's own word
	StateStopping = "stopping" // it is on its way down
	StateRetrying = "retrying" // no process runs: the platform starts it again by itself, after a pause
	StateStopped  = "stopped"  // it has ended, or has never run
	StateFailed   = "failed"   // it has ended, and the platform calls that a failure
)

// Why a workload is not running, or not the process we knew (WorkloadDeparture).
const (
	DepartureNone     = ""          // it is running, or has never run
	DepartureStopped  = "stopped"   // a person (or another program) told the platform to stop it
	DepartureRestart  = "restarted" // a person is restarting it, or just has
	DepartureCrash    = "crash"     // it died: signal, exit code, core dump
	DepartureClean    = "clean"     // it ended by itself with status 0
	DepartureSIGTERM  = "sigterm"   // somebody sent SIGTERM past its platform
	DepartureOOM      = "oom-kill"  // killed for memory
	DepartureWatchdog = "watchdog"  // its platform's watchdog killed it
	DepartureLimit    = "start-limit-hit"
	DepartureBySelf   = "ours"    // our own action stopped it
	DepartureUnasked  = "unasked" // nothing asks for it to run: not started at boot, and no run since is known
	DepartureUnknown  = "unknown"
)
