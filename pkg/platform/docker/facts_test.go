package docker

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
)

// recorded reads what a real runtime said of a container, and its events.
func recorded(t *testing.T, path string) (container.InspectResponse, past) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", path+".json"))
	require.NoError(t, err)
	var c container.InspectResponse
	require.NoError(t, json.Unmarshal(b, &c))
	h := history{containers: map[string]*memory{}}
	b, err = os.ReadFile(filepath.Join("testdata", path+".events"))
	if err == nil {
		for line := range bytes.Lines(b) {
			var m events.Message
			require.NoError(t, json.Unmarshal(line, &m))
			if matters(m.Action) {
				h.add(m)
			}
		}
	}
	p := h.past(c.ID)
	p.podman = strings.HasPrefix(path, "podman")
	return c, p
}

// soonAfter is a moment after everything that is recorded of a container.
func soonAfter(c container.InspectResponse) time.Time {
	at := instant(c.State.StartedAt)
	if f := instant(c.State.FinishedAt); f.After(at) {
		at = f
	}
	return at.Add(time.Second)
}

func TestWhatRealRuntimesSaidIsRead(t *testing.T) {
	type want struct{ state, left, words string }
	for path, w := range map[string]want{
		"docker-20.10/running":       {"running", "", "container running"},
		"docker-20.10/compose":       {"running", "", "container running"},
		"docker-20.10/oomchild":      {"running", "", "container running"},
		"docker-20.10/stop0":         {"stopped", "stopped", "container exited (0)"},
		"docker-20.10/stop9":         {"stopped", "stopped", "container exited (137)"},
		"docker-20.10/kill":          {"stopped", "stopped", "container exited (137)"},
		"docker-20.10/crash":         {"failed", "crash", "container exited (137)"},
		"docker-20.10/hostterm":      {"stopped", "clean", "container exited (0)"},
		"docker-20.10/hostterm-init": {"failed", "crash", "container exited (2)"},
		"docker-20.10/hup":           {"failed", "crash", "container exited (2)"},
		"docker-20.10/oom":           {"failed", "oom-kill", "container exited (137, OOM killed)"},
		"docker-20.10/onfailure":     {"failed", "start-limit-hit", "container exited (3, restarted 2 times)"},
		"docker-20.10/retrying":      {"retrying", "crash", "container restarting (3, restarted 4 times)"},
		"docker-20.10/pause":         {"running", "", "container paused"},
		"docker-20.10/health":        {"running", "", "container running (unhealthy)"},
		"docker-20.10/missingbin":    {"failed", "", "container created (never ran, 127)"},
		"podman-4.3/running":         {"running", "", "container running"},
		"podman-4.3/stop0":           {"stopped", "stopped", "container exited (137)"}, // it tells a stop that ends by SIGTERM
		"podman-4.3/stop9":           {"stopped", "unasked", "container exited (137)"}, // and none that must kill
		"podman-4.3/kill":            {"stopped", "stopped", "container exited (137)"},
		"podman-4.3/crash":           {"stopped", "unasked", "container exited (137)"},
		"podman-4.3/onfailure":       {"failed", "start-limit-hit", "container exited (3, restarted 2 times)"},
		"podman-4.3/pause":           {"running", "", "container paused"},
		"podman-4.3/health":          {"running", "", "container running (starting)"},
		"podman-4.3/missingbin":      {"stopped", "unasked", "container created (never ran)"},
	} {
		c, p := recorded(t, path)
		f := factsOf("w1", c, p, soonAfter(c))
		require.Equal(t, w, want{f.Text(detect.WorkloadState), f.Text(detect.WorkloadDeparture), f.Text(detect.WorkloadWords)}, path)
		require.Equal(t, "w1", f.Text(ContainerName), path)
		if w.left != "" {
			require.NotEmpty(t, f.Text(detect.WorkloadNote), path)
		}
	}
}

func TestFactsOfSomeCases(t *testing.T) {
	facts := func(path string, after time.Duration) detect.Facts {
		c, p := recorded(t, path)
		return factsOf("w1", c, p, soonAfter(c).Add(after))
	}
	f := facts("docker-20.10/missingbin", 0)
	require.Contains(t, f.Text(detect.WorkloadUnable), `exec: "/nonexistent"`)
	require.Contains(t, f.Text(detect.WorkloadAdvice), "make the container anew")
	require.NotContains(t, f, detect.WorkloadRun, "it never ran")

	f = facts("docker-20.10/pause", 0)
	require.Equal(t, "paused", f.Text(detect.WorkloadDisabled))

	f = facts("docker-20.10/kill", 0)
	require.Equal(t, "always", f.Text(ContainerPolicy))
	require.Equal(t, "no", f.Text(detect.WorkloadPolicy), "a kill disarms it at once")

	f = facts("docker-20.10/hup", 0)
	require.Equal(t, "unless-stopped", f.Text(detect.WorkloadPolicy), "it may still restart it")
	f = facts("docker-20.10/hup", time.Minute)
	require.Equal(t, "no", f.Text(detect.WorkloadPolicy), "it does not: `docker kill -s HUP` has disarmed it")
	require.True(t, f.True(ContainerDisarmed))

	f = facts("docker-20.10/retrying", 0)
	require.Equal(t, "always", f.Text(detect.WorkloadPolicy))
	require.InDelta(t, 1.6, f[detect.WorkloadRetryAfter].Value, 1e-9)
	require.Equal(t, 4.0, f[detect.WorkloadRestarts].Value)

	f = facts("docker-20.10/oom", 0)
	require.True(t, f.True(detect.WorkloadOOM))
	require.Equal(t, "killed", f.Text(detect.WorkloadExitKind))
	require.Equal(t, 9.0, f[detect.WorkloadExitCode].Value)
	require.Equal(t, float64(64<<20), f[detect.MemoryMax].Value)

	f = facts("docker-20.10/health", 0)
	require.Equal(t, "unhealthy", f.Text(ContainerHealth))
	f = facts("docker-20.10/health", time.Minute)
	require.Contains(t, f[ContainerHealth].Err, "one is due every 1s", "what has stopped being checked is not known")
	require.Equal(t, detect.StateRunning, f.Text(detect.WorkloadState))
}

func TestWhatEndedWhileNobodyListened(t *testing.T) {
	for _, tt := range []struct {
		path, left string
		change     func(*container.InspectResponse, *past)
	}{
		{"docker-20.10/stop0", detect.DepartureUnasked, nil},
		{"docker-20.10/crash", detect.DepartureUnasked, nil},          // exit code 137: `docker kill` looks the same
		{"docker-20.10/kill", detect.DepartureStopped, nil},           // it would run: its policy is always
		{"docker-20.10/hup", detect.DepartureCrash, nil},              // exit code 2 is nobody's stop
		{"docker-20.10/oom", detect.DepartureOOM, nil},                // its own record says so
		{"docker-20.10/retrying", detect.DepartureCrash, nil},         //
		{"docker-20.10/onfailure", detect.DepartureCrash, nil},        //
		{"podman-4.3/kill", detect.DepartureUnasked, nil},             // Podman restarts nothing after a boot
		{"docker-20.10/stop0", detect.DepartureUnknown, awayAtTheEnd}, // the runtime itself ended then
		{"docker-20.10/kill", detect.DepartureUnknown, awayAtTheEnd},
		{"docker-20.10/oom", detect.DepartureOOM, awayAtTheEnd},
	} {
		c, p := recorded(t, tt.path)
		p.events = nil
		if tt.change != nil {
			tt.change(&c, &p)
		}
		left, note := departure(c, p, soonAfter(c).Add(time.Minute))
		require.Equal(t, tt.left, left, "%s: %s", tt.path, note)
		require.NotEmpty(t, note)
	}
}

func awayAtTheEnd(c *container.InspectResponse, p *past) {
	p.awayFrom, p.awayTo = instant(c.State.FinishedAt).Add(-time.Second), instant(c.State.FinishedAt).Add(time.Minute)
}

func TestOurOwnActionsAreToldApart(t *testing.T) {
	for path, left := range map[string]string{
		"docker-20.10/stop0": detect.DepartureBySelf, "docker-20.10/stop9": detect.DepartureBySelf, "docker-20.10/kill": detect.DepartureBySelf,
		"podman-4.3/stop0": detect.DepartureBySelf, "podman-4.3/stop9": detect.DepartureBySelf, "podman-4.3/kill": detect.DepartureBySelf,
		"docker-20.10/crash": detect.DepartureCrash, // by itself, in the moment in which we acted
	} {
		c, p := recorded(t, path)
		h := history{containers: map[string]*memory{c.ID: {events: p.events}}}
		end := instant(c.State.FinishedAt)
		h.acting(c.ID, end.Add(-3*time.Second), end.Add(3*time.Second))
		is := h.past(c.ID)
		is.podman = p.podman
		got, _ := departure(c, is, soonAfter(c))
		require.Equal(t, left, got, path)
	}
}

func TestARuntimeThatEndsStopsItsContainersTogether(t *testing.T) {
	c, p := recorded(t, "docker-20.10/stop0")
	asked := p.events[0]
	lost := asked.at.Add(5 * time.Second)
	for name, tt := range map[string]struct {
		other time.Duration // when another container was told to end, from this one
		left  string
	}{
		"with another one":        {100 * time.Millisecond, detect.DepartureUnknown},
		"another one much later":  {4 * time.Second, detect.DepartureStopped},
		"another one much before": {-4 * time.Second, detect.DepartureStopped},
	} {
		h := history{containers: map[string]*memory{c.ID: {events: p.events}}}
		h.wasKilled(c.ID, asked)
		other := asked
		other.at = asked.at.Add(tt.other)
		h.wasKilled("other", other)
		h.away(lost, lost.Add(time.Minute))
		left, _ := departure(c, h.past(c.ID), soonAfter(c))
		require.Equal(t, tt.left, left, name)
	}
}

func TestAStopThatIsUnderWayIsSeen(t *testing.T) {
	c, p := recorded(t, "docker-20.10/running")
	at := instant(c.State.StartedAt).Add(time.Minute)
	p.events = []happening{{at: at, what: events.ActionKill, signal: 15}}
	f := factsOf("w1", c, p, at.Add(time.Second))
	require.Equal(t, "stop", f.Text(detect.WorkloadPending))
	require.True(t, f.False(detect.WorkloadPendingOurs))
	p.events[0].ours = true
	require.True(t, factsOf("w1", c, p, at.Add(time.Second)).True(detect.WorkloadPendingOurs))
	require.NotContains(t, factsOf("w1", c, p, at.Add(time.Minute)), detect.WorkloadPending, "it did not end: it was another thing")
	p.events[0].signal = 1
	require.NotContains(t, factsOf("w1", c, p, at.Add(time.Second)), detect.WorkloadPending, "many programs reload by SIGHUP")
}

func TestObjects(t *testing.T) {
	for _, tt := range []struct{ container, project, service, object, wrong string }{
		{container: "web-1", object: "web-1"},
		{project: "shop", service: "web", object: "shop/web"},
		{container: "web", project: "shop", wrong: "not both"},
		{wrong: "container is missing"},
		{project: "shop", wrong: "service"},
		{service: "web", wrong: "project"},
		{container: "../json", wrong: "cannot be the name"},
		{container: "a/b", wrong: "cannot be the name"},
		{container: "-x", wrong: "cannot be the name"},
	} {
		got, err := Object(tt.container, tt.project, tt.service)
		if tt.wrong != "" {
			require.ErrorContains(t, err, tt.wrong)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tt.object, got)
	}
}

func TestTheContainerOfAComposeService(t *testing.T) {
	o, err := parseObject("shop/web")
	require.NoError(t, err)
	one := func(id, number string, state container.ContainerState, created int64) container.Summary {
		return container.Summary{ID: id, State: state, Created: created,
			Labels: map[string]string{labelProject: "shop", labelService: "web", labelNumber: number, labelOneOff: "False"}}
	}
	oneOff := one("run", "9", container.StateRunning, 9)
	oneOff.Labels[labelOneOff] = "True"
	other := one("other", "9", container.StateRunning, 9)
	other.Labels[labelService] = "db"
	for name, tt := range map[string]struct {
		list []container.Summary
		id   string
	}{
		"none":                              {nil, ""},
		"what `compose run` made":           {[]container.Summary{oneOff, other}, ""},
		"the only one":                      {[]container.Summary{oneOff, one("a", "1", container.StateExited, 1), other}, "a"},
		"being replaced: the one that runs": {[]container.Summary{one("old", "1", container.StateRunning, 1), one("new", "1", container.StateCreated, 2)}, "old"},
		"being replaced: the newer one":     {[]container.Summary{one("new", "1", container.StateCreated, 2), one("old", "1", container.StateExited, 1)}, "new"},
		"being replaced: the new one runs":  {[]container.Summary{one("old", "1", container.StateExited, 1), one("new", "1", container.StateRunning, 2)}, "new"},
	} {
		id, err := o.pick(tt.list)
		require.NoError(t, err, name)
		require.Equal(t, tt.id, id, name)
	}
	_, err = o.pick([]container.Summary{one("a", "1", container.StateRunning, 1), one("b", "2", container.StateRunning, 1)})
	require.ErrorIs(t, err, errSeveral)
}

func TestAnEventIsRememberedOnce(t *testing.T) {
	h := history{containers: map[string]*memory{}}
	m := events.Message{Action: "die", Actor: events.Actor{ID: "c", Attributes: map[string]string{"exitCode": "3"}}, TimeNano: 5}
	require.True(t, h.add(m))
	require.False(t, h.add(m))
	m.Action, m.TimeNano = "kill", 4
	require.True(t, h.add(m), "also when it comes late")
	require.Equal(t, []events.Action{"kill", "die"}, []events.Action{h.past("c").events[0].what, h.past("c").events[1].what})
	for i := range int64(1000) {
		m.TimeNano = 10 + i
		h.add(m)
	}
	require.Len(t, h.past("c").events, keepEvents)
}

func TestTheGroupsOfAnotherProcessAreNotTheContainers(t *testing.T) {
	const id = "71eb0b8b7735aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	for table, want := range map[string][3]any{
		"0::/system.slice/docker-" + id + ".scope\n":                                 {"/system.slice/docker-" + id + ".scope", "", true},
		"9:name=systemd:/docker/" + id + "\n4:cpu,memory:/docker/" + id + "\n0::/\n": {"", "/docker/" + id, true},
		"0::/user.slice/session-1.scope\n":                                           {"", "", false},
		"nonsense":                                                                   {"", "", false},
	} {
		unified, memory, ours := groupPaths(table, id)
		require.Equal(t, want, [3]any{unified, memory, ours}, table)
	}
}

// A person's proxy must let through what is in the list, and the driver can send nothing else.
func TestOnlyTheListedRequestsAreSent(t *testing.T) {
	for _, r := range []struct {
		method, path string
		ok           bool
	}{
		{"GET", "/v1.41/containers/web-1/json", true},
		{"GET", "/containers/json", true},
		{"POST", "/v1.41/containers/0123456789ab/restart", true},
		{"POST", "/v1.41/containers/web/update", true},
		{"DELETE", "/v1.41/containers/web", false},
		{"DELETE", "/v1.41/containers/web/json", false},
		{"POST", "/v1.41/containers/create", false},
		{"POST", "/v1.41/containers/web/exec", false},
		{"POST", "/v1.41/containers/web/unpause", false},
		{"POST", "/v1.41/containers/prune", false},
		{"POST", "/v1.41/images/create", false},
		{"GET", "/v1.41/containers/web/archive", false},
		{"GET", "/v1.41/containers/web/../../images/json", false},
		{"GET", "/v1.41/secrets", false},
		{"POST", "/v1.41/containers/web/restart/x", false},
	} {
		req, err := http.NewRequest(r.method, "http://docker"+r.path, nil)
		require.NoError(t, err)
		err = allowed(req)
		require.Equal(t, r.ok, err == nil, "%s %s", r.method, r.path)
	}
	require.False(t, slices.ContainsFunc(Requests(), func(r Request) bool { return r.Method == http.MethodDelete }))
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{Socket: "docker.sock"})
	require.ErrorContains(t, err, "absolute path")
	_, err = New(Options{RawSocket: "yes"})
	require.ErrorContains(t, err, "write accept")
}

func FuzzFacts(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.json")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(f, err)
		ev, err := os.ReadFile(strings.TrimSuffix(name, ".json") + ".events")
		if err != nil {
			ev = nil
		}
		f.Add(b, ev)
	}
	states := []string{detect.StateRunning, detect.StateStarting, detect.StateStopping, detect.StateRetrying, detect.StateStopped, detect.StateFailed}
	f.Fuzz(func(t *testing.T, doc, lines []byte) {
		var c container.InspectResponse
		if json.Unmarshal(doc, &c) != nil {
			return
		}
		h := history{containers: map[string]*memory{}}
		for line := range bytes.Lines(lines) {
			var m events.Message
			if json.Unmarshal(line, &m) == nil && matters(m.Action) {
				m.Actor.ID = c.ID
				h.add(m)
			}
		}
		facts := factsOf("w1", c, h.past(c.ID), time.Unix(1796096000, 0))
		state := facts[detect.WorkloadState]
		require.True(t, state.Err != "" || slices.Contains(states, state.Text), "a state that is not known is not measured: %v", state)
		require.LessOrEqual(t, len([]rune(facts.Text(detect.WorkloadWords))), 1000)
		if c.State != nil && c.State.Status == container.StateRunning && c.State.Running && !c.State.Restarting {
			require.Equal(t, detect.DepartureNone, facts.Text(detect.WorkloadDeparture))
		}
	})
}

func TestTheKeysOfATarget(t *testing.T) {
	for name, tt := range map[string]struct {
		keys   Keys
		object string
		wrong  []string
	}{
		"a container":            {Keys{Container: "web"}, "web", nil},
		"a compose service":      {Keys{Project: "shop", Service: "web"}, "shop/web", nil},
		"nothing":                {Keys{}, "", []string{"container"}},
		"both":                   {Keys{Container: "web", Service: "web"}, "", []string{"container"}},
		"no project":             {Keys{Service: "web"}, "", []string{"project"}},
		"no service":             {Keys{Project: "shop"}, "", []string{"service"}},
		"a raw socket, accepted": {Keys{Container: "web", RawSocket: "accept"}, "web", []string{"raw_socket (risk)"}},
		"a raw socket, yes":      {Keys{Container: "web", RawSocket: "yes"}, "web", []string{"raw_socket"}},
	} {
		object, wrong := judge(platform.Target{}, &tt.keys)
		require.Equal(t, tt.object, object, name)
		var keys []string
		for _, w := range wrong {
			if w.Risk {
				w.Key += " (risk)"
			}
			keys = append(keys, w.Key)
		}
		require.Equal(t, tt.wrong, keys, name)
	}
}

func TestAllContainersHaveOneSocket(t *testing.T) {
	target := func(name, socket, raw string) platform.Target {
		return platform.Target{Name: name, Keys: &Keys{Container: name, Socket: socket, RawSocket: raw}}
	}
	opt, err := optionsOf(platform.Options{Targets: []platform.Target{target("a", "", "accept"), target("b", DefaultSocket, "accept")}})
	require.NoError(t, err)
	require.Equal(t, DefaultSocket, opt.Socket)
	require.Equal(t, RawSocketAccept, opt.RawSocket)
	_, err = optionsOf(platform.Options{Targets: []platform.Target{target("a", "", ""), target("b", "/run/other.sock", "")}})
	require.ErrorContains(t, err, "one container runtime")
	_, err = optionsOf(platform.Options{Targets: []platform.Target{target("a", "", ""), target("b", "", "accept")}})
	require.ErrorContains(t, err, "raw_socket")
}

func TestAnHeirKnowsTheActionsOfTheOneBefore(t *testing.T) {
	c, p := recorded(t, "docker-20.10/stop0")
	from, err := New(Options{})
	require.NoError(t, err)
	from.past.containers[c.ID] = &memory{events: p.events}
	end := instant(c.State.FinishedAt)
	from.past.acting(c.ID, end.Add(-time.Second), end.Add(time.Second))
	heir, err := New(Options{})
	require.NoError(t, err)
	heir.Inherit(from)
	left, _ := departure(c, heir.past.past(c.ID), soonAfter(c))
	require.Equal(t, detect.DepartureBySelf, left)
}

// A person stops and starts it, and a second later it crashes: the stop is not the reason of the crash.
func TestTheEndOfTheRunBeforeIsAnother(t *testing.T) {
	c, _ := recorded(t, "docker-20.10/crash")
	began, ended := instant(c.State.StartedAt), instant(c.State.FinishedAt)
	p := past{events: []happening{
		{at: began.Add(-20 * time.Millisecond), what: events.ActionKill, signal: 15},
		{at: began.Add(-10 * time.Millisecond), what: events.ActionDie},
		{at: began.Add(-5 * time.Millisecond), what: events.ActionStop},
		{at: began.Add(5 * time.Millisecond), what: events.ActionStart},
	}}
	require.Less(t, ended.Sub(began), sameEnd)
	left, _ := departure(c, p, ended)
	require.Equal(t, detect.DepartureUnasked, left, "its own end was not heard")
	p.events = append(p.events, happening{at: ended.Add(5 * time.Millisecond), what: events.ActionDie, exit: 137})
	left, _ = departure(c, p, ended)
	require.Equal(t, detect.DepartureCrash, left)
}
