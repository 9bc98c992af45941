package kubernetes

import (
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Command is something that a person can type, and why, or why not.
type Command struct {
	Command string `json:"command"`
	Why     string `json:"why"`
}

// Action is what recoveryd may do about a workload, guards included.
type Action string

// The actions, mildest first.
const (
	ActionNone       Action = "none"        // nothing: it is well, meant to be so, or not known
	ActionPage       Action = "page"        // people are told
	ActionDeletePod  Action = "delete-pod"  // one pod that serves nobody is deleted; its controller makes another
	ActionUndo       Action = "undo"        // the template of a proven revision is put back
	ActionRaiseLimit Action = "raise-limit" // the memory limit is raised within its cap
)

// action says what a plan comes to when a guard holds or none does. What would be changed and is barred is told to people.
func (p plan) action(f finding, refused string) Action {
	switch {
	case p.kind == planNothing, f.verdict == detect.Healthy:
		return ActionNone
	case p.kind == planPage, refused != "":
		return ActionPage
	}
	return map[planKind]Action{planDeletePod: ActionDeletePod, planUndo: ActionUndo, planLimit: ActionRaiseLimit}[p.kind]
}

// line builds commands for one workload.
type line struct {
	w  *workload
	ns string
}

func (l line) kubectl(args ...string) string {
	words := append([]string{"kubectl"}, args...)
	for i, word := range words[1:] {
		words[i+1] = shellWord(word)
	}
	if l.ns != "" {
		words = append(words, "-n", shellWord(l.ns))
	}
	return strings.Join(words, " ")
}

// self is the workload as kubectl takes it: deployment/web.
func (l line) self() string { return strings.ToLower(l.w.kind) + "/" + l.w.Name }

var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_{}\[\]-]+$`)

// shellWord quotes what a shell would read otherwise. Names come from files: whoever wrote one must not decide what a
// person runs.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s), "'", `'\''`) + "'"
}

// propose lists what a person would type, mildest first, and what neither a person nor recoveryd should do here, and why.
// The first commands only look.
func (j *judge) propose(w *workload, f finding, p plan, refused string) (do, never []Command) {
	if f.verdict == detect.Healthy && refused == "" {
		return nil, nil
	}
	l := line{w: w, ns: w.Namespace}
	add := func(why string, args ...string) { do = append(do, Command{l.kubectl(args...), why}) }
	not := func(why string, args ...string) { never = append(never, Command{l.kubectl(args...), why}) }
	if refused == "operator-intent" && w.DeletionTimestamp == nil && w.known && w.wanted == 0 && w.kind != kindJob && w.kind != kindDaemonSet {
		not("somebody scaled it to 0, and only a person ends that", "scale", l.self(), "--replicas=1")
		return nil, never
	}
	if f.verdict == detect.Healthy || p.kind == planNothing && f.class != ClassDependency {
		return nil, nil
	}
	j.look(l, f, add)
	switch p.kind {
	case planDeletePod:
		if refused == "" {
			why := "its controller makes another one; it serves nobody now"
			if podReady(f.troubles[0].pod) {
				why = "its controller makes another one; it serves only between its crashes"
			}
			add(why, "delete", "pod", f.pod())
		}
		if len(w.pods) > 1 {
			not("the other pods are well, and would be replaced, too", "rollout", "restart", l.self())
		}
	case planUndo:
		j.undo(l, f, refused, add, not, &do)
	case planLimit:
		if container, limit, has := memoryLimit(f); has && refused == "" {
			twice := resource.NewQuantity(2*limit.Value(), limit.Format)
			add("twice as much as now, if the node and the quota have it; it makes new pods", "set", "resources", l.self(), "-c", container, "--limits=memory="+twice.String())
		}
		not("a new pod with the same limit is killed in the same way", "rollout", "restart", l.self())
		not("a resize in place does not end a loop of kills, and the next pod has the old limit again", "patch", "pod", f.pod(), "--subresource", "resize", "-p", "...")
	}
	j.avoid(l, f, not)
	return do, never
}

// look names what shows the cause best, per class.
func (j *judge) look(l line, f finding, add func(why string, args ...string)) {
	pod := ""
	if len(f.troubles) > 0 {
		pod = f.troubles[0].pod.Name
	}
	kind, name, named := strings.Cut(f.culprit, "/")
	switch f.class {
	case ClassCrashLoop, ClassProbe, ClassMemory:
		if pod != "" {
			args := []string{"logs", pod, "--previous", "--tail=100"}
			if t := f.troubles[0]; t.container != "" {
				args = append(args, "-c", t.container)
			}
			add("its last words", args...)
		}
		if f.class == ClassProbe {
			add("what the probe asks for, and how it fails", "describe", "pod", pod)
		}
	case ClassImage, ClassNotReady, ClassPending:
		if pod != "" {
			add("the whole message, and since when", "describe", "pod", pod)
		}
	case ClassMisconfigured:
		if named {
			add("whether it is there, and which keys it has", "describe", kind, name)
		} else if pod != "" {
			add("the whole message", "describe", "pod", pod)
		}
	case ClassQuota:
		if named && kind == "resourcequota" {
			add("how much is used of what", "describe", "quota", name)
		} else {
			add("what the namespace allows", "describe", "quota,limitrange")
		}
	case ClassAdmission:
		add("who refuses the pods", "get", "events", "--field-selector", "reason=FailedCreate")
	case ClassRollout:
		add("the conditions of the rollout", "describe", l.self())
	case ClassSelector, ClassTargetPort:
		add("the labels that the pods bear", "get", "pods", "--show-labels")
		add("the selector, the ports and the endpoints", "describe", "service", name)
	case ClassNode:
		if named && name != "" {
			l.ns = ""
			add("whether the node reports, and what it complains about", "describe", "node", name)
		}
	case ClassTerminating:
		if pod != "" {
			add("who set the finalizer, and since when it is deleted", "get", "pod", pod, "-o", "yaml")
		} else {
			add("who set the finalizer", "get", l.self(), "-o", "yaml")
		}
	case ClassDependency:
		if parts := strings.Split(f.culprit, "/"); len(parts) == 3 {
			add("what is to be cured first", "describe", parts[1]+"/"+parts[2])
		}
	case ClassJob:
		add("why it failed", "logs", l.self(), "--tail=100")
	case ClassCapacity:
		add("what it measures and what it wants", "describe", "hpa", name)
	case ClassNetworkPolicy:
		add("who may come in", "describe", "networkpolicy", name)
	}
}

// undo names the way back that fits whoever owns the template.
func (j *judge) undo(l line, f finding, refused string, add, not func(string, ...string), do *[]Command) {
	older := l.w.proven()
	switch refused {
	case "":
		if older != nil && older.number > 0 {
			add("the newest revision whose pods are ready now", "rollout", "undo", l.self(), "--to-revision="+itoa(older.number))
		} else {
			add("find the number of the revision "+older.words()+", whose pods are ready now, then undo to it", "rollout", "history", l.self())
		}
	case "helm-managed":
		release := l.w.Annotations["meta.helm.sh/release-name"]
		if release != "" {
			*do = append(*do, Command{"helm history " + shellWord(release) + " -n " + shellWord(l.ns), "which release was good"})
			*do = append(*do, Command{"helm rollback " + shellWord(release) + " REVISION -n " + shellWord(l.ns), "so that Helm knows of it"})
		}
	case "gitops-managed":
		*do = append(*do, Command{"git revert COMMIT", "in the repository that the cluster follows; a change by hand is put back within minutes"})
	}
	not("it goes to the revision before the current one, which after a restart is the broken one again", "rollout", "undo", l.self())
	not("the same template starts again", "rollout", "restart", l.self())
}

// avoid names what looks like a cure and does harm, per class.
func (j *judge) avoid(l line, f finding, not func(string, ...string)) {
	switch f.class {
	case ClassImage:
		if !f.stray { // that one is made anew from another template
			not("the new pod asks for the same image", "delete", "pod", f.pod())
		}
	case ClassMisconfigured, ClassProbe:
		not("it cannot bring back what is missing, and takes away what still serves", "rollout", "restart", l.self())
	case ClassPending, ClassQuota:
		not("nothing is removed to make room", "delete", "pod", "OTHER-POD")
	case ClassAdmission:
		l.ns = ""
		not("who set the check up must say so: it protects more than this workload", "delete", "validatingwebhookconfiguration", "NAME")
	case ClassSelector, ClassTargetPort:
		_, name, _ := strings.Cut(f.culprit, "/")
		not("recoveryd never patches a Service: which of the two sides is wrong only people know", "patch", "service", name, "-p", "...")
	case ClassNode:
		not("the node may still run it: two of one pod damage data", "delete", "pod", f.pod(), "--force", "--grace-period=0")
	case ClassTerminating:
		not("what the finalizer is for would be left undone", "patch", "pod", f.pod(), "-p", `{"metadata":{"finalizers":null}}`)
	case ClassDependency:
		not("it would start without what it needs", "rollout", "restart", l.self())
	case ClassJob:
		not("its controller counts its tries; a Job is made anew by whoever made it", "delete", "pod", "-l", "job-name="+l.w.Name)
	case ClassCapacity:
		not("the autoscaler puts the number back within seconds", "scale", l.self(), "--replicas=N")
	case ClassNetworkPolicy:
		not("it may be meant: recoveryd opens no network", "delete", "networkpolicy", "NAME")
	case ClassCrashLoop, ClassNotReady:
		if len(f.troubles) > 0 {
			not("the kubelet may still run it, and a StatefulSet's data may be damaged", "delete", "pod", f.pod(), "--force", "--grace-period=0")
		}
	}
}

// memoryLimit names the container that is killed for memory and its limit; has is false when it has none of its own.
func memoryLimit(f finding) (container string, limit resource.Quantity, has bool) {
	if len(f.troubles) == 0 {
		return "", limit, false
	}
	t := f.troubles[0]
	for _, c := range slices.Concat(t.pod.Spec.Containers, t.pod.Spec.InitContainers) {
		if c.Name == t.container {
			limit, has = c.Resources.Limits["memory"]
			return c.Name, limit, has
		}
	}
	return t.container, limit, false
}
