package kubernetes

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes/api"
)

// Kinds of target, in the words of the API.
const (
	kindDeployment  = "Deployment"
	kindStatefulSet = "StatefulSet"
	kindDaemonSet   = "DaemonSet"
	kindReplicaSet  = "ReplicaSet"
	kindJob         = "Job"
	kindPod         = "Pod"
	kindService     = "Service"
)

// workload is one target with everything that hangs on it, whatever its kind. Numbers are what its controller reports;
// known says that the controller's object was shown, and not only its pods.
type workload struct {
	kind string
	api.Meta
	known      bool
	template   *api.PodTemplate // nil when the controller was not shown
	selector   *api.Selector
	wanted     int32
	ready      int32
	updated    int32
	available  int32
	observed   int64
	paused     bool
	conditions []api.Condition
	pods       []*api.Pod
	revisions  []revision // of a Deployment, newest first
	services   []service
	maxSurge   bool  // a rollout makes additional pods first
	mayMiss    int32 // so many pods may be missing while a rollout is under way
	manual     bool  // a person rolls updates on: OnDelete, or a partition that holds some pods back
	job        *api.Job
	set        *api.StatefulSet
}

// revision is one version of a Deployment's template: a ReplicaSet.
type revision struct {
	number int64
	name   string
	hash   string
	ready  int32
	since  time.Time
}

// service is a Service that is meant for a workload, with the endpoints that stand behind it.
type service struct {
	*api.Service
	matches   bool // its selector matches the workload's template
	shown     bool // its endpoints were shown
	ready     int  // addresses that get traffic
	waiting   int  // addresses that are known and not ready
	noPort    bool // the slices list addresses but no port
	addresses int
}

// id names the target as people do: NAMESPACE/KIND/NAME.
func (w *workload) id() string {
	return namespaced(w.Namespace, strings.ToLower(w.kind)+"/"+w.Name)
}

func namespaced(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

func (w *workload) condition(kind string) (api.Condition, bool) {
	i := slices.IndexFunc(w.conditions, func(c api.Condition) bool { return c.Type == kind })
	if i < 0 {
		return api.Condition{}, false
	}
	return w.conditions[i], true
}

// current is the newest revision's hash; "" when it cannot be told.
func (w *workload) current() string {
	if len(w.revisions) == 0 {
		return ""
	}
	return w.revisions[0].hash
}

// isNew reports that the pod is of the newest revision while an older one is still there: a rollout is under way.
func (w *workload) isNew(p *api.Pod) bool {
	switch w.kind {
	case kindDeployment:
		return w.olderServing() != nil && p.Labels[api.TemplateHash] == w.current()
	case kindStatefulSet:
		st := w.set.Status
		return st.UpdateRevision != st.CurrentRevision && p.Labels[api.RevisionHash] == st.UpdateRevision
	case kindDaemonSet:
		return w.known && w.updated < w.wanted && p.Labels[api.RevisionHash] == w.current()
	}
	return false
}

// olderServing returns the older revision with the most ready pods; nil when none has any.
func (w *workload) olderServing() *revision {
	var best *revision
	for i := 1; i < len(w.revisions); i++ {
		if r := &w.revisions[i]; r.ready > 0 && (best == nil || r.ready > best.ready) {
			best = r
		}
	}
	return best
}

// stray reports that the pod is of a revision that is neither wanted nor on its way: the StatefulSet's template was put back
// while the pod was being updated. Its controller waits for such a pod to get ready and does not replace it (kubernetes
// #67250).
func (w *workload) stray(p *api.Pod) bool {
	if w.kind != kindStatefulSet || w.set == nil {
		return false
	}
	st, hash := w.set.Status, p.Labels[api.RevisionHash]
	return hash != "" && st.UpdateRevision != "" && st.UpdateRevision == st.CurrentRevision && hash != st.UpdateRevision && !podReady(p)
}

// proven is the revision that the workload may be undone to; nil when there is none. The ledger of what recoveryd's own
// probe saw is the daemon's: from objects alone, pods that are ready at this moment are the proof.
func (w *workload) proven() *revision {
	list := make([]Revision, len(w.revisions))
	for i, r := range w.revisions {
		list[i] = Revision{Number: r.number, Name: r.name, Hash: r.hash, Ready: r.ready, Current: i == 0}
	}
	chosen, _, ok := ProvenRevision(list, nil)
	if !ok {
		return nil
	}
	i := slices.IndexFunc(list, func(r Revision) bool { return r == chosen })
	return &w.revisions[i]
}

// workloads makes one view per target, in the order of namespace, kind and name.
func workloads(o *Objects) []*workload {
	var list []*workload
	owners := map[string]*workload{} // by uid
	add := func(w *workload, meta api.Meta, conditions []api.Condition) {
		w.Meta, w.conditions = meta, conditions
		list = append(list, w)
		if meta.UID != "" {
			owners[string(meta.UID)] = w
		}
		owners[w.id()] = w
	}
	for i := range o.Deployments {
		d := &o.Deployments[i]
		// The API's defaults: a quarter of a Deployment's pods, one of a StatefulSet's or DaemonSet's.
		missing := api.IntOrString{Text: "25%"}
		if r := d.Spec.Strategy.RollingUpdate; r != nil && r.MaxUnavailable != nil {
			missing = *r.MaxUnavailable
		}
		w := &workload{kind: kindDeployment, known: true, mayMiss: missing.Of(orOne(d.Spec.Replicas)), template: &d.Spec.Template, selector: d.Spec.Selector, wanted: orOne(d.Spec.Replicas),
			ready: d.Status.Ready, updated: d.Status.Updated, available: d.Status.Available, observed: d.Status.ObservedGeneration,
			paused: d.Spec.Paused, maxSurge: d.Spec.Strategy.Type != api.Recreate && !zeroSurge(d)}
		add(w, d.Meta, d.Status.Conditions)
	}
	for i := range o.StatefulSets {
		s := &o.StatefulSets[i]
		w := &workload{kind: kindStatefulSet, known: true, mayMiss: 1, template: &s.Spec.Template, selector: s.Spec.Selector, wanted: orOne(s.Spec.Replicas),
			ready: s.Status.Ready, updated: s.Status.Updated, available: s.Status.Available, observed: s.Status.ObservedGeneration, set: s}
		if u := s.Spec.Update; u.Type == api.OnDelete ||
			u.RollingUpdate != nil && u.RollingUpdate.Partition > 0 {
			w.manual = true
		}
		add(w, s.Meta, nil)
	}
	for i := range o.DaemonSets {
		d := &o.DaemonSets[i]
		missing := api.IntOrString{Number: 1}
		if r := d.Spec.Update.RollingUpdate; r != nil && r.MaxUnavailable != nil {
			missing = *r.MaxUnavailable
		}
		w := &workload{kind: kindDaemonSet, known: true, mayMiss: max(missing.Of(d.Status.Wanted), 1), template: &d.Spec.Template, selector: d.Spec.Selector, wanted: d.Status.Wanted,
			ready: d.Status.Ready, updated: d.Status.Updated, available: d.Status.Available, observed: d.Status.ObservedGeneration,
			manual: d.Spec.Update.Type == api.OnDelete}
		add(w, d.Meta, nil)
	}
	for i := range o.Jobs {
		j := &o.Jobs[i]
		add(&workload{kind: kindJob, known: true, template: &j.Spec.Template, selector: nil, wanted: 1, job: j}, j.Meta,
			j.Status.Conditions)
	}
	placeReplicaSets(o, owners, add)
	placePods(o, owners, &list)
	for _, w := range list {
		w.nameRevisions(o)
	}
	placeServices(o, &list)
	slices.SortStableFunc(list, func(a, b *workload) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.kind, b.kind), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// placeReplicaSets gives each ReplicaSet to its Deployment as a revision; one without an owner is a target itself, and
// one whose Deployment was not shown stands for it.
func placeReplicaSets(o *Objects, owners map[string]*workload, add func(*workload, api.Meta, []api.Condition)) {
	for i := range o.ReplicaSets {
		r := &o.ReplicaSets[i]
		conditions := r.Status.Conditions
		owner := r.Controller()
		if owner == nil {
			add(&workload{kind: kindReplicaSet, known: true, template: &r.Spec.Template, selector: r.Spec.Selector, wanted: orOne(r.Spec.Replicas),
				ready: r.Status.Ready, updated: r.Status.Replicas, available: r.Status.Available, observed: r.Status.ObservedGeneration}, r.Meta, conditions)
			continue
		}
		w := ownerOf(owner, r.Namespace, owners)
		if w == nil {
			w = &workload{kind: owner.Kind, selector: r.Spec.Selector}
			add(w, api.Meta{Name: owner.Name, Namespace: r.Namespace, UID: owner.UID}, nil)
		}
		number, _ := strconv.ParseInt(r.Annotations["deployment.kubernetes.io/revision"], 10, 64)
		w.revisions = append(w.revisions, revision{number, r.Name, r.Labels[api.TemplateHash], r.Status.Ready, r.CreationTimestamp})
		if !w.known {
			w.wanted, w.ready = w.wanted+orOne(r.Spec.Replicas), w.ready+r.Status.Ready
		}
		if r.Spec.Replicas == nil || *r.Spec.Replicas > 0 {
			w.conditions = append(w.conditions, conditions...) // ReplicaFailure stands here first
		}
		if w.template == nil {
			w.template = &r.Spec.Template
		}
	}
}

func ownerOf(ref *api.OwnerReference, namespace string, owners map[string]*workload) *workload {
	if w := owners[string(ref.UID)]; w != nil && ref.UID != "" {
		return w
	}
	return owners[namespaced(namespace, strings.ToLower(ref.Kind)+"/"+ref.Name)]
}

// placePods gives each pod to the target that owns it. Who owns it stands in its owner references; a ReplicaSet that was
// not shown is named after its Deployment and the template's hash.
func placePods(o *Objects, owners map[string]*workload, list *[]*workload) {
	sets := map[string]*workload{}
	for i := range o.ReplicaSets {
		if ref := o.ReplicaSets[i].Controller(); ref != nil {
			sets[namespaced(o.ReplicaSets[i].Namespace, o.ReplicaSets[i].Name)] = ownerOf(ref, o.ReplicaSets[i].Namespace, owners)
		}
	}
	for i := range o.Pods {
		p := &o.Pods[i]
		kind, name := kindPod, p.Name
		var w *workload
		if ref := p.Controller(); ref != nil {
			kind, name = ref.Kind, ref.Name
			w = ownerOf(ref, p.Namespace, owners)
			if w == nil && ref.Kind == kindReplicaSet {
				if w = sets[namespaced(p.Namespace, ref.Name)]; w == nil {
					if hash := p.Labels[api.TemplateHash]; hash != "" {
						kind, name = kindDeployment, strings.TrimSuffix(ref.Name, "-"+hash)
						w = owners[namespaced(p.Namespace, "deployment/"+name)]
					}
				}
			}
			if kind == "Node" { // a static pod of the kubelet's
				kind, name = kindPod, p.Name
			}
		}
		if w == nil {
			w = &workload{kind: kind, Meta: api.Meta{Name: name, Namespace: p.Namespace}, selector: &api.Selector{MatchLabels: p.Labels}}
			if kind == kindPod {
				w.Meta, w.known = p.Meta, true
				w.template = &api.PodTemplate{Meta: p.Meta, Spec: p.Spec}
			}
			owners[w.id()] = w
			*list = append(*list, w)
		}
		if !w.known || w.kind == kindPod {
			if p.DeletionTimestamp == nil && p.Status.Phase != api.PodSucceeded {
				w.wanted++
			}
			if podReady(p) {
				w.ready++
			}
		}
		w.pods = append(w.pods, p)
	}
}

// nameRevisions sorts the revisions, newest first. Without ReplicaSets the hashes of the pods serve, by age.
func (w *workload) nameRevisions(o *Objects) {
	switch {
	case w.kind == kindDeployment && len(w.revisions) == 0, w.kind == kindDaemonSet:
		key := api.TemplateHash
		if w.kind == kindDaemonSet {
			key = api.RevisionHash
		}
		byHash := map[string]*revision{}
		for _, p := range w.pods {
			hash := p.Labels[key]
			r := byHash[hash]
			if r == nil {
				r = &revision{hash: hash}
				byHash[hash] = r
			}
			if p.CreationTimestamp.After(r.since) {
				r.since = p.CreationTimestamp
			}
			if podReady(p) {
				r.ready++
			}
		}
		for _, r := range byHash {
			w.revisions = append(w.revisions, *r)
		}
	}
	slices.SortFunc(w.revisions, func(a, b revision) int {
		return cmp.Or(cmp.Compare(b.number, a.number), b.since.Compare(a.since), cmp.Compare(a.name, b.name))
	})
}

// placeServices finds for every Service the workload that it is meant for: the one whose pods its selector matches; else,
// since a wrong selector is what is looked for, the one that shares labels with it or bears its name.
func placeServices(o *Objects, list *[]*workload) {
	for i := range o.Services {
		s := &o.Services[i]
		if len(s.Spec.Selector) == 0 || s.Spec.Type == api.ExternalName {
			continue // whoever made it without a selector keeps its endpoints by hand
		}
		view := service{Service: s, shown: o.Shown("EndpointSlice")}
		for j := range o.Slices {
			slice := &o.Slices[j]
			if slice.Namespace != s.Namespace || slice.Labels["kubernetes.io/service-name"] != s.Name {
				continue
			}
			view.noPort = view.noPort || len(slice.Ports) == 0 && len(slice.Endpoints) > 0
			for _, e := range slice.Endpoints {
				view.addresses++
				if e.Conditions.Ready == nil || *e.Conditions.Ready {
					view.ready++
				} else {
					view.waiting++
				}
			}
		}
		selector := &api.Selector{MatchLabels: s.Spec.Selector}
		var best *workload
		score := 0
		for _, w := range *list {
			if w.Namespace != s.Namespace || w.kind == kindJob || w.kind == kindService {
				continue
			}
			podLabels := w.podLabels()
			if podLabels != nil && selector.Matches(podLabels) {
				matched := view
				matched.matches = true
				w.services = append(w.services, matched)
				best, score = nil, -1
				continue
			}
			if score < 0 {
				continue
			}
			points := 0
			if w.Name == s.Name {
				points += 10
			}
			for k, v := range s.Spec.Selector {
				if podLabels[k] == v {
					points += 2
				} else if _, has := podLabels[k]; has {
					points++
				}
			}
			if points > score {
				best, score = w, points
			}
		}
		switch {
		case score < 0:
		case best != nil && score >= 2: // one label's key alone is no likeness: most workloads bear "app"
			best.services = append(best.services, view)
		default:
			w := &workload{kind: kindService, Meta: s.Meta, known: true, selector: selector, services: []service{view}}
			*list = append(*list, w)
		}
	}
}

// podLabels are the labels that the workload's pods bear.
func (w *workload) podLabels() map[string]string {
	if w.template != nil {
		return w.template.Labels
	}
	if len(w.pods) > 0 {
		return w.pods[0].Labels
	}
	return nil
}

// zeroSurge: the Deployment replaces pods in place and needs no room for more.
func zeroSurge(d *api.Deployment) bool {
	r := d.Spec.Strategy.RollingUpdate
	return r != nil && r.MaxSurge != nil && (r.MaxSurge.Number == 0 && r.MaxSurge.Text == "" || r.MaxSurge.Text == "0%")
}

func orOne(n *int32) int32 {
	if n == nil {
		return 1 // the API's default for replicas
	}
	return *n
}

func podReady(p *api.Pod) bool {
	c := podCondition(p, api.Ready)
	return c != nil && c.Status == api.True && p.DeletionTimestamp == nil
}

func podCondition(p *api.Pod, kind string) *api.Condition {
	i := slices.IndexFunc(p.Status.Conditions, func(c api.Condition) bool { return c.Type == kind })
	if i < 0 {
		return nil
	}
	return &p.Status.Conditions[i]
}
