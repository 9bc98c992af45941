package strategy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Verb names one power over the host. The set is closed: a platform declares at start which
// verbs it supports, and the rights that it needs are derived from them.
type Verb string

// UnmarshalText reads a verb of a journal; those of earlier builds begin with "unit.".
func (v *Verb) UnmarshalText(b []byte) error {
	*v = Verb(strings.TrimPrefix(string(b), "unit."))
	if *v == "set-memory-max" {
		*v = SetMemory
	}
	return nil
}

// The verbs. Object is what the platform calls the target, the database target or the URL that the verb works on.
const (
	Start           Verb = "start"             // start what is stopped or failed; args reset=yes: clear the failed state first
	Stop            Verb = "stop"              // stop; only playbooks, clean-start and undo use it
	Restart         Verb = "restart"           // stop within stop_grace, then start: a new process
	Kill            Verb = "kill"              // SIGKILL every process of it, past the platform's own way to stop
	ResetFailed     Verb = "reset-failed"      // clear a failed state or a start limit
	SetMemory       Verb = "set-memory"        // args bytes: its memory limit at run time ("infinity" allowed)
	SetEnv          Verb = "set-env"           // args file, key, value: one variable in its own environment file; value "" removes it
	PGTerminateIdle Verb = "pg.terminate-idle" // args application, older_than: end idle sessions
	PGTerminateLong Verb = "pg.terminate-long" // args application, older_than: end long transactions
	HTTPPoolResize  Verb = "http.pool-resize"  // args url, max_size: the service's own admin API
	CacheClean      Verb = "cache.clean"       // args dir: empty an allow-listed directory
	CommandRun      Verb = "command.run"       // args argv (NUL separated): an operator's command, no shell
	CheckHTTP       Verb = "check.http"        // args url, status: ask once; changes nothing
	CheckDisk       Verb = "check.disk"        // args dir, bytes: so much must be free; changes nothing
	CheckWork       Verb = "check.work"        // the target's calls of real work, once
	PlaybookRun     Verb = "playbook.run"      // a whole playbook; the core carries it out step by step
)

// Argument names used by the verbs above. Durations are Go durations, sizes are bytes.
const (
	ArgStopGrace   = "stop_grace"
	ArgReset       = "reset"
	ArgBytes       = "bytes"
	ArgFile        = "file"
	ArgKey         = "key"
	ArgValue       = "value"
	ArgApplication = "application"
	ArgOlderThan   = "older_than"
	ArgURL         = "url"
	ArgMaxSize     = "max_size"
	ArgDir         = "dir"
	ArgArgv        = "argv"
	ArgStatus      = "status"
	ArgTolerate    = "tolerate" // yes: what cannot be removed is reported and is no failure
	ArgPlatform    = "platform" // name of the adapter that performs it
)

// Action is one effect on the host, as data: it can be printed, journaled and dry-run.
type Action struct {
	Verb     Verb              `json:"verb"`
	Object   string            `json:"object"` // the platform's name of the target, a target, a path or a URL
	Target   string            `json:"target"` // the target whose lock and budget it uses
	Args     map[string]string `json:"args,omitzero"`
	Timeout  time.Duration     `json:"timeout"`           // bound of the whole effect; after it the outcome is unknown
	Disrupts bool              `json:"disrupts,omitzero"` // ends work in progress: counts against the disruption budgets and needs two witnesses
	Seen     *Seen             `json:"seen,omitzero"`     // what it was decided on; nil = it is done whatever the target is like by then
}

// String renders the action as an operator would say it: "restart codebase-mcp.service
// (stop_grace=5s)". Arguments are in order, so that output is stable.
func (a Action) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", a.Verb, a.Object)
	keys := make([]string, 0, len(a.Args))
	for k := range a.Args {
		if k != ArgPlatform {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for i, k := range keys {
		sep := ", "
		if i == 0 {
			sep = " ("
		}
		fmt.Fprintf(&b, "%s%s=%s", sep, k, strings.ReplaceAll(a.Args[k], "\x00", " "))
	}
	if len(keys) > 0 {
		b.WriteByte(')')
	}
	return b.String()
}

// Plan is what one rung of a ladder would do.
type Plan struct {
	Strategy string        `json:"strategy"`
	Why      string        `json:"why"`              // one sentence for explain and the page
	Actions  []Action      `json:"actions"`          // in order; the first that fails ends the plan
	Undo     []Action      `json:"undo,omitzero"`    // takes the change back when it did not help; nil = nothing to undo
	Keep     bool          `json:"keep,omitzero"`    // the change stays after success (and is undone later by its own rule)
	NewRun   bool          `json:"new_run,omitzero"` // success needs a new workload.run
	Settle   time.Duration `json:"settle"`           // after the last action: bad looks do not count yet
	Verify   time.Duration `json:"verify"`           // after settle: the condition must clear within this
}

// Disrupts reports whether any action of the plan is disruptive.
func (p Plan) Disrupts() bool {
	return slices.ContainsFunc(p.Actions, func(a Action) bool { return a.Disrupts })
}
