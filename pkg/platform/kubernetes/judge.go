package kubernetes

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"

	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes/api"
)

// Class is a failure class; those that systemd's targets have, too, keep their name.
type Class = detect.Class

// The classes of a workload. Memory, misconfigured and dependency mean what they mean everywhere.
const (
	ClassNone          = detect.ClassNone
	ClassMemory        = detect.ClassMemory        // killed for memory again and again
	ClassMisconfigured = detect.ClassMisconfigured // a ConfigMap, Secret, key or program is missing: restarting cannot help
	ClassDependency    = detect.ClassDependency    // what it needs does not serve
	ClassUnknown       = detect.ClassUnknown

	ClassCrashLoop   Class = "crash-loop"  // its program ends again and again
	ClassProbe       Class = "probe"       // the kubelet kills it for a failing liveness or startup probe
	ClassImage       Class = "image"       // its image cannot be had
	ClassPending     Class = "pending"     // the scheduler finds no node
	ClassQuota       Class = "quota"       // a quota or limit range forbids its pods
	ClassAdmission   Class = "admission"   // a webhook or a policy refuses its pods
	ClassRollout     Class = "rollout"     // a new revision does not get on
	ClassNotReady    Class = "not-ready"   // runs, and its readiness probe or gate fails
	ClassSelector    Class = "selector"    // its Service selects other pods
	ClassTargetPort  Class = "target-port" // its Service sends to a port that the pods do not have
	ClassNode        Class = "node"        // its node is gone or cannot give what the pod needs
	ClassTerminating Class = "terminating" // a pod that is deleted does not go
	ClassJob         Class = "job"         // a Job failed
	ClassCapacity    Class = "capacity"    // its autoscaler wants more pods than it may make

	ClassNetworkPolicy Class = "network-policy" // network policies let nobody in
)

// Witness is a kind of evidence: two of the same kind are one witness.
type Witness = detect.Witness

// The kinds of evidence about a workload.
const (
	ByPod        Witness = "pod"        // what the kubelet reports of a pod: phase, container states, readiness
	ByLastRun    Witness = "last-run"   // how the previous container ended: reason, exit code, last words
	ByEvents     Witness = "events"     // events: lossy, an hour old at most, supporting only
	ByScheduler  Witness = "scheduler"  // the scheduler's sentence
	ByController Witness = "controller" // conditions and counts that the workload's controller reports
	ByEndpoints  Witness = "endpoints"  // which addresses a Service sends to; of the same probe as readiness, so not a second witness for it
	ByNode       Witness = "node"       // the node's own condition or taint
)

// Version is the version of what a [Judgement] looks like as JSON. Fields may be added under the same version; one that
// goes, or means something else, makes a new version.
const Version = 1

// Judgement is what [Judge] says of one target.
type Judgement struct {
	V         int            `json:"v"`      // Version
	Target    string         `json:"target"` // NAMESPACE/KIND/NAME
	Verdict   detect.Verdict `json:"verdict"`
	Class     Class          `json:"class"`
	Culprit   string         `json:"culprit"` // "" when nothing is wrong; the target itself, or kind/name of what is to blame
	Because   string         `json:"because"`
	Witnesses []Witness      `json:"witnesses"`
	Action    Action         `json:"action"`   // what recoveryd may do, guards included
	Would     string         `json:"would"`    // the same in words
	Refused   string         `json:"refused"`  // the guard that bars the action, "" when none does
	Proposal  []Command      `json:"proposal"` // what a person would type, mildest first; the first ones only look
	Never     []Command      `json:"never"`    // what neither a person nor recoveryd should do here, and why
}

// judge is one judgement under way.
type judge struct {
	*Objects
	now time.Time
	all []*workload
}

// finding is what is wrong with a workload, before anybody asks what to do.
type finding struct {
	verdict   detect.Verdict
	class     Class
	culprit   string
	because   string
	witnesses []Witness
	troubles  []trouble // of its pods, all of the class
	all       bool      // every pod that should serve has the trouble
	newOnly   bool      // only pods of a new revision have it, while an older revision serves
	stray     bool      // the pods that have it are of a revision that was put back
	hold      string    // the guard that holds whatever would be done: intent, not an action's risk
	holdWhy   string
}

// Judge says of every workload what is wrong with it and what recoveryd would do: of Deployments, StatefulSets,
// DaemonSets, Jobs, and of ReplicaSets, pods and Services that belong to none. now is the moment of the objects, for
// what depends on age; the zero time means [Objects.Newest]. The order is that of namespace, kind and name.
func Judge(o *Objects, now time.Time) []Judgement {
	j := &judge{Objects: o, now: now}
	if now.IsZero() {
		j.now = o.newest
	}
	j.all = workloads(o)
	findings := make([]finding, len(j.all))
	for i, w := range j.all {
		findings[i] = j.find(w)
	}
	list := make([]Judgement, len(j.all))
	for i, w := range j.all {
		f := j.blame(w, findings[i], findings)
		list[i] = j.judgement(w, f)
	}
	return list
}

func (j *judge) judgement(w *workload, f finding) Judgement {
	out := Judgement{V: Version, Target: w.id(), Verdict: f.verdict, Class: f.class, Culprit: f.culprit, Because: f.because, Witnesses: slices.Compact(slices.Sorted(slices.Values(f.witnesses)))}
	if out.Witnesses == nil {
		out.Witnesses = []Witness{}
	}
	if f.verdict == detect.Healthy {
		out.Class = ClassNone
	} else if out.Culprit == "" && f.class != ClassNone {
		out.Culprit = w.id()
	}
	plan := remedy(w, f)
	reason, why := j.refuse(w, f, plan)
	out.Action = plan.action(f, reason)
	out.Proposal, out.Never = j.propose(w, f, plan, reason)
	if out.Proposal == nil {
		out.Proposal = []Command{}
	}
	if out.Never == nil {
		out.Never = []Command{}
	}
	if reason != "" {
		out.Refused = reason
		switch {
		case f.verdict == detect.Healthy:
			out.Would = "nothing: " + why
		case plan.kind == planNothing || plan.kind == planPage:
			out.Would = plan.words + "; held: " + why
		default:
			out.Would = fmt.Sprintf("nothing but page: %s would be next, but %s", plan.words, why)
		}
		return out
	}
	out.Would = plan.words
	return out
}

// find asks, in this order, what is wrong with a workload. The first answer that explains its state is taken.
func (j *judge) find(w *workload) finding {
	if f, ok := j.intent(w); ok {
		return f
	}
	switch w.kind {
	case kindJob:
		return j.judgeJob(w)
	case kindService:
		return j.judgeService(w)
	}
	if w.known && w.Generation > 0 && w.observed < w.Generation && w.kind != kindPod {
		return finding{verdict: detect.Unknown, class: ClassUnknown, hold: "unknown-generation", witnesses: []Witness{ByController},
			because: fmt.Sprintf("its controller has not seen the newest specification yet (generation %d, observed %d): what the status says is of an older one", w.Generation, w.observed),
			holdWhy: "the status is not of the newest specification"}
	}
	var bad, starting []trouble
	planned := ""
	gated := ""
	for _, p := range w.pods {
		switch t := j.troubleOf(p); {
		case t.class != ClassNone:
			bad = append(bad, t)
		case t.starting:
			starting = append(starting, t)
		case t.gated:
			gated = p.Name + ": " + t.because
		case t.planned && p.Status.Phase != api.PodSucceeded && p.Status.Phase != api.PodFailed:
			planned = p.Name + ": " + t.because
		}
	}
	if f, ok := j.noPodMade(w); ok && (len(bad) == 0 || w.ready < w.wanted) {
		return f
	}
	if len(bad) > 0 {
		return j.podFinding(w, bad)
	}
	if gated != "" {
		return finding{verdict: serves(w, detect.Unknown), class: ClassPending, because: gated, witnesses: []Witness{ByPod}, hold: "operator-intent", holdWhy: "a scheduling gate is set on purpose"}
	}
	if f, ok := j.rollout(w); ok {
		return f
	}
	if f, ok := j.serviceFinding(w); ok {
		return f
	}
	if f, ok := j.closed(w); ok {
		return f
	}
	if h := j.autoscaler(w); h != nil && w.ready >= w.wanted {
		for _, c := range h.Status.Conditions {
			if c.Type == "ScalingLimited" && c.Status == api.True && c.Reason == "TooManyReplicas" {
				return finding{verdict: detect.Degraded, class: ClassCapacity, culprit: "horizontalpodautoscaler/" + h.Name, witnesses: []Witness{ByController},
					because: fmt.Sprintf("%d of %d ready, and the HorizontalPodAutoscaler %s wants more than its maximum of %d", w.ready, w.wanted, h.Name, h.Spec.MaxReplicas)}
			}
		}
	}
	if w.ready >= w.wanted && w.wanted > 0 {
		return finding{verdict: detect.Healthy, because: j.wellWords(w), witnesses: []Witness{ByController}}
	}
	if len(starting) > 0 {
		return finding{verdict: serves(w, detect.Unknown), class: ClassUnknown, witnesses: []Witness{ByPod},
			because: fmt.Sprintf("%d of %d ready; %s: %s", w.ready, w.wanted, starting[0].pod.Name, starting[0].because), hold: "rollout-in-progress", holdWhy: "its pods are still starting"}
	}
	if planned != "" {
		return finding{verdict: serves(w, detect.Unknown), class: ClassUnknown, witnesses: []Witness{ByPod}, hold: "operator-intent", holdWhy: "pods are taken away on purpose, and its controller replaces them",
			because: fmt.Sprintf("%d of %d ready; %s", w.ready, w.wanted, planned)}
	}
	if w.wanted == 0 {
		return finding{verdict: detect.Healthy, because: "it wants no pods", witnesses: []Witness{ByController}}
	}
	missing := "its pods were not shown (kubectl get pods -o yaml)"
	if len(w.pods) > 0 {
		missing = "nothing in its pods says why"
	}
	return finding{verdict: serves(w, detect.Unknown), class: ClassUnknown, witnesses: []Witness{ByController},
		because: fmt.Sprintf("%d of %d ready, and %s", w.ready, w.wanted, missing)}
}

// serves: somebody is answered as long as one pod is ready; then the trouble is a degradation. Otherwise it is what was given.
func serves(w *workload, otherwise detect.Verdict) detect.Verdict {
	if w.ready > 0 {
		return detect.Degraded
	}
	return otherwise
}

// intent finds what people did on purpose to the workload as a whole.
func (j *judge) intent(w *workload) (finding, bool) {
	f := finding{verdict: detect.Healthy, hold: "operator-intent"}
	switch {
	case w.DeletionTimestamp != nil && len(w.Finalizers) > 0 && j.now.Sub(*w.DeletionTimestamp) > 5*stuckGrace && !slices.ContainsFunc(w.Finalizers, func(s string) bool { return strings.HasPrefix(s, "foregroundDeletion") || s == "orphan" }):
		f.verdict, f.class, f.culprit = detect.Unknown, ClassTerminating, "finalizer "+w.Finalizers[0]
		f.because, f.holdWhy = "it was deleted and its finalizer keeps it", "it was deleted on purpose"
	case w.DeletionTimestamp != nil:
		f.verdict = detect.Unknown
		f.because, f.holdWhy = "it is being deleted", "it was deleted on purpose"
	case w.kind == kindJob && w.job.Spec.Suspend:
		f.because, f.holdWhy = "the Job is suspended", "a person or a queue suspended it"
	case w.known && w.wanted == 0 && (w.kind == kindDeployment || w.kind == kindStatefulSet || w.kind == kindReplicaSet):
		f.because, f.holdWhy = "it is scaled to 0: it is meant to be off", "somebody scaled it to 0"
	default:
		return f, false
	}
	f.witnesses = []Witness{ByController}
	return f, true
}

// podFinding makes one finding of what is wrong with a workload's pods.
func (j *judge) podFinding(w *workload, bad []trouble) finding {
	slices.SortStableFunc(bad, byOrder)
	first := bad[0]
	f := finding{class: first.class, culprit: first.culprit, newOnly: w.olderServing() != nil || w.kind == kindStatefulSet && w.ready > 0}
	f.stray = true
	for _, t := range bad {
		f.stray = f.stray && w.stray(t.pod)
		if t.class == first.class {
			f.troubles = append(f.troubles, t)
			f.witnesses = append(f.witnesses, t.witnesses...)
		}
		f.newOnly = f.newOnly && w.isNew(t.pod)
	}
	f.all = w.ready == 0 && int32(len(bad)) >= w.wanted
	f.verdict = serves(w, detect.Unhealthy)
	if w.wanted > 0 && w.ready == 0 {
		f.verdict = detect.Unhealthy
	}
	if first.class == ClassTerminating && w.ready >= w.wanted {
		f.verdict = detect.Degraded
	}
	f.because = fmt.Sprintf("%d of %d ready; %s: %s", w.ready, w.wanted, first.pod.Name, first.because)
	if n := len(f.troubles) - 1; n > 0 {
		f.because += fmt.Sprintf(" (and %d more the same)", n)
	}
	if f.newOnly {
		f.because += "; only the new revision has this, the older one serves"
	}
	if f.stray {
		f.because += "; the template was put back, and its controller waits for this pod in place of making it anew"
	}
	if others := len(bad) - len(f.troubles); others > 0 {
		rest := bad[len(f.troubles)]
		f.because += fmt.Sprintf("; also %s: %s", rest.pod.Name, rest.because)
	}
	if w.paused {
		f.because += "; the rollout is paused"
	}
	return f
}

var (
	quotaName   = regexp.MustCompile(`exceeded quota: ([^,\s]+)`)
	accountName = regexp.MustCompile(`(?i)serviceaccount "([^"]+)" not found`)
	webhookName = regexp.MustCompile(`(?:failed calling webhook|admission webhook) "([^"]+)"`)
)

// noPodMade finds that the controller may not make pods: conditions ReplicaFailure, and events FailedCreate of the
// workload or of its ReplicaSets, which StatefulSets, DaemonSets and Jobs have alone.
func (j *judge) noPodMade(w *workload) (finding, bool) {
	message := ""
	if c, ok := w.condition("ReplicaFailure"); ok && c.Status == "True" {
		message = c.Message
	}
	by := ByController
	if message == "" && w.ready < w.wanted && int32(len(w.pods)) < w.wanted {
		names := []struct{ kind, name string }{{w.kind, w.Name}}
		for _, r := range w.revisions {
			names = append(names, struct{ kind, name string }{kindReplicaSet, r.name})
		}
		for _, n := range names {
			if notes := j.notesOn(n.kind, w.Namespace, n.name, "FailedCreate"); len(notes) > 0 {
				message, by = notes[0], ByEvents
				break
			}
		}
	}
	if message == "" {
		return finding{}, false
	}
	f := finding{verdict: serves(w, detect.Unhealthy), witnesses: []Witness{by}, class: ClassAdmission}
	cause := "its pods are refused"
	switch low := strings.ToLower(message); {
	case quotaName.MatchString(message):
		name := quotaName.FindStringSubmatch(message)[1]
		f.class, f.culprit, cause = ClassQuota, "resourcequota/"+name, "the quota "+name+" is used up"
	case strings.Contains(low, "failed quota"):
		f.class, cause = ClassQuota, "a quota asks for requests and limits that the pods do not name"
	case webhookName.MatchString(message):
		name := webhookName.FindStringSubmatch(message)[1]
		f.culprit, cause = "webhook/"+name, "the admission webhook "+name+" refuses them"
		if strings.Contains(low, "failed calling webhook") {
			cause = "the admission webhook " + name + " does not answer"
		}
	case strings.Contains(low, "violates podsecurity"):
		f.culprit, cause = "pod security", "the namespace's Pod Security level forbids them"
	case strings.Contains(low, "validatingadmissionpolicy"):
		f.culprit, cause = "admission policy", "an admission policy forbids them"
	case strings.Contains(low, "per pod is") || strings.Contains(low, "per container is") || strings.Contains(low, "limitrange"):
		f.class, f.culprit, cause = ClassQuota, "limitrange", "a LimitRange forbids their requests or limits"
	case strings.Contains(low, "serviceaccount") || strings.Contains(low, "service account"):
		f.class, f.culprit, cause = ClassMisconfigured, "serviceaccount", "their ServiceAccount does not exist"
		if m := accountName.FindStringSubmatch(message); m != nil {
			f.culprit = "serviceaccount/" + m[1]
		}
	}
	f.because = fmt.Sprintf("%d of %d ready; no pod can be made: %s: %s", w.ready, w.wanted, cause, quote(message))
	return f, true
}

// rollout judges a workload whose pods show nothing wrong while its controller says that a new revision does not get on.
func (j *judge) rollout(w *workload) (finding, bool) {
	c, ok := w.condition("Progressing")
	older := w.olderServing()
	switch {
	case ok && c.Status == "False" && c.Reason == "ProgressDeadlineExceeded":
		return finding{verdict: serves(w, detect.Unhealthy), class: ClassRollout, witnesses: []Witness{ByController}, newOnly: older != nil,
			because: fmt.Sprintf("the rollout is stuck: %d of %d updated, %d available (%s)", w.updated, w.wanted, w.available, quote(c.Message))}, true
	case w.paused && w.updated < w.wanted:
		return finding{verdict: detect.Healthy, hold: "paused", holdWhy: "a person paused the rollout", witnesses: []Witness{ByController},
			because: fmt.Sprintf("%d of %d ready; the rollout is paused with %d updated", w.ready, w.wanted, w.updated)}, w.ready >= w.wanted
	case w.known && w.updated < w.wanted && !w.manual && w.kind != kindPod && w.kind != kindReplicaSet && w.ready > 0:
		f := finding{verdict: detect.Healthy, hold: "rollout-in-progress", holdWhy: "a rollout is under way", witnesses: []Witness{ByController},
			because: fmt.Sprintf("a rollout is under way: %d of %d updated, %d ready", w.updated, w.wanted, w.ready)}
		if w.ready < w.wanted-w.mayMiss {
			f.verdict, f.class = detect.Degraded, ClassUnknown
		}
		return f, true
	}
	return finding{}, false
}

// serviceFinding judges how traffic reaches a workload whose pods are well.
func (j *judge) serviceFinding(w *workload) (finding, bool) {
	matched := false
	for _, s := range w.services {
		matched = matched || s.matches
		if f, bad := j.portFinding(w, s); bad {
			return f, true
		}
		if s.matches && s.shown && w.ready > 0 && s.ready == 0 && !s.Spec.PublishNotReady {
			return finding{verdict: detect.Unknown, class: ClassUnknown, culprit: "service/" + s.Name, witnesses: []Witness{ByEndpoints},
				because: fmt.Sprintf("%d of %d ready, and the Service %s has no ready endpoint: its endpoints are not up to date, or those of another moment were given", w.ready, w.wanted, s.Name)}, true
		}
	}
	for _, s := range w.services {
		if !s.matches && (!matched || s.Name == w.Name) && s.ready == 0 && (s.shown || j.Shown(kindPod)) && w.ready > 0 {
			f := selectorFinding(s, w.podLabels())
			f.because = fmt.Sprintf("%d of %d ready, but %s", w.ready, w.wanted, f.because)
			return f, true
		}
	}
	return finding{}, false
}

// closed finds a workload that a Service sends to and that network policies let nobody in to. Policies add up: one that lets
// somebody in opens what another closes. Whether the cluster's network heeds them no object tells.
func (j *judge) closed(w *workload) (finding, bool) {
	if w.ready == 0 || !slices.ContainsFunc(w.services, func(s service) bool { return s.matches }) {
		return finding{}, false
	}
	first := ""
	for i := range j.Policies {
		p := &j.Policies[i]
		if p.Namespace != w.Namespace || !p.Spec.PodSelector.Matches(w.podLabels()) ||
			!slices.Contains(p.Spec.Types, "Ingress") && len(p.Spec.Types) > 0 {
			continue
		}
		if len(p.Spec.Ingress) > 0 {
			return finding{}, false
		}
		if first == "" {
			first = p.Name
		}
	}
	return finding{verdict: detect.Unknown, class: ClassNetworkPolicy, culprit: "networkpolicy/" + first, witnesses: []Witness{ByController},
		because: fmt.Sprintf("%d of %d ready, a Service sends to them, and the NetworkPolicy %s lets nobody in", w.ready, w.wanted, first)}, first != ""
}

// judgeService judges a Service that no workload could be found for.
func (j *judge) judgeService(w *workload) finding {
	s := w.services[0]
	if s.ready > 0 {
		return finding{verdict: detect.Healthy, because: fmt.Sprintf("%d endpoints get its traffic", s.ready), witnesses: []Witness{ByEndpoints}}
	}
	if !s.shown && !j.Shown(kindPod) {
		return finding{verdict: detect.Unknown, class: ClassUnknown, because: "neither its endpoints nor pods were shown"}
	}
	return selectorFinding(s, nil)
}

func selectorFinding(s service, podLabels map[string]string) finding {
	f := finding{verdict: detect.Unhealthy, class: ClassSelector, culprit: "service/" + s.Name, witnesses: []Witness{ByEndpoints}}
	f.because = fmt.Sprintf("the Service %s sends to nobody: its selector %s matches no pod", s.Name, labelWords(s.Spec.Selector, nil))
	if podLabels != nil {
		f.because += ", the pods bear " + labelWords(podLabels, s.Spec.Selector)
	}
	return f
}

// labelWords prints labels in order; like, when not nil, restricts them to those keys where any is there.
func labelWords(set, like map[string]string) string {
	var words []string
	for k, v := range set {
		if _, ok := like[k]; ok {
			words = append(words, k+"="+v)
		}
	}
	if len(words) == 0 {
		for k, v := range set {
			if k != "pod-template-hash" && k != "controller-revision-hash" {
				words = append(words, k+"="+v)
			}
		}
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}

// portFinding finds a named target port that no container has: then the endpoints have addresses and no port. A number
// is no evidence, since containers need not declare the ports that they listen on.
func (j *judge) portFinding(w *workload, s service) (finding, bool) {
	if !s.matches || w.template == nil {
		return finding{}, false
	}
	for _, p := range s.Spec.Ports {
		name := p.TargetPort.Text
		if name == "" {
			continue
		}
		var names []string
		for _, c := range slices.Concat(w.template.Spec.InitContainers, w.template.Spec.Containers) {
			for _, cp := range c.Ports {
				if cp.Name != "" {
					names = append(names, cp.Name)
				}
			}
		}
		if !slices.Contains(names, name) {
			have := "they name none"
			if len(names) > 0 {
				have = "they have " + strings.Join(names, ", ")
			}
			return finding{verdict: detect.Unhealthy, class: ClassTargetPort, culprit: "service/" + s.Name, witnesses: []Witness{ByEndpoints, ByController},
				because: fmt.Sprintf("%d of %d ready, but the Service %s sends to the port %q, which the pods do not have (%s)", w.ready, w.wanted, s.Name, name, have)}, true
		}
	}
	return finding{}, false
}

// judgeJob judges a Job: its controller tries again by itself, and what failed for good is for people.
func (j *judge) judgeJob(w *workload) finding {
	for _, kind := range []string{"Failed", "FailureTarget"} {
		if c, ok := w.condition(kind); ok && c.Status == "True" {
			return finding{verdict: detect.Unhealthy, class: ClassJob, witnesses: []Witness{ByController}, hold: "job-pod", holdWhy: "a Job's pod is never started again by others",
				because: fmt.Sprintf("the Job failed (%s): %s", c.Reason, quote(c.Message))}
		}
	}
	if c, ok := w.condition("Complete"); ok && c.Status == "True" {
		return finding{verdict: detect.Healthy, because: "the Job is complete", witnesses: []Witness{ByController}}
	}
	var bad []trouble
	for _, p := range w.pods {
		if t := j.troubleOf(p); t.class != ClassNone {
			bad = append(bad, t)
		}
	}
	hold, why := "job-pod", "its controller tries again by itself"
	if len(bad) > 0 {
		slices.SortStableFunc(bad, byOrder)
		return finding{verdict: detect.Degraded, class: bad[0].class, culprit: bad[0].culprit, witnesses: bad[0].witnesses, troubles: bad[:1], hold: hold, holdWhy: why,
			because: fmt.Sprintf("the Job is not done; %s: %s", bad[0].pod.Name, bad[0].because)}
	}
	return finding{verdict: detect.Healthy, witnesses: []Witness{ByController},
		because: fmt.Sprintf("the Job runs (%d active, %d failed, %d succeeded)", w.job.Status.Active, w.job.Status.Failed, w.job.Status.Succeeded)}
}

// autoscaler is the HorizontalPodAutoscaler that owns the workload's replicas; nil when none was shown.
func (j *judge) autoscaler(w *workload) *api.Autoscaler {
	for i := range j.Autoscalers {
		if h := &j.Autoscalers[i]; h.Namespace == w.Namespace && h.Spec.Target.Kind == w.kind && h.Spec.Target.Name == w.Name {
			return h
		}
	}
	return nil
}

// wellWords says that a workload is well, with what looks bad and is not.
func (j *judge) wellWords(w *workload) string {
	words := fmt.Sprintf("%d of %d ready", w.ready, w.wanted)
	restarts, last := int32(0), ""
	for _, p := range w.pods {
		for _, cs := range p.Status.Containers {
			restarts += cs.RestartCount
			if t := cs.LastState.Terminated; t != nil {
				last = fmt.Sprintf("; the last restart was %s ago (%s)", short(j.now.Sub(t.FinishedAt)), cmp.Or(t.Reason, "ended"))
			}
		}
	}
	if restarts > 0 {
		times := "restarts"
		if restarts == 1 {
			times = "restart"
		}
		words += fmt.Sprintf("; %d %s in all%s", restarts, times, last)
	}
	return words
}

// blame looks for the culprit outside: a workload that crashes, is killed by its probe or does not get ready as a whole
// and names in its environment, arguments or last words a Service of the same cluster that serves nobody.
func (j *judge) blame(w *workload, f finding, findings []finding) finding {
	if !f.all || !slices.Contains([]Class{ClassCrashLoop, ClassProbe, ClassNotReady}, f.class) || w.template == nil && len(f.troubles) == 0 {
		return f
	}
	text := strings.Builder{}
	if w.template != nil {
		for _, c := range slices.Concat(w.template.Spec.InitContainers, w.template.Spec.Containers) {
			text.WriteString(strings.Join(c.Args, "\n") + "\n" + strings.Join(c.Command, "\n") + "\n")
			for _, e := range c.Env {
				text.WriteString(e.Value + "\n")
			}
		}
	}
	for _, t := range f.troubles {
		text.WriteString(t.because + "\n")
	}
	words := text.String()
	for i, other := range j.all {
		if other == w || other.ready > 0 || findings[i].verdict != detect.Unhealthy && findings[i].hold == "" {
			continue
		}
		for _, s := range other.services {
			if s.Namespace == w.Namespace && namesHost(words, s.Name) || namesHost(words, s.Name+"."+s.Namespace) {
				f.class, f.culprit = ClassDependency, other.id()
				f.because += fmt.Sprintf("; it needs the Service %s, and %s serves nobody: %s", s.Name, other.id(), findings[i].because)
				f.witnesses = append(f.witnesses, findings[i].witnesses...)
				return f
			}
		}
	}
	return f
}

// namesHost reports whether text names the host as a whole word: "postgres" in "postgres://u@postgres:5432/x" but not
// in "postgres://u@db:5432/x", where it is the scheme, nor in "postgres-exporter".
func namesHost(text, host string) bool {
	return strings.Contains(text, host) && // or a cluster would compile a million expressions
		regexp.MustCompile(`(^|[^A-Za-z0-9.-])`+regexp.QuoteMeta(host)+`($|[^A-Za-z0-9:-]|:\d|\.svc|\.[a-z0-9-]+\.svc)`).MatchString(text)
}
