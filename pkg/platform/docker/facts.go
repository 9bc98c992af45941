package docker

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/moby/moby/api/types/container"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Facts that only containers have. They are evidence; no built-in judgement rests on them.
const (
	ContainerID       = "container.id"             // word: its id, shortened
	ContainerName     = "container.name"           // word
	ContainerImage    = "container.image"          // word: the image as it was named
	ContainerStatus   = "container.status"         // word: created, running, paused, restarting, removing, exited, dead
	ContainerPolicy   = "container.policy"         // word: restart policy as it is written
	ContainerDisarmed = "container.disarmed"       // truth: its policy would restart it, and the runtime does not
	ContainerHealth   = "container.health"         // word: starting, healthy, unhealthy; not measured when its checks stopped coming
	ContainerFailing  = "container.failing_checks" // health checks failed in a row
	ContainerOf       = "container.network_of"     // word: the container whose network it uses
)

func init() {
	detect.RegisterFacts(
		detect.Fact{Name: ContainerID, Type: detect.Text, What: "id of the container, shortened; another one means that it was made anew"},
		detect.Fact{Name: ContainerName, Type: detect.Text, What: "name of the container"},
		detect.Fact{Name: ContainerImage, Type: detect.Text, What: "image of the container, as it was named"},
		detect.Fact{Name: ContainerStatus, Type: detect.Text, What: "the runtime's own word: created, running, paused, restarting, removing, exited, dead"},
		detect.Fact{Name: ContainerPolicy, Type: detect.Text, What: "restart policy of the container as it is written: no, always, unless-stopped, on-failure"},
		detect.Fact{Name: ContainerDisarmed, Type: detect.Truth, What: "the restart policy would start the container again, and the runtime does not: a stop or any `docker kill` disarms it"},
		detect.Fact{Name: ContainerHealth, Type: detect.Text, What: "what the container's HEALTHCHECK says; not measured when its checks stopped coming", Words: []string{"starting", "healthy", "unhealthy"}},
		detect.Fact{Name: ContainerFailing, What: "health checks of the container that failed in a row"},
		detect.Fact{Name: ContainerOf, Type: detect.Text, What: "container whose network this one uses (network_mode: container:...)"},
	)
}

const (
	noun    = "container"
	manager = "the container runtime"
)

// factsOf are the facts that an inspect answer and the events before it tell.
func factsOf(name string, c container.InspectResponse, p past, now time.Time) detect.Facts {
	f := detect.Facts{detect.WorkloadNoun: detect.Word(noun), detect.WorkloadManager: detect.Word(manager)}
	if c.State == nil || c.ID == "" {
		why := fmt.Sprintf("the runtime's answer about %s has no id or no state", name)
		f[detect.WorkloadState], f[detect.WorkloadError] = detect.NotMeasured(why), detect.Word(why)
		return f
	}
	s := c.State
	left, note := departure(c, p, now)
	state := stateOf(s, left)
	f[detect.WorkloadDeparture] = detect.Word(left)
	if note != "" {
		f[detect.WorkloadNote] = detect.Word(note)
	}
	if state == "" {
		f[detect.WorkloadState] = detect.NotMeasured("the runtime calls the container " + clean(string(s.Status)) + ", which is not known here")
	} else {
		f[detect.WorkloadState] = detect.Word(state)
		f[detect.WorkloadWords] = detect.Word(words(c, left))
	}
	if started := instant(s.StartedAt); !started.IsZero() {
		f[detect.WorkloadRun] = detect.Word(runOf(c))
		f[detect.WorkloadSince] = detect.Num(float64(started.UnixMicro()) / 1e6)
	}
	if s.Paused {
		f[detect.WorkloadDisabled] = detect.Word("paused")
	}
	f[detect.WorkloadPID] = detect.Num(0) // a running one's is filled in by who can see it
	if !s.Running || s.Restarting {
		kind, n := exitOf(s.ExitCode)
		f[detect.WorkloadExitKind], f[detect.WorkloadExitCode] = detect.Word(kind), detect.Num(float64(n))
		if s.OOMKilled || left == detect.DepartureOOM {
			f[detect.WorkloadOOM] = detect.Flag(true)
		}
		unable(f, s)
	}
	addPolicy(f, c, left, now)
	if k := stopping(p.events, c, now); k != nil && s.Running && !s.Restarting {
		f[detect.WorkloadPending], f[detect.WorkloadPendingOurs] = detect.Word("stop"), detect.Flag(k.ours)
	}
	addContainer(f, c, now)
	return f
}

// runOf names a run: a container keeps its id over restarts.
func runOf(c container.InspectResponse) string { return shortID(c.ID) + "@" + c.State.StartedAt }

func shortID(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

func stateOf(s *container.State, left string) string {
	switch s.Status {
	case container.StateRunning, container.StatePaused:
		return detect.StateRunning
	case container.StateRestarting:
		return detect.StateRetrying
	case container.StateRemoving, "stopping":
		return detect.StateStopping
	case container.StateCreated, container.StateExited, container.StateDead, "configured", "initialized", "stopped": // the last three are Podman's
		switch left {
		case detect.DepartureCrash, detect.DepartureOOM, detect.DepartureLimit:
			return detect.StateFailed
		case detect.DepartureNone: // it never ran
			if s.ExitCode != 0 {
				return detect.StateFailed
			}
		}
		return detect.StateStopped
	}
	return ""
}

// words says what the container does: "container exited (137, OOM killed)".
func words(c container.InspectResponse, left string) string {
	s := c.State
	status := string(s.Status)
	var more []string
	switch s.Status {
	case container.StateRunning:
		if h := s.Health; h != nil && h.Status != "" && h.Status != container.NoHealthcheck {
			more = append(more, string(h.Status))
		}
	case container.StatePaused, container.StateRemoving:
	default:
		if instant(s.StartedAt).IsZero() {
			more = append(more, "never ran")
			if s.ExitCode == 0 {
				break
			}
		}
		more = append(more, fmt.Sprint(s.ExitCode))
		if s.OOMKilled || left == detect.DepartureOOM {
			more = append(more, "OOM killed")
		}
		if c.RestartCount > 0 {
			more = append(more, fmt.Sprintf("restarted %d times", c.RestartCount))
		}
	}
	if len(more) > 0 {
		status += " (" + strings.Join(more, ", ") + ")"
	}
	return noun + " " + clean(status)
}

// unable says so when the program of the container could not be run at all.
func unable(f detect.Facts, s *container.State) {
	if s.Error == "" {
		return
	}
	switch s.ExitCode {
	case 127:
		f[detect.WorkloadUnable] = detect.Word("its command does not exist in the image: " + clean(s.Error))
	case 126:
		f[detect.WorkloadUnable] = detect.Word("its command cannot be executed: " + clean(s.Error))
	default:
		f[detect.WorkloadNote] = detect.Word("the runtime could not start it: " + clean(s.Error))
		return
	}
	f[detect.WorkloadAdvice] = detect.Word("correct command, entrypoint or image, and make the container anew (`docker compose up -d`): its command cannot be changed")
}

// addPolicy adds who restarts it. A policy that somebody's stop or kill has disarmed restarts nothing.
func addPolicy(f detect.Facts, c container.InspectResponse, left string, now time.Time) {
	policy, s := policyOf(c), c.State
	f[ContainerPolicy] = detect.Word(policy)
	f[detect.WorkloadRestarts] = detect.Num(float64(c.RestartCount))
	asked := left == detect.DepartureStopped || left == detect.DepartureBySelf
	if !s.Running && policy != "no" && !instant(s.StartedAt).IsZero() && (asked || now.Sub(instant(s.FinishedAt)) > disarmedAfter) {
		f[ContainerDisarmed] = detect.Flag(restarts(c))
		policy = "no"
	}
	f[detect.WorkloadPolicy] = detect.Word(policy)
	if s.Restarting {
		// The pause begins at 0.1 s and doubles up to a minute; a run of 10 s begins it anew, so this is its upper bound.
		pause := min(100*time.Millisecond<<min(max(c.RestartCount, 0), 10), time.Minute)
		f[detect.WorkloadRetryAfter] = detect.Num(pause.Seconds())
	}
}

func addContainer(f detect.Facts, c container.InspectResponse, now time.Time) {
	f[ContainerID], f[ContainerName] = detect.Word(shortID(c.ID)), detect.Word(strings.TrimPrefix(c.Name, "/"))
	f[ContainerStatus] = detect.Word(clean(string(c.State.Status)))
	if c.Config != nil && c.Config.Image != "" {
		f[ContainerImage] = detect.Word(clean(c.Config.Image))
	}
	if h := c.HostConfig; h != nil {
		if h.Memory > 0 {
			f[detect.MemoryMax] = detect.Num(float64(h.Memory))
		}
		if of, ok := strings.CutPrefix(string(h.NetworkMode), "container:"); ok {
			f[ContainerOf] = detect.Word(shortID(clean(of)))
		}
	}
	addHealth(f, c, now)
}

// addHealth adds what the container's own check says, unless it stopped saying anything (moby #41871).
func addHealth(f detect.Facts, c container.InspectResponse, now time.Time) {
	h := c.State.Health
	if h == nil || h.Status == "" || h.Status == container.NoHealthcheck || !c.State.Running || c.State.Paused {
		return
	}
	interval := 30 * time.Second // the runtimes' own default, for interval and timeout alike
	timeout := interval
	if c.Config != nil && c.Config.Healthcheck != nil {
		if d := c.Config.Healthcheck.Interval; d > 0 && d < time.Hour*24 {
			interval = d
		}
		if d := c.Config.Healthcheck.Timeout; d > 0 && d < time.Hour*24 {
			timeout = d
		}
	}
	last := instant(c.State.StartedAt)
	for _, r := range h.Log {
		if r != nil && r.End.After(last) {
			last = r.End
		}
	}
	if age := now.Sub(last); age > 3*(interval+timeout) {
		f[ContainerHealth] = detect.NotMeasured(fmt.Sprintf("its last health check ended %s ago, and one is due every %s", age.Round(time.Second), interval))
		return
	}
	f[ContainerHealth] = detect.Word(clean(string(h.Status)))
	f[ContainerFailing] = detect.Num(float64(h.FailingStreak))
}

// clean makes a text of the runtime fit for a sentence: one line, printable, bounded.
func clean(s string) string {
	const most = 300
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "..."
	}
	return strings.TrimSpace(s)
}

// missing are the facts of an object without a container.
func missing(name string, o object) detect.Facts {
	f := detect.Facts{
		detect.WorkloadNoun: detect.Word(noun), detect.WorkloadManager: detect.Word(manager), detect.WorkloadPID: detect.Num(0),
		detect.WorkloadState: detect.Word(detect.StateStopped), detect.WorkloadDeparture: detect.Word(detect.DepartureNone),
	}
	if o.compose() {
		f[detect.WorkloadMissing] = detect.Word(fmt.Sprintf("compose has made no container of the service %s in the project %s on this host", o.service, o.project))
		f[detect.WorkloadAdvice] = detect.Word("make it with `docker compose -p " + o.project + " up -d " + o.service + "` (recoveryd makes no containers), or correct project and service in the configuration")
		return f
	}
	f[detect.WorkloadMissing] = detect.Word("there is no container " + name + " on this host")
	f[detect.WorkloadAdvice] = detect.Word("make it with compose or `docker run` (recoveryd makes no containers), or correct `container:` in the configuration")
	return f
}
