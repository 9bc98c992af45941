package app

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Times that steps on the host take when the configuration does not say.
const (
	cleanStepTimeout   = 30 * time.Second
	commandStepTimeout = time.Minute
	checkStepTimeout   = 10 * time.Second
)

// playbooksOf translates the playbooks of a configuration for the pure packages: a step on several
// targets, or on several directories, becomes one step on each.
func playbooksOf(c *config.Config) (out []strategy.Playbook) {
	for _, b := range c.Playbooks {
		pb := strategy.Playbook{Name: b.Name, Description: b.Description, Timeout: b.Timeout, Keep: b.AfterFailure == "keep"}
		for i, s := range b.Steps {
			pb.Steps = append(pb.Steps, stepsOf(c, stepID(b.Name, i), s)...)
		}
		pb.Severity = runSeverity(b, pb)
		out = append(out, pb)
	}
	return out
}

// runSeverity is how bad it is when a run fails: what it keeps as it is serves nobody until a person
// ends it; what it has stopped is at least treated as always.
func runSeverity(b config.Playbook, pb strategy.Playbook) detect.Severity {
	switch {
	case b.Severity != "":
		return severityOf(b.Severity)
	case pb.Keep:
		return detect.P1
	case slices.ContainsFunc(pb.Steps, strategy.Step.Disrupts):
		return detect.P2
	}
	return detect.P3
}

// stepID names a step of the configuration, such as data-recovery/4.
func stepID(playbook string, i int) string { return fmt.Sprintf("%s/%d", playbook, i+1) }

// stepsOf translates one step.
func stepsOf(c *config.Config, id string, s config.PlaybookStep) (out []strategy.Step) {
	switch {
	case s.Do == config.DoClean:
		for _, d := range s.Directories {
			out = append(out, hostStep("clean "+d, s, cleanStepTimeout, strategy.Action{Verb: strategy.CacheClean, Object: d,
				Args: map[string]string{strategy.ArgDir: d, strategy.ArgPlatform: platformHost}}))
		}
	case s.Do == config.DoCommand:
		out = append(out, hostStep("run "+s.Command[0], s, commandStepTimeout, strategy.Action{Verb: strategy.CommandRun, Object: id, Disrupts: s.Approval == "required",
			Args: map[string]string{strategy.ArgArgv: strings.Join(s.Command, "\x00"), strategy.ArgPlatform: platformHost}}))
	case s.URL != "":
		out = append(out, hostStep("check "+redactURL(s.URL), s, checkStepTimeout, strategy.Action{Verb: strategy.CheckHTTP, Object: s.URL,
			Args: map[string]string{strategy.ArgStatus: strconv.Itoa(s.Status), strategy.ArgPlatform: platformChecks}}))
	case s.Disk != "":
		out = append(out, hostStep("check the room on "+s.Disk, s, checkStepTimeout, strategy.Action{Verb: strategy.CheckDisk, Object: s.Disk,
			Args: map[string]string{strategy.ArgBytes: strconv.FormatUint(uint64(s.Free), 10), strategy.ArgPlatform: platformChecks}}))
	default:
		for _, name := range s.Targets {
			t, _ := c.Target(name)
			out = append(out, targetStep(t, s))
		}
	}
	for i := range out {
		if s.Name != "" {
			out[i].Name = s.Name
			if len(out) > 1 {
				out[i].Name += fmt.Sprintf(" (%d of %d)", i+1, len(out))
			}
		}
		out[i].GoOn, out[i].EndIfDone, out[i].Approval = s.OnFailure == "continue", s.OnSuccess == "end", s.Approval == "required"
	}
	// The end of several steps that are one in the configuration is that of the last.
	for i := range len(out) - 1 {
		out[i].EndIfDone = false
	}
	for i := 1; i < len(out); i++ {
		out[i].Approval = false // one yes for all of them
	}
	return out
}

// hostStep makes a step that concerns no target's unit.
func hostStep(name string, s config.PlaybookStep, timeout time.Duration, a strategy.Action) strategy.Step {
	if s.Timeout > 0 {
		timeout = s.Timeout
	}
	a.Timeout = timeout
	return strategy.Step{Name: name, Do: strategy.StepKind(s.Do), Action: &a, Timeout: timeout, Again: s.Do != config.DoCommand || s.Repeatable}
}

// targetStep makes a step on one target.
func targetStep(t config.Target, s config.PlaybookStep) strategy.Step {
	if s.Do != config.DoSmoke {
		return strategy.TargetStep(strategy.StepKind(s.Do), targetOf(t), s.Timeout)
	}
	timeout := checkStepTimeout
	for _, x := range t.Synthetic {
		timeout = max(timeout, time.Duration(len(t.Synthetic))*x.Timeout)
	}
	step := hostStep("smoke test of "+t.Name, s, timeout, strategy.Action{Verb: strategy.CheckWork, Object: t.Name, Target: t.Name,
		Args: map[string]string{strategy.ArgPlatform: platformChecks}})
	step.Target = t.Name
	return step
}

// strategiesOf lists the strategies that ladders may name: the built-in ones, and the playbooks.
func strategiesOf(books []strategy.Playbook) []strategy.Strategy {
	list := strategy.Builtin()
	for _, b := range books {
		list = append(list, strategy.RunPlaybook(b))
	}
	return list
}
