package config

import (
	"time"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// Playbook is an ordered procedure over several targets.
type Playbook struct {
	// Name of the playbook in commands, messages and ladders (playbook:NAME). Unique.
	Name string `yaml:"name" form:"slug" want:"required"`
	// What it is for, in one sentence.
	Description string `yaml:"description"`
	// Time that a whole run may take, waiting for a person included. Then it fails.
	Timeout time.Duration `yaml:"timeout" default:"15m" want:"min=10s,max=1d"`
	// What becomes of its targets when it fails: release (recoveryd treats them as always) or keep
	// (they are left as they are, and a person is paged, until a person ends the run).
	AfterFailure string `yaml:"after_failure" enum:"release|keep" default:"release"`
	// Severity of a run that fails: who is told, and how soon. Of a run that a ladder began its incident
	// tells.
	Severity string `yaml:"severity" enum:"P1|P2|P3|P4" shown:"P1 when after_failure is keep, otherwise P2 when it stops or restarts something, otherwise P3"`
	// What is done, in this order.
	Steps []PlaybookStep `yaml:"steps" want:"required,nonempty"`
}

// PlaybookStep is one step of a playbook. On several targets it is done on one after the other.
type PlaybookStep struct {
	// What the step does: stop, start or restart (the units of its targets), ensure (start what
	// does not run, then wait until it serves), wait (until its targets are healthy), check (its
	// targets are healthy, or an address answers, or there is room on a disk), clean (empty
	// directories), command (run a program), or smoke (the calls of real work of its targets, once).
	Do string `yaml:"do" enum:"stop|start|restart|ensure|wait|check|clean|command|smoke" want:"required"`
	// The step in messages.
	Name string `yaml:"name" shown:"what it does, and to what"`
	// Targets of the step.
	Targets []string `yaml:"targets" form:"name" want:"nonempty"`
	// Directories to be emptied, for clean. They are kept; links in them are removed and never
	// followed.
	Directories []string `yaml:"directories" form:"path" want:"nonempty"`
	// Address that must answer, for check.
	URL string `yaml:"url" form:"url"`
	// HTTP status that the answer must have.
	Status int `yaml:"status" default:"200" want:"min=100,max=599"`
	// Directory on whose file system there must be room, for check.
	Disk string `yaml:"disk" form:"path"`
	// Room that there must be on disk.
	Free strictyaml.Size `yaml:"free" default:"1GiB"`
	// Program by its absolute path, and arguments, for command. No shell is involved.
	Command []string `yaml:"command" want:"nonempty"`
	// Working directory of the command.
	Dir string `yaml:"dir" form:"path" default:"/"`
	// Environment of the command, besides a plain PATH. Nothing else is passed on.
	Env []Variable `yaml:"env"`
	// How the command runs: child (a child of recoveryd, with its user and its sandbox) or unit (a
	// unit of systemd, with its own user and sandbox as properties say; recoveryd setup installs it).
	As string `yaml:"as" enum:"child|unit" shown:"unit when properties is set, otherwise child"`
	// Properties of that unit, as NAME=VALUE, such as User=postgres, ProtectSystem=strict,
	// ReadWritePaths=/var/backups or MemoryMax=1G.
	Properties []string `yaml:"properties" want:"nonempty"`
	// What is kept of the end of the command's output.
	Output strictyaml.Size `yaml:"output" default:"8KiB" want:"min=1KiB,max=1MiB"`
	// The command may be run once more when it is not known how it ended, since running it twice leads
	// to the same.
	Repeatable bool `yaml:"repeatable" default:"false"`
	// Time that the step may take on each of its targets.
	Timeout time.Duration `yaml:"timeout" want:"min=1s,max=1d" shown:"by the kind of step, and the start_grace and stop_grace of its targets"`
	// Whether a person must approve this step of this run before it begins. A playbook with such a
	// step is never run by a ladder.
	Approval string `yaml:"approval" enum:"none|required" default:"none"`
	// What becomes of the playbook when the step fails.
	OnFailure string `yaml:"on_failure" enum:"stop|continue" default:"stop"`
	// What becomes of the playbook when the step succeeds: continue, or end (the rest is not needed).
	OnSuccess string `yaml:"on_success" enum:"continue|end" default:"continue"`
}

// The kinds of step.
const (
	DoClean   = "clean"
	DoCommand = "command"
	DoCheck   = "check"
	DoSmoke   = "smoke"
)

// AsUnit reports whether the command of the step runs as a unit of its own.
func (s PlaybookStep) AsUnit() bool { return s.As == "unit" || s.As == "" && len(s.Properties) > 0 }
