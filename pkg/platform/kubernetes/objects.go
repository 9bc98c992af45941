package kubernetes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes/api"
)

// Objects is what is known of a cluster, as somebody read it from the API server: in any mix and order, of one or
// several namespaces. A kind that is not there was not shown, which is not the same as "there is none": see [Objects.Shown].
// The zero value holds nothing. It is not changed after [Read] and may be used concurrently.
type Objects struct {
	Deployments  []api.Deployment
	StatefulSets []api.StatefulSet
	DaemonSets   []api.DaemonSet
	ReplicaSets  []api.ReplicaSet
	Jobs         []api.Job
	Pods         []api.Pod
	Services     []api.Service
	Slices       []api.EndpointSlice
	Nodes        []api.Node
	Namespaces   []api.Namespace
	Quotas       []api.ResourceQuota
	Budgets      []api.DisruptionBudget
	Policies     []api.NetworkPolicy
	Autoscalers  []api.Autoscaler
	Resizers     []api.Resizer
	Events       []event

	// Unused names what was in the files and says nothing to the judgement, each once: "ConfigMap".
	Unused []string

	unread map[string]string // kinds that could not be read, and why
	shown  map[string]bool   // kinds that were in the files, also as an empty list
	newest time.Time
}

// event is an Event of either API group.
type event struct {
	kind, namespace, name string // the object that it is about
	reason, note          string
	last                  time.Time
	count                 int32
}

// Shown reports whether objects of that kind ("Pod", "ReplicaSet") were among what was read, an empty list included.
func (o *Objects) Shown(kind string) bool { return o.shown[kind] }

// Unread notes that objects of that kind were asked for and could not be had, and why: "forbidden". That is not the same as
// a kind that nobody asked for: a guard that needs it then holds, since what is not known may be a reason not to act.
func (o *Objects) Unread(kind, why string) {
	if o.unread == nil {
		o.unread = map[string]string{}
	}
	o.unread[kind] = why
}

// NotRead lists the kinds that could not be read, each with why, in their order.
func (o *Objects) NotRead() []string {
	var list []string
	for kind, why := range o.unread {
		list = append(list, kind+": "+why)
	}
	slices.Sort(list)
	return list
}

// Newest is the latest moment that any of the objects names: when the files were made, as nearly as they tell. The zero
// time when they name none.
func (o *Objects) Newest() time.Time { return o.newest }

// maxFile bounds one file: the pods of a cluster of 5,000 take some 60 MB.
const maxFile = 256 << 20

// Read adds the objects of one file to o: what `kubectl get ... -o yaml` or `-o json` prints, one object, a list, or
// several documents one after the other. The name is for errors, which say what is wrong with which document and what
// to do; objects read before an error stay.
func (o *Objects) Read(name string, r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", name, err)
	case len(text) > maxFile:
		return fmt.Errorf("%s is larger than %d MiB: give the objects of one namespace (kubectl get ... -n NAMESPACE -o yaml)", name, maxFile>>20)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if len(bytes.TrimSpace(text)) == 0 {
		return fmt.Errorf("%s is empty: nothing was found, or kubectl wrote its error elsewhere", name)
	}
	docs := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for n := 1; ; n++ {
		var doc json.RawMessage
		err := docs.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: document %d is neither YAML nor JSON: %w%s", name, n, err, tableHint(text))
		}
		if len(doc) == 0 || string(doc) == "null" {
			continue
		}
		if err := o.add(doc); err != nil {
			return fmt.Errorf("%s: document %d: %w%s", name, n, err, tableHint(text))
		}
	}
}

// tableHint helps somebody who gave what kubectl prints for people.
func tableHint(text []byte) string {
	first, _, _ := strings.Cut(string(text), "\n")
	if strings.HasPrefix(first, "NAME") || strings.HasPrefix(first, "Name:") || strings.HasPrefix(first, "LAST SEEN") {
		return " (this is kubectl's output for people: give what -o yaml or -o json prints)"
	}
	return ""
}

// add takes one object or a list of them.
func (o *Objects) add(doc json.RawMessage) error {
	var head struct {
		Kind, APIVersion string
		Items            []json.RawMessage
	}
	if err := json.Unmarshal(doc, &head); err != nil {
		return fmt.Errorf("no Kubernetes object: %w", err)
	}
	if head.Kind == "" || head.APIVersion == "" {
		return errors.New("no Kubernetes object: it has no apiVersion and kind")
	}
	if kind, isList := strings.CutSuffix(head.Kind, "List"); isList {
		o.show(kind)
		for i, item := range head.Items {
			// Items of a typed list (PodList) may leave out their own kind.
			if typed, err := withKind(item, head.APIVersion, kind); err != nil {
				return fmt.Errorf("item %d of the list: %w", i+1, err)
			} else if err := o.add(typed); err != nil {
				return fmt.Errorf("item %d of the list: %w", i+1, err)
			}
		}
		return nil
	}
	if head.Kind == "Status" {
		var s api.Status
		_ = json.Unmarshal(doc, &s)
		return fmt.Errorf("the API server's error, not an object: %s", s.Message)
	}
	group, _, hasGroup := strings.Cut(head.APIVersion, "/")
	if !hasGroup {
		group = ""
	}
	return o.take(group, head.Kind, doc)
}

// withKind adds kind and apiVersion to an item that has none.
func withKind(item json.RawMessage, apiVersion, kind string) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(item, &fields); err != nil {
		return nil, err
	}
	if fields == nil {
		return nil, errors.New("it is null, not an object")
	}
	if fields["kind"] != nil || kind == "" {
		return item, nil
	}
	fields["kind"], _ = json.Marshal(kind)
	fields["apiVersion"], _ = json.Marshal(apiVersion)
	return json.Marshal(fields)
}

func (o *Objects) show(kind string) {
	if kind == "" {
		return
	}
	if o.shown == nil {
		o.shown = map[string]bool{}
	}
	o.shown[kind] = true
}

// take decodes one object of a kind that is judged; other kinds are named in Unused. An object that was given twice (the
// same file twice, or two `get`s) counts once, the later one.
func (o *Objects) take(group, kind string, doc json.RawMessage) error {
	o.show(kind)
	o.date(doc)
	switch group + "/" + kind {
	case "apps/Deployment":
		return decodeInto(doc, &o.Deployments, func(d *api.Deployment) *api.Meta { return &d.Meta })
	case "apps/StatefulSet":
		return decodeInto(doc, &o.StatefulSets, func(s *api.StatefulSet) *api.Meta { return &s.Meta })
	case "apps/DaemonSet":
		return decodeInto(doc, &o.DaemonSets, func(d *api.DaemonSet) *api.Meta { return &d.Meta })
	case "apps/ReplicaSet":
		return decodeInto(doc, &o.ReplicaSets, func(r *api.ReplicaSet) *api.Meta { return &r.Meta })
	case "batch/Job":
		return decodeInto(doc, &o.Jobs, func(j *api.Job) *api.Meta { return &j.Meta })
	case "/Pod":
		return decodeInto(doc, &o.Pods, func(p *api.Pod) *api.Meta { return &p.Meta })
	case "/Service":
		return decodeInto(doc, &o.Services, func(s *api.Service) *api.Meta { return &s.Meta })
	case "/Node":
		return decodeInto(doc, &o.Nodes, func(n *api.Node) *api.Meta { return &n.Meta })
	case "/Namespace":
		return decodeInto(doc, &o.Namespaces, func(n *api.Namespace) *api.Meta { return &n.Meta })
	case "/ResourceQuota":
		return decodeInto(doc, &o.Quotas, func(q *api.ResourceQuota) *api.Meta { return &q.Meta })
	case "policy/PodDisruptionBudget":
		return decodeInto(doc, &o.Budgets, func(b *api.DisruptionBudget) *api.Meta { return &b.Meta })
	case "networking.k8s.io/NetworkPolicy":
		return decodeInto(doc, &o.Policies, func(p *api.NetworkPolicy) *api.Meta { return &p.Meta })
	case "autoscaling/HorizontalPodAutoscaler": // v1 and v2 have scaleTargetRef, minReplicas and maxReplicas in the same places
		return decodeInto(doc, &o.Autoscalers, func(h *api.Autoscaler) *api.Meta { return &h.Meta })
	case "autoscaling.k8s.io/VerticalPodAutoscaler":
		return decodeInto(doc, &o.Resizers, func(r *api.Resizer) *api.Meta { return &r.Meta })
	case "discovery.k8s.io/EndpointSlice":
		return decodeInto(doc, &o.Slices, func(s *api.EndpointSlice) *api.Meta { return &s.Meta })
	case "/Endpoints":
		return o.takeEndpoints(doc)
	case "/Event", "events.k8s.io/Event":
		return o.takeEvent(doc)
	default:
		if !slices.Contains(o.Unused, kind) {
			o.Unused = append(o.Unused, kind)
		}
		return nil
	}
}

func decodeInto[T any](doc json.RawMessage, list *[]T, meta func(*T) *api.Meta) error {
	var v T
	if err := json.Unmarshal(doc, &v); err != nil {
		return err
	}
	m := meta(&v)
	if m.Name == "" {
		return errors.New("the object has no metadata.name: give what the API server returned (kubectl get), not a file that is still to be applied")
	}
	for i := range *list {
		if old := meta(&(*list)[i]); old.Namespace == m.Namespace && old.Name == m.Name {
			(*list)[i] = v
			return nil
		}
	}
	*list = append(*list, v)
	return nil
}

// takeEndpoints reads the older form of an EndpointSlice.
func (o *Objects) takeEndpoints(doc json.RawMessage) error {
	var e api.Endpoints
	if err := json.Unmarshal(doc, &e); err != nil {
		return err
	}
	s := api.EndpointSlice{Meta: e.Meta}
	s.Labels = map[string]string{api.ServiceLabel: e.Name}
	for _, subset := range e.Subsets {
		s.Ports = append(s.Ports, subset.Ports...)
		for ready, list := range map[bool][]api.EndpointAddress{true: subset.Addresses, false: subset.NotReady} {
			for _, a := range list {
				e := api.Endpoint{Addresses: []string{a.IP}, TargetRef: a.TargetRef}
				e.Conditions.Ready = &ready
				s.Endpoints = append(s.Endpoints, e)
			}
		}
	}
	o.show("EndpointSlice")
	o.Slices = append(o.Slices, s)
	return nil
}

// takeEvent reads an Event of core/v1 (involvedObject, message, lastTimestamp) or of events.k8s.io/v1 (regarding, note,
// series), which the API server serves as two views of one thing.
func (o *Objects) takeEvent(doc json.RawMessage) error {
	var e struct {
		InvolvedObject, Regarding api.ObjectReference
		Reason, Message, Note     string
		LastTimestamp             *time.Time `json:"lastTimestamp"`
		DeprecatedLastTimestamp   *time.Time `json:"deprecatedLastTimestamp"`
		EventTime                 *time.Time `json:"eventTime"`
		Count, DeprecatedCount    int32
		Series                    *struct {
			Count            int32
			LastObservedTime time.Time `json:"lastObservedTime"`
		}
	}
	if err := json.Unmarshal(doc, &e); err != nil {
		return err
	}
	about, note := e.InvolvedObject, e.Message
	if about.Name == "" {
		about = e.Regarding
	}
	if note == "" {
		note = e.Note
	}
	got := event{kind: about.Kind, namespace: about.Namespace, name: about.Name, reason: e.Reason, note: note, count: max(e.Count, e.DeprecatedCount, 1)}
	for _, t := range []*time.Time{e.LastTimestamp, e.DeprecatedLastTimestamp} {
		if t != nil && t.After(got.last) {
			got.last = *t
		}
	}
	if e.EventTime != nil && e.EventTime.After(got.last) {
		got.last = *e.EventTime
	}
	if e.Series != nil {
		got.count = max(got.count, e.Series.Count)
		if e.Series.LastObservedTime.After(got.last) {
			got.last = e.Series.LastObservedTime
		}
	}
	o.Events = append(o.Events, got)
	return nil
}

// date remembers the latest moment that the object names. A time that is planned (deletionTimestamp is the end of the
// grace, not its begin) says nothing about now; nor does what people wrote into annotations.
func (o *Objects) date(doc json.RawMessage) {
	var any map[string]json.RawMessage
	if json.Unmarshal(doc, &any) != nil {
		return
	}
	delete(any, "spec")
	rest, _ := json.Marshal(any)
	dec := json.NewDecoder(bytes.NewReader(rest))
	key := ""
	for {
		tok, err := dec.Token()
		if err != nil {
			return
		}
		text, ok := tok.(string)
		if !ok {
			key = ""
			continue
		}
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil && timeKeys[key] && t.After(o.newest) {
			o.newest = t
		}
		key = text
	}
}

// timeKeys are the fields whose value is a moment that has passed.
var timeKeys = map[string]bool{
	"creationTimestamp": true, "time": true, "lastTransitionTime": true, "lastUpdateTime": true, "lastProbeTime": true, "lastHeartbeatTime": true,
	"startTime": true, "startedAt": true, "finishedAt": true, "completionTime": true, "lastTimestamp": true, "firstTimestamp": true, "eventTime": true,
	"lastObservedTime": true, "lastScaleTime": true, "lastScheduleTime": true, "lastSuccessfulTime": true, "renewTime": true,
	"deprecatedLastTimestamp": true,
}
