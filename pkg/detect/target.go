package detect

import "time"

// Kind says what a target is and therefore which classes can apply to it.
type Kind string

// The kinds of target.
const (
	KindService  Kind = "service"  // a server with a health check: the MCP servers
	KindPostgres Kind = "postgres" // a PostgreSQL cluster
	KindPlain    Kind = "plain"    // a plain dependency: Redis, Ollama, any TCP or HTTP server
)

// Target is what diagnosis and planning must know about a watched thing. It comes from the
// configuration and is never modified after load.
type Target struct {
	Name      string   // unique; appears in logs, metrics, pages
	Kind      Kind     // service, postgres or plain
	Platform  string   // name of its platform: "process", ...; "" when nothing can be acted on
	Object    string   // the platform's name of it: "codebase-mcp.service", "shop-api-1"
	DependsOn []string // names of targets it needs to work
	External  bool     // runs on another host: named as culprit, never acted on
	Limits    Limits
	Pool      Pool
	Memory    Memory
	Database  Database
	// StartGrace is how long after its start the target may be silent without being judged.
	StartGrace time.Duration
	// StopGrace is how long a stop may take before every process of it is killed. The
	// default of a platform may be 90 s; a wedged process must not cost that.
	StopGrace time.Duration
	// Caches are directories that hold nothing but caches of this target: they may be emptied while
	// it is stopped. The configuration allows them one by one.
	Caches []string
}

// Limits are the thresholds of diagnosis.
type Limits struct {
	// PoolFull is the share of max_size in use (0..1] at and above which the pool is exhausted.
	// 0.95 is the alert threshold of the incident runbook, applied to max_size and not to the
	// connections open now (the servers report 95 % with two thirds of the pool unused).
	PoolFull float64
	// PoolHigh is the share at and above which the pool is degraded (0.8: the servers' own).
	PoolHigh float64
	// MemoryFull is the share of the memory limit (0..1] at and above which memory is the problem.
	MemoryFull float64
	// MemoryHigh is the share at and above which it is degraded.
	MemoryHigh float64
	// Latency is the health answer time above which the target is degraded; 0 disables it.
	Latency time.Duration
	// DiskFull is the share of a file system (0..1] at and above which it counts as full.
	DiskFull float64
}

// Pool says how the connection pool of a service can be recognised and enlarged.
type Pool struct {
	Application string // application_name of its sessions in pg_stat_activity; "" = unknown
	Database    string // name of the KindPostgres target that its sessions go to
	// Sessions is the number of its sessions at the database from which on they count as used up,
	// whatever the service says of its own pool; 0 = not judged.
	Sessions int
	// EnvFile and EnvKey are where a larger pool is written: the environment file that it reads
	// at its start, and the variable in it. Empty means that the pool cannot be enlarged.
	EnvFile, EnvKey string
	Initial         int // pool size without our change; 0 = read it from the health reply
	Cap             int // never above; the real servers die at start above 50 (DB_POOL_SIZE)
	Factor          float64
	IdleAfter       time.Duration // sessions idle for longer may be terminated
	LongAfter       time.Duration // transactions older than this may be terminated
	AdminURL        string        // POST {"max_size": N}; "" when the service has no such API
	// An enlarged pool of which no more than ShrinkBelow (a share) has been in use for Quiet becomes
	// smaller by ShrinkFactor, never below its first size; Quiet 0 = it stays.
	ShrinkBelow, ShrinkFactor float64
	Quiet                     time.Duration
}

// Memory says what is known about a service's memory limit and how far it may be raised.
type Memory struct {
	Limit  uint64        // bytes, when its platform has no limit for it; 0 = none known
	Cap    uint64        // bytes; the platform's limit is never raised above; 0 = never raised
	Factor float64       // how much more a rung gives (1.5 when unset)
	Quiet  time.Duration // a raised limit goes back when it has not been needed for so long; 0 = it stays
}

// Database holds what the PostgreSQL actions need besides the connection.
type Database struct {
	DataDir string // to check for a full disk before a start; "" = not checked
}
