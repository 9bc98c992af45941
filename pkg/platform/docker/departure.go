package docker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// happening is an event of one container, as far as departures need it.
type happening struct {
	at     time.Time
	what   events.Action // without what follows a colon
	signal int           // of kill
	exit   int           // of die
	ours   bool
}

// happeningOf reads an event. Podman says "died", and has the exit code elsewhere.
func happeningOf(m events.Message) happening {
	what, _, _ := strings.Cut(string(m.Action), ":")
	if what == "died" {
		what = string(events.ActionDie)
	}
	h := happening{at: time.Unix(0, m.TimeNano), what: events.Action(what)}
	if m.TimeNano == 0 {
		h.at = time.Unix(m.Time, 0)
	}
	attributes := m.Actor.Attributes
	h.signal = number(attributes["signal"])
	if _, told := attributes["signal"]; !told {
		h.signal = signalUnknown // Podman does not tell
	}
	h.exit = number(attributes["exitCode"])
	if code, ok := attributes["containerExitCode"]; ok {
		h.exit = number(code)
	}
	return h
}

// signalUnknown stands for a signal that the runtime does not tell.
const signalUnknown = -1

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// matters reports whether an event tells anything of how a container runs; the runs of health checks do not.
func matters(a events.Action) bool {
	return !strings.HasPrefix(string(a), "exec_") && a != events.ActionTop && a != events.ActionAttach && a != events.ActionResize
}

// past is what is known of how a container came to be as it is.
type past struct {
	events []happening // in order, the latest last
	// awayFrom and awayTo are when the runtime itself was away last, with the time in which it stopped its containers; zero = never seen.
	awayFrom, awayTo time.Time
	podman           bool
	own              []span // our actions that end containers
}

// acted reports whether an action of ours that ends containers was under way.
func (p past) acted(at time.Time) bool {
	return slices.ContainsFunc(p.own, func(s span) bool { return s.covers(at) })
}

const (
	// sameEnd is how far the time of the event and that in the container's own record may lie apart: 0.1 s is seen.
	sameEnd = 2 * time.Second
	// defaultStop is the runtimes' own patience with a container that is to stop.
	defaultStop = 10 * time.Second
	// stopSlack is what a stop takes beyond its patience, on a busy host.
	stopSlack = 5 * time.Second
	// disarmedAfter is how long a container with a restart policy may be seen ended before that means that nothing restarts it.
	disarmedAfter = 2 * time.Second
)

// departure says why the container does not run.
func departure(c container.InspectResponse, p past, now time.Time) (word, note string) {
	s := c.State
	if s.Running && !s.Restarting {
		return detect.DepartureNone, ""
	}
	started, ended := instant(s.StartedAt), instant(s.FinishedAt)
	if started.IsZero() {
		if s.Error != "" {
			return detect.DepartureNone, ""
		}
		return detect.DepartureUnasked, "it was created and never started"
	}
	e := endOf(p.events, started, ended, patience(c))
	oom := s.OOMKilled || e.oom
	away := !p.awayFrom.IsZero() && !ended.Before(p.awayFrom) && !ended.After(p.awayTo)
	switch {
	case away && !oom && (e.asked == nil || !e.asked.ours && !e.asked.at.Before(p.awayFrom)):
		return detect.DepartureUnknown, "it ended while the container runtime itself was stopped or restarted"
	case e.asked != nil && e.asked.ours:
		return detect.DepartureBySelf, "our own action ended it"
	case e.asked != nil && e.restart:
		return detect.DepartureRestart, "somebody asked the runtime to restart it"
	case e.asked != nil:
		return detect.DepartureStopped, "somebody asked the runtime to " + e.asked.words()
	case oom:
		return detect.DepartureOOM, "the kernel killed it for memory"
	case e.seen && usedUp(c):
		return detect.DepartureLimit, fmt.Sprintf("its restart policy on-failure:%d is used up", c.HostConfig.RestartPolicy.MaximumRetryCount)
	case !e.seen && p.acted(ended):
		return detect.DepartureBySelf, "our own action ended it"
	case s.Restarting, s.ExitCode != 0 && s.ExitCode != 137 && s.ExitCode != 143:
		return byCode(s.ExitCode)
	case e.seen && p.podman && e.ours:
		return detect.DepartureBySelf, "our own action ended it"
	case e.seen && p.podman:
		return detect.DepartureUnasked, fmt.Sprintf("it ended (exit code %d), and Podman tells nobody whether `podman stop` did that", s.ExitCode)
	case e.seen:
		return byCode(s.ExitCode)
	case restarts(c) && !p.podman && now.Sub(ended) > disarmedAfter:
		return detect.DepartureStopped, fmt.Sprintf("it ended while nobody listened, and its restart policy %s did not start it again: somebody stopped it", policyOf(c))
	}
	return detect.DepartureUnasked, fmt.Sprintf("it ended (exit code %d) while nobody listened: a person's stop looks the same", s.ExitCode)
}

// end is how a run ended, by the events.
type end struct {
	seen    bool       // its die was seen
	asked   *happening // the kill or stop that ended it; nil = nobody asked the runtime
	ours    bool       // it fell into an action of ours that ends containers
	oom     bool
	restart bool // it is being restarted, or was
}

// dieAt finds the event of the end of a run, by the times in the container's own record; -1 = it is not known.
func dieAt(all []happening, began, ended time.Time) int {
	die := -1
	for i, h := range all {
		if h.what == events.ActionDie && h.at.After(began) && apart(h.at, ended) < sameEnd && (die < 0 || apart(h.at, ended) < apart(all[die].at, ended)) {
			die = i
		}
	}
	return die
}

// endOf finds what the events tell of the end of a run.
func endOf(all []happening, began, ended time.Time, patience time.Duration) (e end) {
	die := dieAt(all, began, ended)
	if e.seen = die >= 0; e.seen {
		e.ours, ended = all[die].ours, all[die].at
	} else {
		die = len(all) // it is still on its way, or was not heard; who asked for it may have been
	}
	for i := die - 1; i >= 0 && all[i].what != events.ActionStart && all[i].what != events.ActionDie && all[i].at.After(began); i-- {
		h := all[i]
		switch {
		case h.what == events.ActionOOM:
			e.oom = true
		case h.what == events.ActionKill && ends(h.signal) && ended.Sub(h.at) < patience+stopSlack:
			e.asked = &all[i] // the first one asked; what follows it in the same stop only insists
		case h.what == events.ActionStop: // Podman tells it before the end, when it tells it
			e.asked = &all[i]
		case h.what == events.ActionRestart: // so does Podman
			e.asked, e.restart = &all[i], true
		}
	}
	for i := die + 1; i < len(all) && all[i].what != events.ActionStart; i++ {
		if all[i].what == events.ActionStop && e.asked == nil {
			e.asked = &all[i]
		}
	}
	for i := die + 1; i < len(all); i++ {
		e.restart = e.restart || all[i].what == events.ActionRestart
	}
	return e
}

// stopping returns the request to end the container that has not led to its end yet; nil = there is none.
func stopping(all []happening, c container.InspectResponse, now time.Time) *happening {
	for i := len(all) - 1; i >= 0; i-- {
		switch h := all[i]; h.what {
		case events.ActionDie, events.ActionStart, events.ActionStop, events.ActionRestart:
			return nil
		case events.ActionKill:
			if ends(h.signal) && now.Sub(h.at) < patience(c)+stopSlack {
				first := &all[i]
				for j := i - 1; j >= 0 && all[j].what == events.ActionKill; j-- {
					if ends(all[j].signal) && h.at.Sub(all[j].at) < patience(c)+stopSlack {
						first = &all[j]
					}
				}
				return first
			}
		}
	}
	return nil
}

// ends reports whether a signal asks a program to end. SIGHUP does not: many programs reload by it.
func ends(signal int) bool {
	return signal == signalUnknown || signal == 9 || signal == 15 || signal == 2 || signal == 3
}

func (h happening) words() string {
	if h.what == events.ActionKill && h.signal != signalUnknown {
		return fmt.Sprintf("stop or kill it (signal %d)", h.signal)
	}
	if h.what == events.ActionKill {
		return "kill it"
	}
	return "stop it"
}

func apart(a, b time.Time) time.Duration { return a.Sub(b).Abs() }

// patience is how long a stop of the container may wait for it.
func patience(c container.InspectResponse) time.Duration {
	if c.Config != nil && c.Config.StopTimeout != nil && *c.Config.StopTimeout >= 0 && *c.Config.StopTimeout < 1<<20 {
		return time.Duration(*c.Config.StopTimeout) * time.Second
	}
	return defaultStop
}

// byCode reads an end that nobody asked the runtime for.
func byCode(code int) (word, note string) {
	switch kind, n := exitOf(code); {
	case code == 0:
		return detect.DepartureClean, "it ended by itself with success (exit code 0)"
	case code == 143:
		return detect.DepartureSIGTERM, "its process was told to end from outside the runtime (signal 15)"
	case kind == "killed":
		return detect.DepartureCrash, fmt.Sprintf("it was killed by signal %d (exit code %d), and nobody asked the runtime for that", n, code)
	default:
		return detect.DepartureCrash, fmt.Sprintf("it crashed (exit code %d)", code)
	}
}

// exitOf is how a process ended whose exit code the runtime gives: above 128 it is a signal.
func exitOf(code int) (kind string, n int) {
	if code > 128 && code <= 128+64 {
		return "killed", code - 128
	}
	return "exited", code
}

func policyOf(c container.InspectResponse) string {
	if c.HostConfig == nil || c.HostConfig.RestartPolicy.Name == "" {
		return "no"
	}
	return string(c.HostConfig.RestartPolicy.Name)
}

// restarts reports whether the runtime would have started the container again whatever its exit code.
func restarts(c container.InspectResponse) bool {
	p := policyOf(c)
	return p == "always" || p == "unless-stopped"
}

// usedUp reports whether the runtime has restarted the container as often as its policy allows.
func usedUp(c container.InspectResponse) bool {
	return policyOf(c) == "on-failure" && c.HostConfig.RestartPolicy.MaximumRetryCount > 0 &&
		c.RestartCount >= c.HostConfig.RestartPolicy.MaximumRetryCount && c.State.ExitCode != 0
}

// instant reads a time of the API; the runtimes write the year 1 for "never".
func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1971 {
		return time.Time{}
	}
	return t
}
