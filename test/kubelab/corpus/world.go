package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/test/kubelab"
)

// object is one object of the API as it is sent and received.
type object = map[string]any

// stage is what all situations share: nodes, a webhook that says no, and its configuration.
type stage struct {
	*kubelab.Cluster
	webhook *httptest.Server
}

func (s *stage) close() { s.webhook.Close() }

// setStage makes the nodes. Each special one is only for pods that ask for it by its pool.
func setStage(ctx context.Context, c *kubelab.Cluster) (*stage, error) {
	s := &stage{Cluster: c}
	pool := func(name string) object { return object{"labels": object{"pool": name}} }
	// Nobody takes the pods of a recorded situation away, so that there must be room for all of them.
	large := object{"cpu": "500", "memory": "900Gi", "pods": "5000"}
	room := object{"allocatable": large, "capacity": large}
	for name, more := range map[string]object{
		"node-a":      {"metadata": pool("general"), "status": room},
		"node-b":      {"metadata": pool("general"), "status": room},
		"node-c":      {"metadata": pool("general"), "status": room},
		"node-gpu":    {"metadata": pool("gpu"), "spec": object{"taints": []any{object{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}}}},
		"node-cordon": {"metadata": pool("cordoned"), "spec": object{"unschedulable": true}},
		"node-full":   {"metadata": pool("full"), "status": object{"allocatable": object{"cpu": "8", "memory": "32Gi", "pods": "0"}, "capacity": object{"cpu": "8", "memory": "32Gi", "pods": "0"}}},
		"node-single": {"metadata": pool("single")},
	} {
		if err := c.Node(ctx, name, more); err != nil {
			return nil, err
		}
	}
	// It answers every review with no; and one that nobody listens for.
	s.webhook = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct{ Request struct{ UID string } }
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(object{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
			"response": object{"uid": review.Request.UID, "allowed": false, "status": object{"message": "image registry.example/web:1.4.2 has no signature"}}})
	}))
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer away.Close()
	for name, url := range map[string]string{"denies": s.webhook.URL, "away": "https://" + away.Addr().String()} {
		if err := c.Create(ctx, "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", object{
			"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": object{"name": name},
			"webhooks": []any{object{"name": name + ".policy.example.com", "sideEffects": "None", "admissionReviewVersions": []any{"v1"}, "timeoutSeconds": 2,
				"clientConfig":      object{"url": url + "/validate", "caBundle": pemOf(s.webhook.Certificate().Raw)},
				"rules":             []any{object{"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"pods"}}},
				"namespaceSelector": object{"matchLabels": object{"webhook": name}}}}}, nil); err != nil {
			return nil, err
		}
	}
	if err := c.Create(ctx, "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", object{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": object{"name": "owner-label"},
		"spec": object{"failurePolicy": "Fail", "matchConstraints": object{"resourceRules": []any{object{"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"pods"}}}},
			"validations": []any{object{"expression": "'team' in object.metadata.labels", "message": "every pod needs the label team"}}}}, nil); err != nil {
		return nil, err
	}
	if err := c.Create(ctx, "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings", object{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": object{"name": "owner-label"},
		"spec": object{"policyName": "owner-label", "validationActions": []any{"Deny"}, "matchResources": object{"namespaceSelector": object{"matchLabels": object{"policy": "owner-label"}}}}}, nil); err != nil {
		return nil, err
	}
	return s, s.resizers(ctx)
}

// resizers makes the API of the VerticalPodAutoscaler known, which is no part of Kubernetes itself.
func (s *stage) resizers(ctx context.Context) error {
	if err := s.Create(ctx, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", object{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": object{"name": "verticalpodautoscalers.autoscaling.k8s.io", "annotations": object{"api-approved.kubernetes.io": "unapproved, of the tests"}},
		"spec": object{"group": "autoscaling.k8s.io", "scope": "Namespaced", "names": object{"kind": "VerticalPodAutoscaler", "plural": "verticalpodautoscalers", "singular": "verticalpodautoscaler"},
			"versions": []any{object{"name": "v1", "served": true, "storage": true,
				"schema": object{"openAPIV3Schema": object{"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}}, nil); err != nil {
		return err
	}
	return s.Wait(ctx, func() bool { return s.Get(ctx, "/apis/autoscaling.k8s.io/v1/verticalpodautoscalers", nil) == nil })
}

// collections are where the objects of a kind are, and in which order a record has them.
var collections = []struct{ kind, apiVersion, path string }{
	{"Deployment", "apps/v1", "/apis/apps/v1/namespaces/%s/deployments"},
	{"StatefulSet", "apps/v1", "/apis/apps/v1/namespaces/%s/statefulsets"},
	{"DaemonSet", "apps/v1", "/apis/apps/v1/namespaces/%s/daemonsets"},
	{"ReplicaSet", "apps/v1", "/apis/apps/v1/namespaces/%s/replicasets"},
	{"Job", "batch/v1", "/apis/batch/v1/namespaces/%s/jobs"},
	{"CronJob", "batch/v1", "/apis/batch/v1/namespaces/%s/cronjobs"},
	{"Pod", "v1", "/api/v1/namespaces/%s/pods"},
	{"Service", "v1", "/api/v1/namespaces/%s/services"},
	{"EndpointSlice", "discovery.k8s.io/v1", "/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices"},
	{"HorizontalPodAutoscaler", "autoscaling/v2", "/apis/autoscaling/v2/namespaces/%s/horizontalpodautoscalers"},
	{"PodDisruptionBudget", "policy/v1", "/apis/policy/v1/namespaces/%s/poddisruptionbudgets"},
	{"VerticalPodAutoscaler", "autoscaling.k8s.io/v1", "/apis/autoscaling.k8s.io/v1/namespaces/%s/verticalpodautoscalers"},
	{"ResourceQuota", "v1", "/api/v1/namespaces/%s/resourcequotas"},
	{"LimitRange", "v1", "/api/v1/namespaces/%s/limitranges"},
	{"PersistentVolumeClaim", "v1", "/api/v1/namespaces/%s/persistentvolumeclaims"},
	{"NetworkPolicy", "networking.k8s.io/v1", "/apis/networking.k8s.io/v1/namespaces/%s/networkpolicies"},
	{"Event", "v1", "/api/v1/namespaces/%s/events"},
}

// world is the namespace of one situation while it is made.
type world struct {
	*stage
	ctx       context.Context
	ns        string
	now       time.Time
	ages      map[string]time.Duration // by uid: when the record shall say that it was made
	deletions map[string]time.Duration // by uid: how long ago its grace had ended, or will (negative)
	nodes     []string                 // nodes that belong into the record
	namespace bool                     // the namespace itself belongs into the record
	withhold  []string                 // kinds that the record leaves out, as a person who gave only a part
	raw       bool                     // the record keeps everything that the server says, as `kubectl get -o yaml` does
	ips       int
	paused    bool
}

// failure is what ends the making of a situation; record recovers it.
type failure struct{ err error }

func (w *world) must(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// until waits for something that a controller does.
func (w *world) until(what string, done func() bool) {
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			w.must(fmt.Errorf("waited a minute for %s", what))
		case <-w.ctx.Done():
			w.must(w.ctx.Err())
		case <-tick.C:
		}
	}
}

func (w *world) path(kind string, name ...string) string {
	i := slices.IndexFunc(collections, func(c struct{ kind, apiVersion, path string }) bool { return c.kind == kind })
	if i < 0 {
		w.must(fmt.Errorf("no collection of kind %s", kind))
	}
	return strings.Join(append([]string{fmt.Sprintf(collections[i].path, w.ns)}, name...), "/")
}

// create makes an object of the namespace; opts change it first.
func (w *world) create(kind, name string, spec object, opts ...opt) object {
	i := slices.IndexFunc(collections, func(c struct{ kind, apiVersion, path string }) bool { return c.kind == kind })
	o := object{"apiVersion": collections[i].apiVersion, "kind": kind, "metadata": object{"name": name, "namespace": w.ns}, "spec": spec}
	for _, opt := range opts {
		opt(o)
	}
	var got object
	w.must(w.Create(w.ctx, w.path(kind), o, &got))
	w.age(got, 20*24*time.Hour)
	return got
}

func (w *world) get(kind, name string) object {
	var got object
	w.must(w.Get(w.ctx, w.path(kind, name), &got))
	return got
}

func (w *world) list(kind string) []object {
	var got struct{ Items []object }
	w.must(w.Get(w.ctx, w.path(kind), &got))
	return got.Items
}

// change applies opts to an object as it is now.
func (w *world) change(kind, name string, opts ...opt) object {
	for {
		o := w.get(kind, name)
		for _, opt := range opts {
			opt(o)
		}
		var got object
		err := w.Do(w.ctx, http.MethodPut, w.path(kind, name), "application/json", o, &got)
		var refused *kubelab.Refused
		if errors.As(err, &refused) && refused.Code == http.StatusConflict { // a controller was faster
			continue
		}
		w.must(err)
		return got
	}
}

// status writes a part of an object's status, as its controller or kubelet would.
func (w *world) status(kind, name string, status object) {
	w.must(w.Patch(w.ctx, w.path(kind, name)+"/status", kubelab.MergePatch, object{"status": status}, nil))
}

func (w *world) delete(kind, name string, body object) {
	w.must(w.Delete(w.ctx, w.path(kind, name), body))
}

// age says when the record shall say that the object was made.
func (w *world) age(o object, d time.Duration) { w.ages[at(o, "metadata.uid").(string)] = d }

// deletedSince says how long ago the record shall say that the grace of a deleted object had ended; negative: it has not.
func (w *world) deletedSince(o object, d time.Duration) { w.deletions[text(o, "metadata.uid")] = d }

// opt changes an object before it is sent.
type opt func(object)

// set puts a value at a path of keys and indices: "spec.template.spec.containers.0.image". Maps on the way are made.
func set(path string, value any) opt {
	return func(o object) {
		keys := strings.Split(path, ".")
		var here any = o
		for i, key := range keys {
			key = strings.ReplaceAll(key, "|", ".") // a dot inside of a key
			last := i == len(keys)-1
			switch h := here.(type) {
			case object:
				if last {
					if value == nil {
						delete(h, key)
					} else {
						h[key] = value
					}
					return
				}
				if h[key] == nil {
					h[key] = object{}
				}
				here = h[key]
			case []any:
				n, err := strconv.Atoi(key)
				if err != nil || n >= len(h) {
					panic(failure{fmt.Errorf("set %s: no item %s", path, key)})
				}
				if last {
					h[n] = value
					return
				}
				here = h[n]
			default:
				panic(failure{fmt.Errorf("set %s: %s is no map", path, key)})
			}
		}
	}
}

// at reads the value at a path; nil when there is none.
func at(o object, path string) any {
	var here any = o
	for _, key := range strings.Split(path, ".") {
		switch h := here.(type) {
		case object:
			here = h[strings.ReplaceAll(key, "|", ".")]
		case []any:
			n, err := strconv.Atoi(key)
			if err != nil || n >= len(h) {
				return nil
			}
			here = h[n]
		default:
			return nil
		}
	}
	return here
}

func text(o object, path string) string { s, _ := at(o, path).(string); return s }

func number(o object, path string) int { f, _ := at(o, path).(float64); return int(f) }

func name(o object) string { return text(o, "metadata.name") }
