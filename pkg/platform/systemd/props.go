package systemd

import (
	"encoding/hex"
	"errors"

	"github.com/godbus/dbus/v5"
)

// notSet is how systemd says "no value" and "infinity" in unsigned properties.
const notSet = ^uint64(0)

// unitProps are the properties of a service unit that matter here. Times are microseconds, as
// systemd has them; monotonic ones count from boot.
type unitProps struct {
	id                                string // its own name; an alias has none
	load, active, sub, result, policy string
	invocation                        string // hexadecimal; "" when it has none
	mainPID, controlPID               uint32
	exitCode, exitStatus              int32 // ExecMainCode: 1 exited, 2 killed, 3 dumped
	restarts, limitBurst              uint32
	limitWindow, restartDelay         uint64
	stopTimeout                       uint64
	leftInactive                      uint64 // wall clock, InactiveExitTimestamp
	activeEnter, activeExit           uint64 // monotonic
	inactiveExit, mainExit            uint64 // monotonic
	mainStart                         uint64 // monotonic
	program                           string // path of the first ExecStart=; of the last GetAll
	changed                           uint64 // monotonic, StateChangeTimestamp; 0 = freshly loaded
	condition, assert                 bool   // ConditionResult, AssertResult
	conditionAt, assertAt             uint64 // monotonic; 0 = never asked
	job                               uint32 // 0 = none
	cgroup                            string
	memCurrent, memMax                uint64
	deps                              []string // units whose stop is passed on to this one
	bindsTo                           []string // those of them whose end is, whoever or whatever ended them
	wanted                            bool     // a loaded unit asks for this one; of the last GetAll
	file                              string   // UnitFileState: enabled, disabled, static, ...; of the last GetAll
}

// apply takes over the properties that a signal or a GetAll carries. Deps are only complete
// after a GetAll; signals do not carry them.
func (p *unitProps) apply(m map[string]dbus.Variant) {
	for name, v := range m {
		p.set(name, v.Value())
	}
}

func (p *unitProps) set(name string, v any) {
	switch name {
	case "Id":
		set(&p.id, v)
	case "LoadState":
		set(&p.load, v)
	case "ActiveState":
		set(&p.active, v)
	case "SubState":
		set(&p.sub, v)
	case "Result":
		set(&p.result, v)
	case "Restart":
		set(&p.policy, v)
	case "InvocationID":
		if b, ok := v.([]byte); ok {
			p.invocation = hex.EncodeToString(b)
		}
	case "MainPID":
		set(&p.mainPID, v)
	case "ControlPID":
		set(&p.controlPID, v)
	case "ExecMainCode":
		set(&p.exitCode, v)
	case "ExecMainStatus":
		set(&p.exitStatus, v)
	case "NRestarts":
		set(&p.restarts, v)
	case "StartLimitBurst":
		set(&p.limitBurst, v)
	case "StartLimitIntervalUSec":
		set(&p.limitWindow, v)
	case "RestartUSec":
		set(&p.restartDelay, v)
	case "TimeoutStopUSec":
		set(&p.stopTimeout, v)
	case "InactiveExitTimestamp":
		set(&p.leftInactive, v)
	case "ActiveEnterTimestampMonotonic":
		set(&p.activeEnter, v)
	case "ActiveExitTimestampMonotonic":
		set(&p.activeExit, v)
	case "InactiveExitTimestampMonotonic":
		set(&p.inactiveExit, v)
	case "ExecMainStartTimestampMonotonic":
		set(&p.mainStart, v)
	case "ExecStart":
		if commands, ok := v.([][]any); ok && len(commands) > 0 && len(commands[0]) > 0 {
			set(&p.program, commands[0][0])
		}
	case "ExecMainExitTimestampMonotonic":
		set(&p.mainExit, v)
	case "StateChangeTimestampMonotonic":
		set(&p.changed, v)
	case "ConditionResult":
		set(&p.condition, v)
	case "ConditionTimestampMonotonic":
		set(&p.conditionAt, v)
	case "AssertResult":
		set(&p.assert, v)
	case "AssertTimestampMonotonic":
		set(&p.assertAt, v)
	case "Job":
		if pair, ok := v.([]any); ok && len(pair) == 2 {
			set(&p.job, pair[0])
		}
	case "ControlGroup":
		set(&p.cgroup, v)
	case "MemoryCurrent":
		set(&p.memCurrent, v)
	case "MemoryMax":
		set(&p.memMax, v)
	case "UnitFileState":
		set(&p.file, v)
	case "Requires", "BindsTo", "PartOf", "StopPropagatedFrom":
		if names, ok := v.([]string); ok {
			p.deps = append(p.deps, names...)
			if name == "BindsTo" {
				p.bindsTo = names
			}
		}
	case "WantedBy", "RequiredBy", "BoundBy", "UpheldBy", "TriggeredBy":
		if names, ok := v.([]string); ok && len(names) > 0 {
			p.wanted = true
		}
	}
}

// set stores v when it has the expected type; a property of another type (another version of
// systemd) is as if it were missing.
func set[T any](dst *T, v any) {
	if x, ok := v.(T); ok {
		*dst = x
	}
}

// fromGetAll decodes the reply to GetAll. Properties that the reply lacks are "not set". It
// reads the body as it came: the library's Store copies all 400 properties by reflection, which
// takes a third of the whole call.
func fromGetAll(c *dbus.Call) (unitProps, error) {
	if c.Err != nil {
		return unitProps{}, c.Err
	}
	m, ok := first[map[string]dbus.Variant](c.Body)
	if !ok {
		return unitProps{}, errors.New("systemd's reply holds no properties")
	}
	p := unitProps{memCurrent: notSet, memMax: notSet}
	p.apply(m)
	return p, nil
}

func (p *unitProps) exitKind() string {
	switch p.exitCode {
	case 1:
		return "exited"
	case 2:
		return "killed"
	case 3:
		return "dumped"
	}
	return ""
}
