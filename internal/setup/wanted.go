package setup

import (
	"io/fs"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/platform/host"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Mark stands in the first line of every file that is written, and in the comment of every role.
// What does not have it belongs to somebody else.
const Mark = `Written by "recoveryd setup"`

// Places of the files that may be written, with those of each unit's drop-ins below its own directory.
const (
	PolkitRule = "/etc/polkit-1/rules.d/50-recoveryd.rules"
	UnitDir    = "/etc/systemd/system"
	EnvDropIn  = "50-recoveryd-env.conf"   // of a unit whose pool may be enlarged
	OwnDropIn  = "50-recoveryd-setup.conf" // of recoveryd.service itself
	TmpFiles   = "/etc/tmpfiles.d/recoveryd-setup.conf"
	CredStore  = "/etc/credstore" // where systemd keeps credentials by convention: root's alone
	Service    = "recoveryd.service"
	StepUnits  = host.UnitPrefix + "*.service" // in UnitDir: commands of playbooks
)

// The directories that the packaged unit provides by itself.
const (
	packagedState   = "/var/lib/recoveryd"
	packagedRuntime = "/run/recoveryd"
)

// Input is what a configuration says, and the little that must be known of the host.
type Input struct {
	User, Group string            // whom recoveryd runs as
	ConfigFile  string            // absolute path
	StateDir    string            //
	RuntimeDir  string            //
	Powers      []strategy.Action // everything that the policy can ever decide on (incident.Policy.Powers), and that playbooks do
	Steps       []StepUnit        // the commands of playbooks that run as units of their own
	Notes       []string          // what only a person can do, besides what is derived
	Clusters    []Cluster         // the PostgreSQL clusters that are watched
	Places      config.Places     // what is read besides the configuration
	Peers       []Peer            // whom recoveryd talks to
	DeniesIP    bool              // recoveryd.service has IPAddressDeny=: what is needed must be allowed
	AllowsLocal bool              // and it allows localhost by itself
	Program     string            // path of recoveryd; "" = /usr/bin/recoveryd
	Caps        map[string]int    // the largest pool of each environment file
	Loaded      []string          // credentials that somebody else's settings of recoveryd.service provide
}

// StepUnit is the unit that runs the command of a playbook's step. It is root's, as its name is the
// name of what it does: recoveryd may start it, and change nothing about it.
type StepUnit struct {
	Step string // "data-recovery/4"
	Unit string // its name
	Text string // its file
}

// Cluster is one watched PostgreSQL cluster, with what its connection string says.
type Cluster struct {
	Target string // name of the target: the object of actions on sessions
	Unit   string // "" when it has none on this host
	Role   string // the user that recoveryd logs in as
	Host   string // directory of the socket, name or address
	Port   uint16
	Local  bool // it runs on this host
	// Guessed says that the connection string could not be had, and the rest is the usual.
	Guessed bool
}

// Peer is one address that recoveryd connects to or accepts connections from.
type Peer struct {
	Host string // name or address; "" when it is known to nobody but a vendor's library
	Why  string // "health check of codebase-mcp"
	// MaybeLocal says of a peer without a Host that its keys name addresses of this host, and no other: it may
	// need nobody else.
	MaybeLocal bool
}

// File is a file that must exist with this content.
type File struct {
	Path    string      `json:"path"`
	Content string      `json:"content"`
	Mode    fs.FileMode `json:"mode"`
	Why     string      `json:"why"`
}

// Dir is a directory that must exist.
type Dir struct {
	Path  string      `json:"path"`
	Owner string      `json:"owner"`
	Group string      `json:"group"`
	Mode  fs.FileMode `json:"mode"`
}

// Access is somebody's file that recoveryd must be able to read. It is not created.
type Access struct {
	Path   string `json:"path"`
	Group  string `json:"group"`  // that gets read permission when the service cannot read it yet
	Secret bool   `json:"secret"` // nobody else may read it
}

// Credential is a file that systemd hands to recoveryd when it starts.
type Credential struct {
	Name string `json:"name"`
	File string `json:"file"`
}

// Wanted is what must be on the host.
type Wanted struct {
	User        string       `json:"user"`
	Files       []File       `json:"files"`
	Dirs        []Dir        `json:"directories"`
	Access      []Access     `json:"readable"`
	Credentials []Credential `json:"credentials"`
	Roles       []Role       `json:"roles"`
	Notes       []string     `json:"notes"` // what only a person can do, or should know
	Units       []UnitRights `json:"units"` // what the polkit rule lets through, for whoever checks it
	Steps       []string     `json:"steps"` // the units of commands of playbooks, which must be installed
}
