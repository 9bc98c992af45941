package kubernetes

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes/api"
)

// holdAnnotation is how people keep recoveryd away from a workload or a whole namespace: "<RFC 3339 time>|reason". A
// value that cannot be read holds without an end: unknown refuses.
const holdAnnotation = "recoveryd.dev/hold"

// guard is one reason not to act: its slug, and why it holds here ("" when it does not).
type guard struct {
	slug  string
	check func(*judge, *workload, finding, plan) string
	// reads is the kind of object without which the guard cannot be asked, for the plans in bars: where it could not be
	// read, the guard holds. "" means that the workload and its pods are enough.
	reads string
	bars  []planKind
}

// guards are the reasons not to act, in the order in which they are asked; the first that holds is the one that is said.
// Budgets, storms and the fleet are the daemon's own state and are no part of what objects can tell.
var guards = []guard{
	{"unknown-generation", heldAs("unknown-generation"), "", nil},
	{"paused", func(_ *judge, w *workload, f finding, _ plan) string {
		if w.paused {
			return "a person paused the rollout"
		}
		return heldAs("paused")(nil, w, f, plan{})
	}, "", nil},
	{"operator-intent", heldAs("operator-intent"), "", nil},
	{"maintenance", func(j *judge, w *workload, _ finding, _ plan) string { return j.held(w) }, "Namespace", []planKind{planDeletePod, planUndo, planLimit}},
	{"gitops-managed", changesTemplate(gitOps), "", nil},
	{"helm-managed", changesTemplate(helm), "", nil},
	{"other-controller-owned", changesTemplate(otherController), "", nil},
	{"hpa-owned", func(j *judge, w *workload, f finding, _ plan) string {
		if h := j.autoscaler(w); h != nil && f.class == ClassCapacity {
			return "the HorizontalPodAutoscaler " + h.Name + " owns its replicas"
		}
		return ""
	}, "", nil},
	{"vpa-owned", func(j *judge, w *workload, _ finding, p plan) string {
		if p.kind != planLimit {
			return ""
		}
		for _, v := range j.Resizers {
			if v.Namespace == w.Namespace && v.Spec.Target.Kind == w.kind && v.Spec.Target.Name == w.Name &&
				v.Spec.Update.Mode != "Off" && v.Spec.Update.Mode != "Initial" {
				return "the VerticalPodAutoscaler " + v.Name + " owns its limits"
			}
		}
		return ""
	}, "VerticalPodAutoscaler", []planKind{planLimit}},
	{"rollout-in-progress", func(_ *judge, w *workload, f finding, p plan) string {
		if p.kind == planLimit && w.known && w.updated < w.wanted && !w.manual {
			return "a rollout is under way"
		}
		return heldAs("rollout-in-progress")(nil, w, f, p)
	}, "", nil},
	{"statefulset-ordered", func(_ *judge, w *workload, f finding, p plan) string {
		if w.kind == kindStatefulSet && f.newOnly && p.kind == planPage {
			return "a StatefulSet changes its pods one by one, and the next waits for this one"
		}
		return ""
	}, "", nil},
	{"job-pod", heldAs("job-pod"), "", nil},
	{"last-ready-pod", func(_ *judge, w *workload, f finding, p plan) string {
		if p.kind == planDeletePod && w.ready <= 1 && podReady(f.troubles[0].pod) {
			return "it is the last ready pod"
		}
		return ""
	}, "", nil},
	{"pdb", func(j *judge, w *workload, f finding, p plan) string {
		if p.kind != planDeletePod || !podReady(f.troubles[0].pod) {
			return "" // a pod that serves nobody costs the budget nothing
		}
		for i := range j.Budgets {
			b := &j.Budgets[i]
			if b.Namespace == w.Namespace && b.Status.DisruptionsAllowed == 0 && b.Spec.Selector.Matches(f.troubles[0].pod.Labels) {
				return "the PodDisruptionBudget " + b.Name + " allows no disruption now"
			}
		}
		return ""
	}, "PodDisruptionBudget", []planKind{planDeletePod}},
	{"no-replacement", func(_ *judge, w *workload, _ finding, p plan) string {
		if p.kind == planDeletePod && w.kind == kindPod {
			return "no controller would make the pod anew"
		}
		return ""
	}, "", nil},
	{"quota-headroom", func(j *judge, w *workload, _ finding, p plan) string { return j.headroom(w, p) }, "ResourceQuota", []planKind{planLimit}},
	{"node-suspect", func(_ *judge, _ *workload, f finding, _ plan) string {
		if f.class == ClassNode {
			return "its node is suspect, and every action on the workload waits for it"
		}
		return ""
	}, "", nil},
	{"contested", changesTemplate(contested), "", nil},
}

// Guards lists the slugs of the reasons not to act, in the order in which they are asked.
func Guards() []string {
	slugs := make([]string, len(guards))
	for i, g := range guards {
		slugs[i] = g.slug
	}
	return slugs
}

// refuse asks the guards in their order.
func (j *judge) refuse(w *workload, f finding, p plan) (slug, why string) {
	for _, g := range guards {
		if why := g.check(j, w, f, p); why != "" {
			return g.slug, why
		}
		if why, missing := j.unread[g.reads]; missing && slices.Contains(g.bars, p.kind) {
			return g.slug, "objects of kind " + g.reads + " could not be read: " + why
		}
	}
	return "", ""
}

// heldAs holds where the finding itself says so.
func heldAs(slug string) func(*judge, *workload, finding, plan) string {
	return func(_ *judge, _ *workload, f finding, _ plan) string {
		if f.hold == slug {
			return f.holdWhy
		}
		return ""
	}
}

// changesTemplate asks only where the workload's own specification would be changed. Deleting a pod fights nobody: its
// template stays as it is.
func changesTemplate(check func(*judge, *workload) string) func(*judge, *workload, finding, plan) string {
	return func(j *judge, w *workload, _ finding, p plan) string {
		if p.kind != planUndo && p.kind != planLimit {
			return ""
		}
		return check(j, w)
	}
}

// gitOps: Argo CD reverts a change within seconds, Flux at its interval. `reconcile: disabled` frees a workload of Flux.
func gitOps(_ *judge, w *workload) string {
	for key, value := range w.Annotations {
		if key == "argocd.argoproj.io/tracking-id" {
			app, _, _ := strings.Cut(value, ":")
			return "Argo CD's application " + app + " owns it and would put it back: change it in Git"
		}
	}
	if app := w.Labels["argocd.argoproj.io/instance"]; app != "" {
		return "Argo CD's application " + app + " owns it and would put it back: change it in Git"
	}
	for _, kind := range []string{"kustomize", "helm"} {
		if name := w.Labels[kind+".toolkit.fluxcd.io/name"]; name != "" && w.Annotations[kind+".toolkit.fluxcd.io/reconcile"] != "disabled" {
			return "Flux (" + kind + " " + name + ") owns it and would put it back: change it in Git"
		}
	}
	return ""
}

func helm(_ *judge, w *workload) string {
	if w.Labels["app.kubernetes.io/managed-by"] == "Helm" || w.Annotations["meta.helm.sh/release-name"] != "" {
		release := w.Annotations["meta.helm.sh/release-name"]
		return strings.TrimRight("Helm's release "+release, " ") + " owns it: the next upgrade would fail or undo the change (helm rollback)"
	}
	return ""
}

func otherController(_ *judge, w *workload) string {
	if owner := w.Controller(); owner != nil {
		return fmt.Sprintf("%s %s owns it and would put it back", owner.Kind, owner.Name)
	}
	return ""
}

// contested: recoveryd changed the template before, and what it wrote is gone.
func contested(_ *judge, w *workload) string {
	if w.Annotations["recoveryd.dev/action"] == "" || w.template == nil || w.template.Annotations["recoveryd.dev/restarted-at"] != "" {
		return ""
	}
	who := "somebody"
	latest := time.Time{}
	for _, m := range w.ManagedFields {
		if m.Manager != "recoveryd" && m.Subresource == "" && m.Time.After(latest) {
			who, latest = m.Manager, m.Time
		}
	}
	return "its last change was taken back by " + who
}

// held reads people's hold of the workload or of its namespace.
func (j *judge) held(w *workload) string {
	places := []struct{ name, value string }{{"it", w.Annotations[holdAnnotation]}}
	if i := slices.IndexFunc(j.Namespaces, func(n api.Namespace) bool { return n.Name == w.Namespace }); i >= 0 {
		places = append(places, struct{ name, value string }{"the namespace", j.Namespaces[i].Annotations[holdAnnotation]})
	}
	for _, p := range places {
		if p.value == "" {
			continue
		}
		until, reason, _ := strings.Cut(p.value, "|")
		t, err := time.Parse(time.RFC3339, strings.TrimSpace(until))
		switch {
		case err != nil:
			return fmt.Sprintf("%s is held, and until when cannot be read: %s", p.name, quote(p.value))
		case t.After(j.now):
			return strings.TrimSuffix(fmt.Sprintf("%s is held until %s: %s", p.name, t.UTC().Format("2006-01-02 15:04 MST"), strings.TrimSpace(reason)), ": ")
		}
	}
	return ""
}

// headroom: a change of the template makes one more pod before it takes one away; where the namespace's quotas have no room
// for it, nothing comes up.
func (j *judge) headroom(w *workload, p plan) string {
	if p.kind != planLimit || !w.maxSurge {
		return "" // an undo takes the failing pods away first, and a deleted pod makes its own room
	}
	for i := range j.Quotas {
		q := &j.Quotas[i]
		if q.Namespace != w.Namespace {
			continue
		}
		for name, hard := range q.Status.Hard {
			spent, ok := q.Status.Used[name]
			used := spent.DeepCopy()
			if !ok {
				continue
			}
			need := resource.MustParse("0")
			switch name {
			case "pods", "count/pods":
				need = resource.MustParse("1")
			case "limits.memory", "requests.memory", "memory", "limits.cpu", "requests.cpu", "cpu":
				need = templateNeeds(w, name)
			default:
				continue
			}
			if need.IsZero() {
				continue
			}
			used.Add(need)
			if used.Cmp(hard) > 0 {
				return fmt.Sprintf("the quota %s has no room for it (%s: %s of %s used)", q.Name, name, spent.String(), hard.String())
			}
		}
	}
	return ""
}

// templateNeeds sums what one pod of the workload takes from a quota's resource.
func templateNeeds(w *workload, name string) resource.Quantity {
	sum := resource.Quantity{}
	if w.template == nil {
		return sum
	}
	kind, limits := strings.TrimPrefix(strings.TrimPrefix(string(name), "limits."), "requests."), strings.HasPrefix(string(name), "limits.")
	for _, c := range w.template.Spec.Containers {
		list := c.Resources.Requests
		if limits {
			list = c.Resources.Limits
		}
		if q, ok := list[kind]; ok {
			sum.Add(q)
		}
	}
	return sum
}
