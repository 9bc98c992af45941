package kubernetes

import (
	"fmt"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// planKind is what a remedy does to the cluster; the guards ask for it.
type planKind uint8

// The remedies, mildest first.
const (
	planNothing   planKind = iota
	planPage               // a person is told; nothing is changed
	planDeletePod          // one pod that serves nobody is deleted; its controller makes another
	planUndo               // the template of an older revision that serves now is put back
	planLimit              // the memory limit is raised within its cap
)

// plan is the mildest thing that can cure a finding.
type plan struct {
	kind  planKind
	words string // begins with the verb: "delete pod X", "page: ..."
}

// remedy is the first rung for a finding. Nothing is restarted because it crashes, and nothing is undone but to a
// revision that serves at this moment: `kubectl rollout undo` takes the revision before the current one, which after a
// restart is the broken one again.
func remedy(w *workload, f finding) plan {
	if f.verdict == detect.Healthy || f.verdict == detect.Unknown && f.class != ClassTerminating && f.class != ClassNetworkPolicy {
		words := "nothing"
		if f.verdict == detect.Unknown {
			words = "nothing: it does not act on a guess; page if it lasts"
		}
		return plan{planNothing, words}
	}
	page := func(format string, args ...any) plan { return plan{planPage, "page: " + fmt.Sprintf(format, args...)} }
	if f.stray {
		return plan{planDeletePod, "delete pod " + f.pod() + ", which is of the revision that was put back"}
	}
	if f.newOnly && !f.elsewhere() {
		if w.kind == kindDeployment {
			if older := w.proven(); older != nil && f.class != ClassNode && f.class != ClassPending {
				return plan{planUndo, fmt.Sprintf("undo to revision %s, whose pods are ready now (by approval, unless the configuration allows it), and page", older.words())}
			}
		}
		if w.kind == kindStatefulSet && f.class != ClassNode && f.class != ClassPending {
			return page("the new revision does not start; put the template back, then delete %s (a StatefulSet does not replace it by itself)", f.pod())
		}
	}
	switch f.class {
	case ClassCrashLoop:
		if len(f.troubles) == 1 && w.ready > 0 {
			return plan{planDeletePod, "delete pod " + f.pod() + " (the others of the same revision are well)"}
		}
		return page("all its pods crash and no rollout explains it: look at the last words and at what it needs; a restart is tried once, with a second witness")
	case ClassMemory:
		if container, limit, has := memoryLimit(f); has {
			return plan{planLimit, fmt.Sprintf("raise the memory limit of %s (container %s) from %s within its cap (by approval), and page", w.Name, container, limit.String())}
		}
		return page("it is killed for memory without a limit of its own: give it one, or the node more")
	case ClassProbe:
		return page("the cure is what the probe asks for, or the probe itself; a restart is what the kubelet does already")
	case ClassImage:
		if f.elsewhere() {
			return page("the registry, the right to pull from it or the node must be put right; neither a new pod nor an older template mends that")
		}
		return page("the image must be put right or pushed; a new pod would ask for the same one")
	case ClassMisconfigured:
		return page("what is missing must be made; a restart cannot help")
	case ClassPending:
		return page("the scheduler says what is missing; nothing is removed to make room")
	case ClassQuota:
		return page("raise the quota or ask for less; nothing is removed to make room")
	case ClassAdmission:
		return page("who refuses the pods must be put right; nothing is removed meanwhile")
	case ClassRollout:
		return page("the new revision does not get on, and no older one serves that could be put back")
	case ClassNotReady:
		if f.culprit != "" {
			return page("%s must say yes", f.culprit)
		}
		if len(f.troubles) == 1 && w.ready > 0 {
			return plan{planDeletePod, "delete pod " + f.pod() + " when it stays so (the others are ready)"}
		}
		return page("no pod is ready: what it needs comes first; a restart needs a second witness (its own health asked directly)")
	case ClassSelector:
		return page("selector and labels must agree; a Service is never patched")
	case ClassTargetPort:
		return page("the Service's targetPort must be one of the pods' ports; a Service is never patched")
	case ClassNode:
		return page("the node is the problem: its pods are left to the control plane, and nothing is force-deleted")
	case ClassTerminating:
		return page("the owner of what keeps it must act; a finalizer is never taken away")
	case ClassDependency:
		return plan{planNothing, "nothing to it: " + f.culprit + " is to be cured first"}
	case ClassNetworkPolicy:
		return page("who may come in is for people to say; recoveryd's own probe tells whether the service answers all the same")
	case ClassCapacity:
		return page("raise the autoscaler's maximum, or find what takes so much")
	case ClassJob:
		return page("read its log; a Job is never started again by others")
	}
	return plan{planNothing, "nothing: it serves; watch"}
}

// elsewhere reports that another template would not help.
func (f finding) elsewhere() bool { return len(f.troubles) > 0 && f.troubles[0].elsewhere }

// pod is the name of the first pod with the trouble.
func (f finding) pod() string {
	if len(f.troubles) == 0 {
		return "the stuck pod"
	}
	return f.troubles[0].pod.Name
}

func (r *revision) words() string {
	if r.number > 0 {
		return fmt.Sprintf("%d (%s)", r.number, r.name)
	}
	return r.hash
}
