package config

import (
	"time"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// Config is the whole configuration file, with every default filled in. It is immutable: nobody
// writes to it or to anything it points to after [Load], so it is safe for concurrent use. Field
// comments are the reference documentation: they say what a key does, in words for an operator.
type Config struct {
	// Version of the format of this file. There is one version so far: 1.
	Version int `yaml:"version" want:"required"`
	// Name of this host in pages, messages and metrics.
	Host string `yaml:"host" form:"name" shown:"the host name of the machine"`
	// What recoveryd may do by itself: observe (look, diagnose and page, but neither act nor
	// plan), propose (also say what it would do, and do it when an operator approves), or auto
	// (act). A target may have its own mode.
	Mode Mode `yaml:"mode" enum:"observe|propose|auto" default:"auto"`
	// Exceptions from the modes for single strategies, such as asking before a process is killed.
	// An entry with targets counts before one without. A target in mode observe stays so.
	Modes []StrategyMode `yaml:"modes"`
	// How proposals are answered, and what follows from the answers.
	Approval Approval `yaml:"approval"`
	// How long it is remembered that something did not help.
	Memory EffectMemory `yaml:"experience"`
	// A file that stops every action on this host for as long as it exists, whatever it contains;
	// its first line is shown as the reason. Configuration management can put it on a whole fleet
	// at once. When it cannot be told whether it exists, nothing is done either. "": there is none.
	StopFile string `yaml:"stop_file" form:"path" default:"/etc/recoveryd/stop"`
	// Directory of what must survive a reboot: the journal of incidents and the outbox of
	// pages. recoveryd takes no action which it cannot first write down here.
	StateDir string `yaml:"state_dir" form:"path" want:"nonempty" shown:"$STATE_DIRECTORY as set by systemd, otherwise /var/lib/recoveryd"`
	// Directory of what lasts until the next boot: the control socket control.sock, env/ with the
	// environment files by which a connection pool is enlarged, and unwritten-page.json, the page about
	// a journal that cannot be written, while it is open.
	RuntimeDir string `yaml:"runtime_dir" form:"path" want:"nonempty" shown:"$RUNTIME_DIRECTORY as set by systemd, otherwise /run/recoveryd"`
	// Address of your own runbooks, such as https://wiki.example/runbooks/: the name of the class is added
	// at its end. Every page and screen about a problem links to the runbook of its class. Without an address
	// they name the command that prints the one in the program: recoveryd runbook CLASS.
	RunbookURL string `yaml:"runbook_url" form:"url"`
	// What the daemon logs about itself.
	Log Log `yaml:"log"`
	// Metrics, the status page and the read-only API. Nothing can be changed over HTTP: control
	// is the socket in runtime_dir.
	HTTP HTTP `yaml:"http"`
	// What is watched: services, databases and plain dependencies. Each name is unique.
	Targets []Target `yaml:"targets" want:"required,nonempty"`
	// Changes to the built-in failure classes: how many bad looks confirm a problem, how long it
	// must last, what is tried against it.
	Classes []ClassOverride `yaml:"classes"`
	// Failure classes of your own, recognised by an expression over what was measured.
	Rules []Rule `yaml:"rules"`
	// Alerts of an outside system (Alertmanager) that are evidence about a target. Alertmanager
	// sends them to POST /api/v1/alerts of http.listen, from this host only. An alert is never
	// enough to act on.
	Alerts []Alert `yaml:"alerts"`
	// Ordered procedures over several targets. A person runs one with recoveryd playbook run; a ladder
	// may name one as its last rung (playbook:NAME).
	Playbooks []Playbook `yaml:"playbooks"`
	// How much recoveryd may do before it stops and asks for a person.
	Budgets Budgets `yaml:"budgets"`
	// When many targets fail at once, the cause is shared and restarting each of them makes it
	// worse: recoveryd stops acting and pages once.
	Storm Storm `yaml:"storm"`
	// When the host itself stalls, everything on it is late, and a restart makes it worse: what is
	// only late is not disrupted until that is over. People are told after page_after.held.
	HostStall HostStall `yaml:"host_stall"`
	// How long a problem may stay as it is before a person is told.
	PageAfter PageAfter `yaml:"page_after"`
	// Time that a cured target is watched for a relapse before its incident is closed. What fails
	// again within it belongs to the same incident, and the next rung is tried.
	Probation time.Duration `yaml:"probation" default:"1m" want:"min=1s,max=1d"`
	// Times in which recoveryd keeps watching and writing down, but takes no action and pages
	// nobody for the targets named.
	Maintenance []Window `yaml:"maintenance"`
	// The channels by which people are told. Without any, problems are only logged.
	Notifiers []Notifier `yaml:"notifiers"`
	// Who is told first (tier 0). Every route that matches an incident is used. What no route
	// matches goes to every notifier, whatever its severity: a page that nobody gets is worse.
	Routes []Route `yaml:"routes" shown:"one route: every notifier is told of everything; none when there are roles or escalation.rules"`
	// Who is told next when nobody has acknowledged and the problem is still there, and when.
	Escalation Escalation `yaml:"escalation"`
	// Who stands for the roles of the escalation. With roles, and without routes, tiers and rules of
	// your own, the matrix of the runbooks says who is told and when.
	Roles []Role `yaml:"roles"`
	// On-call schedules. A schedule is used like a notifier: routes and tiers name it, and the
	// notifier whose turn it is gets the message.
	OnCall []Schedule `yaml:"oncall"`
	// How a dead or silent recoveryd is noticed from outside.
	Heartbeat Heartbeat `yaml:"heartbeat"`
	// A test incident on a schedule, which proves that keys and channels still work.
	Canary Canary `yaml:"canary"`
	// OpenTelemetry traces of incidents, for those who have a collector. None by default.
	Tracing Tracing `yaml:"tracing"`
	// What may be broken on purpose, to see that it is found, cured and told. Off without targets.
	Drills Drills `yaml:"drills"`

	// Warnings are settings that are legal but risky, in the order of the file.
	Warnings []strictyaml.Problem `yaml:"-"`

	source    strictyaml.Positions
	platforms []Platform // whose keys its targets may have
}

// Mode says what recoveryd may do by itself.
type Mode string

// The modes, from the most careful one.
const (
	Observe Mode = "observe" // look and page, never act or plan
	Propose Mode = "propose" // plan, and act when an operator approves
	Auto    Mode = "auto"    // act
)

// Log is what the daemon logs about itself.
type Log struct {
	// Format of the lines on standard error: json for journald and log collectors, console for
	// people.
	Format string `yaml:"format" enum:"json|console" default:"json"`
	// Least important lines that are written. debug adds every observation.
	Level string `yaml:"level" enum:"debug|info|warn|error" default:"info"`
}

// HTTP is the server for metrics, status page and read-only API.
type HTTP struct {
	// Address to listen on. Empty means no HTTP server: then nothing outside can notice that
	// recoveryd itself has died.
	Listen string `yaml:"listen" form:"listen" default:"127.0.0.1:9465"`
	// File with TLS and basic-auth settings, in the format of Prometheus exporters
	// (exporter-toolkit). Needed as soon as listen is reachable from other hosts.
	WebConfigFile string `yaml:"web_config_file" form:"path"`
	// Address under which people reach the status page. Pages and messages link to it.
	ExternalURL string `yaml:"external_url" form:"url"`
	// Further names and addresses under which the server is asked, without port: of a proxy that passes
	// its own name on, of a probe or a Prometheus that uses another one. Loopback names, the address that a
	// request came to, the host of external_url and, where others can reach listen, the host's own name are
	// served anyway; every other name is refused (421), since a foreign web page could be behind it.
	Hosts []string `yaml:"hosts" form:"hostname"`
}

// Keys describes the whole configuration file.
func Keys() strictyaml.Shape { return strictyaml.KeysOf(Config{}) }

// Tracing sends one OpenTelemetry trace of every incident, when it is closed: finding it, holding
// back, acting, proving and telling people are its spans.
type Tracing struct {
	// Address of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318; /v1/traces is
	// added where there is no path. Empty: no traces.
	Endpoint string `yaml:"endpoint" form:"url"`
	// Value of the Authorization header, such as "Bearer ...".
	Authorization strictyaml.Secret `yaml:"authorization"`
	// Time after which one try is given up. Nothing waits for it.
	Timeout time.Duration `yaml:"timeout" default:"10s" want:"min=100ms,max=1m"`
}
