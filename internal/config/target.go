package config

import (
	"time"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// The kinds of target.
const (
	KindOfService  = "service"
	KindOfPostgres = "postgres"
	KindOfPlain    = "plain"
)

// Target is one thing that is watched.
type Target struct {
	// Name of the target in pages, logs, metrics and commands. Unique.
	Name string `yaml:"name" form:"name" want:"required"`
	// What it is: service (a server with a health check), postgres (a PostgreSQL cluster), or
	// plain (a dependency with a simple check: Redis, Ollama, any TCP or HTTP server).
	Kind string `yaml:"kind" enum:"service|postgres|plain" want:"required"`
	// Who runs it, by the name of the platform, or none (recoveryd can only watch it).
	Platform string `yaml:"platform" shown:"the platform whose keys the target has, none when external is true"`
	// Given are the keys of platforms as they stand in the file. Own are those of the target's platform: a pointer
	// to the struct that the platform has given to [Known], nil for none. Object is what the platform calls it.
	Given  strictyaml.Owned `yaml:"@own"`
	Own    any              `yaml:"-"`
	Object string           `yaml:"-"`
	// It runs on another host: recoveryd names it as the culprit, and never acts on it.
	External bool `yaml:"external" default:"false"`
	// Targets that it needs in order to work. When one of them fails there is one incident, for
	// that one, and this target waits for it.
	DependsOn []string `yaml:"depends_on" form:"name"`
	// Severity of every incident of this target, P1 (highest) to P4.
	Severity string `yaml:"severity" enum:"P1|P2|P3|P4" shown:"the severity of the failure class"`
	// What recoveryd may do with this target by itself. It replaces the mode at the top.
	Mode Mode `yaml:"mode" enum:"observe|propose|auto" shown:"mode at the top of the file"`
	// Time after its start in which the target may be silent without being judged.
	StartGrace time.Duration `yaml:"start_grace" default:"30s" want:"max=1h"`
	// Time that the target gets to stop by itself before it is killed. systemd's own 90 s are
	// never waited for: a hung server uses all of them.
	StopGrace time.Duration `yaml:"stop_grace" default:"5s" want:"min=100ms,max=10m"`
	// Time between two looks. The daemon varies it a little, so that targets are not all asked
	// at the same instant.
	Interval time.Duration `yaml:"interval" default:"5s" want:"min=100ms,max=1h"`
	// How a service is asked for its health. Required for kind service. One check is enough for
	// most; with several, each is asked at every look.
	Health []HealthCheck `yaml:"health" want:"nonempty"`
	// Calls of real work, which prove more than a health check does. Only for kind service.
	Synthetic []SyntheticCheck `yaml:"synthetic"`
	// How a plain dependency is asked. Required for kind plain.
	Check *PlainCheck `yaml:"check"`
	// How a PostgreSQL cluster is asked. Required for kind postgres.
	Postgres *Postgres `yaml:"postgres"`
	// The connection pool of a service: when it is full, and how it may be relieved. Only for
	// kind service.
	Pool Pool `yaml:"pool"`
	// The memory of the target: when it is short, and how far its limit may be raised.
	Memory Memory `yaml:"memory"`
	// Answer time above which the target counts as degraded. 0s: answer times are not judged.
	Latency time.Duration `yaml:"latency" default:"0s" want:"max=10m"`
	// Directories whose file systems must not be full. The one of a database counts most: a
	// full disk is not cured by a restart.
	Disks []string `yaml:"disks" form:"path"`
	// Share of a file system in use from which on it counts as full.
	DiskFull float64 `yaml:"disk_full" default:"0.95" want:"above=0,max=1" unit:"share"`
	// Directories that hold nothing but caches of this target. The strategy clean-start empties them
	// while the target is stopped, and keeps the directories. Links are removed and never followed.
	Caches []string `yaml:"caches" form:"path"`
	// A program of your own whose output is kept as evidence before a cure destroys it, such as
	// one that dumps the threads or the heap of the server.
	Collector *Collector `yaml:"collector"`
}

// Collector is an operator's own source of evidence.
type Collector struct {
	// Program, by its absolute path, and arguments. No shell is involved. It runs as the user of
	// recoveryd, sees RECOVERYD_TARGET, RECOVERYD_UNIT, RECOVERYD_PID (the main process, when it is
	// known) and RECOVERYD_INCIDENT, and the first 256 KiB of what it prints are kept.
	Command []string `yaml:"command" want:"required,nonempty"`
	// Time after which it is killed, with everything that it has started. A disruptive cure waits
	// for it as long as this and no longer: what takes more time should be started in the background.
	Timeout time.Duration `yaml:"timeout" default:"500ms" want:"min=50ms,max=4s"`
}

// Variable is one environment variable.
type Variable struct {
	// Name of the variable.
	Name string `yaml:"name" form:"env" want:"required"`
	// Its value.
	Value strictyaml.Secret `yaml:"value" want:"required" literal:"fine"`
}

// Pool is what is known about the connection pool of a service.
type Pool struct {
	// application_name of its sessions in PostgreSQL. With it recoveryd can end idle or stuck
	// sessions of this service and of no other.
	Application string `yaml:"application"`
	// Name of the target (kind postgres) that the pool connects to.
	Database string `yaml:"database" form:"name"`
	// Number of sessions of application at the database from which on they count as used up, whatever
	// the service says of its own pool: sessions that it lost track of, or that another process of
	// its holds, take everybody's connections. 0: they are not judged.
	Sessions int `yaml:"sessions" default:"0" want:"min=0,max=10000" unit:"sessions"`
	// Environment file by which the pool is enlarged, such as /run/recoveryd/env/NAME.env: it must
	// be in the directory env of runtime_dir. recoveryd writes it, and root passes the number in it
	// on to the unit when that starts: "recoveryd setup" writes the drop-in. Empty: the pool is never enlarged.
	EnvFile string `yaml:"env_file" form:"path"`
	// Variable in that file which holds the size of the pool.
	EnvKey string `yaml:"env_key" form:"env" default:"DB_POOL_SIZE"`
	// Size of the pool as the service is configured. 0: read it from the health reply.
	Initial int `yaml:"initial" default:"0" want:"min=0,max=10000" unit:"connections"`
	// The pool is never enlarged above this. 50 is the most that the MCP servers accept: with
	// more they refuse to start.
	Cap int `yaml:"cap" default:"50" want:"min=1,max=10000" unit:"connections"`
	// How much larger the pool becomes at one time.
	Factor float64 `yaml:"factor" default:"1.5" want:"above=1,max=10" unit:"factor"`
	// An enlarged pool becomes smaller again when no more than this share of it has been in use for
	// the time in quiet.
	ShrinkBelow float64 `yaml:"shrink_below" default:"0.3" want:"above=0,max=0.5" unit:"share"`
	// How much smaller it becomes at one time; never smaller than it was.
	ShrinkFactor float64 `yaml:"shrink_factor" default:"0.7" want:"above=0,max=0.95" unit:"factor"`
	// Time for which an enlarged pool must not have been needed before it becomes smaller. A size in
	// env_file counts from the next start of the service on; it is not restarted for that. 0s: it
	// stays enlarged.
	Quiet time.Duration `yaml:"quiet" default:"30m" want:"max=30d"`
	// Sessions that have been idle for longer than this may be ended when the pool is full.
	IdleAfter time.Duration `yaml:"idle_after" default:"5m" want:"min=1s"`
	// Transactions that are older than this may be ended when the pool is full.
	LongAfter time.Duration `yaml:"long_after" default:"10m" want:"min=1s"`
	// Address of the service's own interface for resizing (POST {"max_size": n}). Empty: it has
	// none.
	AdminURL string `yaml:"admin_url" form:"url"`
	// Share of the maximum in use from which on the pool counts as exhausted.
	Full float64 `yaml:"full" default:"0.95" want:"above=0,max=1" unit:"share"`
	// Share of the maximum in use from which on the service counts as degraded.
	High float64 `yaml:"high" default:"0.8" want:"above=0,max=1" unit:"share"`
}

// Memory is what is known about the memory of a target.
type Memory struct {
	// Memory that the target may use, when its unit has no MemoryMax= of its own. 0: no limit is
	// known.
	Limit strictyaml.Size `yaml:"limit" default:"0"`
	// MemoryMax of the unit is never raised above this. 0: it is never raised.
	Cap strictyaml.Size `yaml:"cap" default:"0"`
	// How much the limit is raised at one time.
	Factor float64 `yaml:"factor" default:"1.5" want:"above=1,max=10" unit:"factor"`
	// Time after which a raised MemoryMax goes back, when what is used has fitted below high of the
	// old limit all the while. 0s: it stays raised.
	Quiet time.Duration `yaml:"quiet" default:"1h" want:"max=30d"`
	// Share of the limit in use from which on memory is the problem.
	Full float64 `yaml:"full" default:"0.95" want:"above=0,max=1" unit:"share"`
	// Share of the limit in use from which on the target counts as degraded.
	High float64 `yaml:"high" default:"0.8" want:"above=0,max=1" unit:"share"`
}

// Heartbeat tells a dead-man service outside of this host that recoveryd works.
type Heartbeat struct {
	// Address that is called, of any dead-man service (Healthchecks, Dead Man's Snitch, Cronitor, an
	// Uptime Kuma of your own). It is called only when every target was looked at in time, the journal
	// can be written and some channel can tell people; when the calls stop, the service tells people.
	// Whoever knows the address can keep the service quiet. Empty: nobody outside notices a dead daemon.
	URL strictyaml.Secret `yaml:"url"`
	// Time between two calls. The service should wait for three before it tells people.
	Interval time.Duration `yaml:"interval" default:"1m" want:"min=1s,max=1d"`
	// Regular expression that the body of an answer must match, beside a status of 2xx: a service may
	// answer 200 to an address that it does not know. Empty: the words of Healthchecks ("OK", and not
	// "OK (not found)"), Uptime Kuma ({"ok":true}), Dead Man's Snitch ("Got it, thanks!"), Cronitor,
	// Better Stack, Opsgenie, PagerTree and the like. A web page is never an acceptance.
	Accept string `yaml:"accept"`
	// HTTP method of the call, of which HEAD has no answer to judge. With POST the body is one line about what is watched.
	Method string `yaml:"method" enum:"GET|HEAD|POST" default:"GET"`
	// Time after which a call is given up. It holds nothing else up.
	Timeout time.Duration `yaml:"timeout" default:"10s" want:"min=100ms,max=1m"`
}

// Canary is a marked test incident that proves, again and again, that people can be told.
type Canary struct {
	// Time between two canaries. Each is written to the journal, sent through the outbox and the
	// notifiers as a page of low severity marked as a test, and taken back when every channel has
	// accepted it. A channel that does not is reported through others. 0s: none.
	Every time.Duration `yaml:"every" default:"0s" want:"max=30d"`
	// Notifiers that it is sent through.
	Channels []string `yaml:"channels" want:"nonempty" shown:"every notifier that is not public (statuspage)"`
}
