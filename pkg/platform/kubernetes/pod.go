package kubernetes

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes/api"
)

// loopWindow is how long a container must have run for its next crash to be a new one: the kubelet, too, forgets its
// back-off after ten minutes without a crash.
const loopWindow = 10 * time.Minute

// creatingGrace is how long a scheduled pod may take to get its volumes, its network and its image before its lateness
// is a problem of its own: pulling a large image takes minutes.
const creatingGrace = 5 * time.Minute

// stuckGrace is how far behind its own grace period a pod that is being deleted must be to be stuck.
const stuckGrace = time.Minute

// trouble is what is wrong with one pod. Class "" means that nothing is; see also starting and planned.
type trouble struct {
	class     Class
	pod       *api.Pod
	because   string // a clause that stands after the pod's name and a colon
	culprit   string
	witnesses []Witness
	starting  bool // on its way up, within its grace
	planned   bool // somebody or something takes it away on purpose, or a leftover of that
	gated     bool // kept from being scheduled on purpose
	elsewhere bool // what must be mended is neither the pod nor its template: a registry, a node
	container string
	last      *api.Terminated
}

// order is which trouble stands for the workload when its pods have several: what explains the others comes first.
var order = []Class{ClassNode, ClassImage, ClassMisconfigured, ClassMemory, ClassProbe, ClassCrashLoop, ClassPending, ClassTerminating, ClassNotReady}

func byOrder(a, b trouble) int {
	return cmp.Compare(slices.Index(order, a.class), slices.Index(order, b.class))
}

// imageReasons are the kubelet's waiting reasons that speak of the image (pkg/kubelet/images/types.go).
var imageReasons = []string{"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"}

// troubleOf says what is wrong with one pod.
func (j *judge) troubleOf(p *api.Pod) trouble {
	t := trouble{pod: p, witnesses: []Witness{ByPod}}
	if p.DeletionTimestamp != nil {
		return j.terminating(p, t)
	}
	if c := podCondition(p, api.DisruptionTarget); c != nil && c.Status == api.True {
		t.planned, t.because = true, "is taken away on purpose ("+c.Reason+")"
		return t
	}
	switch p.Status.Phase {
	case api.PodSucceeded:
		t.planned = true
		return t
	case api.PodFailed:
		// Its controller makes another one; this is what is left of it: evicted, preempted, a node that was shut down.
		t.planned, t.because = true, "ended ("+cmp.Or(p.Status.Reason, "Failed")+")"
		return t
	}
	if why := j.nodeTrouble(p.Spec.NodeName); why != "" {
		t.class, t.because, t.culprit = ClassNode, why, "node/"+p.Spec.NodeName
		t.witnesses = append(t.witnesses, ByNode)
		return t
	}
	statuses := append(slices.Clone(p.Status.Init), p.Status.Containers...)
	found := []trouble{}
	for i := range statuses {
		if c := j.containerTrouble(p, &statuses[i], t); c.class != "" {
			found = append(found, c)
		}
	}
	if len(found) > 0 {
		return slices.MinFunc(found, byOrder)
	}
	if p.Status.Phase == api.PodPending || p.Status.Phase == "" {
		return j.pending(p, t)
	}
	if !podReady(p) {
		return j.notReady(p, t)
	}
	return t
}

// containerTrouble judges one container of a pod that is bound to a working node.
func (j *judge) containerTrouble(p *api.Pod, cs *api.ContainerStatus, t trouble) trouble {
	of := ""
	if len(p.Status.Containers)+len(p.Status.Init) > 1 {
		of = "container " + cs.Name + ": "
	}
	last := cs.LastState.Terminated
	if cs.State.Terminated != nil {
		last = cs.State.Terminated
	}
	t.last, t.container = last, cs.Name
	waiting := cs.State.Waiting
	switch {
	case waiting != nil && slices.Contains(imageReasons, waiting.Reason):
		t.class, t.culprit = ClassImage, "image "+cs.Image
		t.because, t.elsewhere = imageWords(cs.Image, waiting, j.notes(p, "Failed"))
		t.because = of + t.because
		return t
	case waiting != nil && waiting.Reason == "CreateContainerConfigError":
		t.class, t.culprit = ClassMisconfigured, missingObject(waiting.Message)
		t.because = of + "its configuration is missing: " + quote(waiting.Message)
		if t.culprit == "" { // runAsNonRoot, a subPath, an environment that cannot be read
			t.because = of + "the container cannot be made from its configuration: " + quote(waiting.Message)
		}
		return t
	case waiting != nil && (waiting.Reason == "CreateContainerError" || waiting.Reason == "RunContainerError" || waiting.Reason == "StartError"):
		t.class = ClassMisconfigured
		t.because = of + "the container cannot be started: " + quote(waiting.Message)
		return t
	case p.Spec.RestartPolicy == "Never":
		return t
	}
	loops := waiting != nil && waiting.Reason == "CrashLoopBackOff"
	if !loops && last != nil {
		// A container that could not be started has 1970 as its start.
		short := last.FinishedAt.Sub(last.StartedAt) < loopWindow || last.StartedAt.Unix() <= 0
		recent := j.now.Sub(last.FinishedAt) < loopWindow
		ended := cs.State.Terminated != nil && (cs.State.Terminated.ExitCode != 0 || p.Spec.RestartPolicy != "OnFailure") && !isInit(p, cs.Name)
		loops = recent && short && (cs.RestartCount >= 2 || ended && cs.RestartCount >= 1)
		if last.Reason == "OOMKilled" { // a leak may need an hour for each round
			loops = recent && cs.RestartCount >= 2
		}
	}
	if !loops {
		return t
	}
	t.class, t.because = ClassCrashLoop, of+fmt.Sprintf("it ends again and again (%d restarts)", cs.RestartCount)
	if last == nil {
		return t
	}
	t.witnesses = append(t.witnesses, ByLastRun)
	switch killed := j.notes(p, "Killing", "Unhealthy"); {
	case last.Reason == "OOMKilled":
		t.class = ClassMemory
		t.because = of + fmt.Sprintf("the kernel kills it for memory again and again (%d restarts)%s", cs.RestartCount, limitOf(p, cs.Name))
	case last.ExitCode == 126, last.ExitCode == 127, last.ExitCode == 128 && (last.Reason == "StartError" || last.Reason == "ContainerCannotRun"):
		t.class = ClassMisconfigured
		t.because = of + fmt.Sprintf("its program cannot be run (exit code %d: %s)", last.ExitCode, exitWords(last))
	case probeKilled(killed) && (last.ExitCode == 137 || last.ExitCode == 143 || last.ExitCode == 0):
		t.class = ClassProbe
		t.because = of + fmt.Sprintf("the kubelet kills it since its liveness or startup probe fails (%d restarts): %s", cs.RestartCount, quote(probeNote(killed)))
		t.witnesses = append(t.witnesses, ByEvents)
	default:
		t.because += ", at last with " + exitWords(last)
	}
	if m := strings.TrimSpace(last.Message); m != "" && !strings.Contains(t.because, quote(m)) {
		t.because += "; it said " + quote(m)
	}
	return t
}

// isInit reports an init container that is meant to end.
func isInit(p *api.Pod, name string) bool {
	return slices.ContainsFunc(p.Spec.InitContainers, func(c api.Container) bool {
		return c.Name == name && (c.RestartPolicy != "Always")
	})
}

// exitWords says how a container ended. 128 and more are signals (128 + number, as shells count); the codes that Docker
// and the OCI runtimes give for a program that cannot be run are 126, 127 and 128.
func exitWords(t *api.Terminated) string {
	switch t.ExitCode {
	case 0:
		return "exit code 0: the program ends by itself, and a service must not"
	case 126:
		return "the command is not executable"
	case 127:
		return "the command was not found"
	case 128:
		if t.Message != "" {
			return quote(t.Message)
		}
		return "the container could not be started"
	case 134:
		return "exit code 134 (SIGABRT: it gave up by itself)"
	case 137:
		return "exit code 137 (SIGKILL; not for memory, or the reason would be OOMKilled)"
	case 139:
		return "exit code 139 (SIGSEGV: a crash in native code)"
	case 143:
		return "exit code 143 (SIGTERM: it was asked to stop)"
	}
	return fmt.Sprintf("exit code %d", t.ExitCode)
}

func probeKilled(notes []string) bool { return probeNote(notes) != "" }

// probeNote finds what the kubelet says when it kills a container for a probe: events Unhealthy "Liveness probe failed:
// ..." and Killing "Container x failed liveness probe, will be restarted".
func probeNote(notes []string) string {
	killed := ""
	for _, n := range notes {
		low := strings.ToLower(n)
		switch {
		case strings.Contains(low, "liveness probe failed"), strings.Contains(low, "startup probe failed"):
			return n // it says how
		case killed == "" && (strings.Contains(low, "failed liveness probe") || strings.Contains(low, "failed startup probe")):
			killed = n
		}
	}
	return killed
}

// imageWords says why an image cannot be had, as far as the message tells: each cause has another cure. elsewhere is true
// when another template would not help, or only by luck: the registry, the right to pull, the node's disk.
func imageWords(image string, w *api.Waiting, notes []string) (words string, elsewhere bool) {
	all := w.Message
	if w.Reason == "ImagePullBackOff" { // its own message only says that it waits; the cause stands in the event
		all += " " + strings.Join(notes, " ")
	}
	low := strings.ToLower(all)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(s string) bool { return strings.Contains(low, s) })
	}
	cause := ""
	switch {
	case w.Reason == "InvalidImageName" || has("invalid reference format", "couldn't parse image"):
		cause = "its name cannot be read"
	case w.Reason == "ErrImageNeverPull":
		cause = "it is not on the node, and imagePullPolicy is Never"
	case has("toomanyrequests", "429", "rate limit"):
		cause, elsewhere = "the registry limits how much is pulled (429): it gets better by waiting", true
	case has("no space left", "disk pressure"):
		cause, elsewhere = "the node has no space left", true
	case has("x509", "certificate"):
		cause, elsewhere = "the registry's certificate is not accepted", true
	case has("manifest unknown", "not found", "no matching manifest", "does not exist") && !has("repository does not exist or may require"):
		cause = "no such image or tag"
	case has("unauthorized", "authentication required", "denied", "forbidden", "401", "403"):
		cause, elsewhere = "the registry refuses us: the pull secret is missing or wrong (or the repository does not exist)", true
	case has("timeout", "deadline exceeded", "no such host", "connection refused", "i/o timeout", "network is unreachable", "server misbehaving"):
		cause, elsewhere = "the registry cannot be reached", true
	}
	if cause == "" {
		return fmt.Sprintf("its image %s cannot be had (%s): %s", image, w.Reason, quote(all)), false
	}
	return fmt.Sprintf("its image %s cannot be had (%s): %s", image, w.Reason, cause), elsewhere
}

var (
	missingKey    = regexp.MustCompile(`(?i)couldn't find key (\S+) in (configmap|secret) (\S+)`)
	missingConfig = regexp.MustCompile(`(?i)(configmap|secret)s? "([^"]+)" not found`)
)

// missingObject names the ConfigMap or Secret that a message of the kubelet is about.
func missingObject(message string) string {
	if m := missingKey.FindStringSubmatch(message); m != nil {
		_, name, ok := strings.Cut(m[3], "/")
		if !ok {
			name = m[3]
		}
		return strings.ToLower(m[2]) + "/" + name
	}
	if m := missingConfig.FindStringSubmatch(message); m != nil {
		return strings.ToLower(m[1]) + "/" + m[2]
	}
	return ""
}

func limitOf(p *api.Pod, container string) string {
	for _, c := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
		if c.Name == container {
			if limit, ok := c.Resources.Limits["memory"]; ok {
				return ", its limit is " + limit.String()
			}
			return ", and it has no limit of its own: the node was short of memory"
		}
	}
	return ""
}

// terminating judges a pod that is being deleted. Its deletionTimestamp is when its grace ends.
func (j *judge) terminating(p *api.Pod, t trouble) trouble {
	late := j.now.Sub(*p.DeletionTimestamp)
	if late < stuckGrace {
		t.planned, t.because = true, "is being deleted"
		return t
	}
	t.class = ClassTerminating
	t.because = fmt.Sprintf("should have been gone %s ago", short(late))
	if why := j.nodeTrouble(p.Spec.NodeName); why != "" {
		t.class, t.culprit = ClassNode, "node/"+p.Spec.NodeName
		t.because += ", and " + why
		t.witnesses = append(t.witnesses, ByNode)
	} else if len(p.Finalizers) > 0 {
		t.culprit = "finalizer " + p.Finalizers[0]
		t.because += ": who set the finalizer " + strings.Join(p.Finalizers, ", ") + " must take it away"
	}
	return t
}

// nodeTrouble says why a node is not to be trusted; "" when it is well or was not shown.
func (j *judge) nodeTrouble(name string) string {
	i := slices.IndexFunc(j.Nodes, func(n api.Node) bool { return n.Name == name })
	if name == "" || i < 0 {
		return ""
	}
	n := &j.Nodes[i]
	for _, c := range n.Status.Conditions {
		if c.Type == api.Ready && c.Status != api.True {
			return fmt.Sprintf("its node %s is not ready (%s)", name, cmp.Or(c.Reason, string(c.Status)))
		}
	}
	for _, taint := range n.Spec.Taints {
		if taint.Key == "node.kubernetes.io/unreachable" || taint.Key == "node.kubernetes.io/not-ready" || taint.Key == "node.kubernetes.io/out-of-service" {
			return fmt.Sprintf("its node %s has the taint %s", name, taint.Key)
		}
	}
	return ""
}

// mountReasons are events of the kubelet about what a pod needs before its containers can be made.
var mountReasons = []string{"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedMapVolume", "NetworkNotReady", "FailedCreatePodContainer"}

// pending judges a pod none of whose containers was started.
func (j *judge) pending(p *api.Pod, t trouble) trouble {
	scheduled := podCondition(p, api.PodScheduled)
	if len(p.Spec.SchedulingGates) > 0 && p.Spec.NodeName == "" || scheduled != nil && scheduled.Reason == "SchedulingGated" {
		t.gated, t.because = true, "is kept from being scheduled by "+gates(p)
		return t
	}
	if scheduled != nil && scheduled.Status == api.False && scheduled.Reason == "Unschedulable" {
		t.class, t.witnesses = ClassPending, []Witness{ByScheduler}
		t.because, t.culprit = unschedulable(scheduled.Message)
		return t
	}
	if notes := j.notes(p, mountReasons...); len(notes) > 0 && j.now.Sub(p.CreationTimestamp) > time.Minute {
		t.class, t.culprit = ClassNode, "node/"+p.Spec.NodeName
		t.witnesses = append(t.witnesses, ByEvents)
		t.because = "waits on " + p.Spec.NodeName + " for its volumes or its network: " + quote(notes[0])
		if name := missingObject(notes[0]); name != "" {
			t.class, t.culprit = ClassMisconfigured, name
			t.because = "waits for its configuration: " + quote(notes[0])
		}
		return t
	}
	if age := j.now.Sub(p.CreationTimestamp); age > creatingGrace && p.Spec.NodeName != "" {
		t.class, t.culprit = ClassNode, "node/"+p.Spec.NodeName
		t.because = fmt.Sprintf("has been waiting on %s for %s, and no event says for what", p.Spec.NodeName, short(age))
		return t
	}
	t.starting, t.because = true, "is being created"
	return t
}

func gates(p *api.Pod) string {
	if len(p.Spec.SchedulingGates) == 0 {
		return "a scheduling gate"
	}
	names := make([]string, len(p.Spec.SchedulingGates))
	for i, g := range p.Spec.SchedulingGates {
		names[i] = g.Name
	}
	return "the scheduling gate " + strings.Join(names, ", ")
}

// notReady judges a pod that runs and gets no traffic.
func (j *judge) notReady(p *api.Pod, t trouble) trouble {
	since := p.CreationTimestamp
	for _, cs := range p.Status.Containers {
		if cs.State.Running != nil && cs.State.Running.StartedAt.After(since) {
			since = cs.State.Running.StartedAt
		}
	}
	if age, grace := j.now.Sub(since), startGrace(p); age < grace {
		t.starting, t.because = true, fmt.Sprintf("is starting (%s, of %s that its probes give it)", short(age), short(grace))
		return t
	}
	t.class, t.because = ClassNotReady, "runs and is not ready"
	for _, gate := range p.Spec.ReadinessGates {
		if c := podCondition(p, gate.ConditionType); c == nil || c.Status != api.True {
			if ready := podCondition(p, api.ContainersReady); ready != nil && ready.Status == api.True {
				t.because = "is well and waits for the readiness gate " + string(gate.ConditionType)
				t.culprit = "readiness gate " + string(gate.ConditionType)
				return t
			}
		}
	}
	for _, n := range j.notes(p, "Unhealthy") {
		if strings.Contains(n, "probe failed") || strings.Contains(n, "probe errored") {
			t.because += ": " + quote(n)
			t.witnesses = append(t.witnesses, ByEvents)
			break
		}
	}
	return t
}

// startGrace is how long the pod's own probes allow it to take from its start until it is ready: the longest of its
// containers, a half more for a busy node, and a minute at the least.
func startGrace(p *api.Pod) time.Duration {
	longest := time.Duration(0)
	for _, c := range p.Spec.Containers {
		sum := time.Duration(0)
		for _, probe := range []*api.Probe{c.StartupProbe, c.Readiness} {
			if probe != nil {
				sum += time.Duration(probe.InitialDelaySeconds+cmp.Or(probe.PeriodSeconds, 10)*cmp.Or(probe.FailureThreshold, 3)) * time.Second
			}
		}
		longest = max(longest, sum)
	}
	return max(longest*3/2, time.Minute)
}

// notes are what the events of these reasons say about a pod, the latest first.
func (j *judge) notes(p *api.Pod, reasons ...string) []string {
	return j.notesOn(kindPod, p.Namespace, p.Name, reasons...)
}

func (j *judge) notesOn(kind, namespace, name string, reasons ...string) []string {
	var found []event
	for _, e := range j.Events {
		if e.kind == kind && e.namespace == namespace && e.name == name && slices.Contains(reasons, e.reason) {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b event) int { return b.last.Compare(a.last) })
	notes := make([]string, len(found))
	for i, e := range found {
		notes[i] = e.note
	}
	return notes
}

// short prints a duration as people say it: 45s, 12m, 3h, 2d.
func short(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0fm", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0fh", d.Hours())
	}
	return fmt.Sprintf("%.0fd", d.Hours()/24)
}

// quote shortens what another program said to a line and marks it as its words.
func quote(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }), " ")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:199]) + "…"
	}
	return `"` + s + `"`
}
