package main

import (
	"cmp"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"time"
)

const day = 24 * time.Hour

// container is the container of most workloads: a server with a readiness probe and a limit. What says nothing is left out,
// since it would stand in each of the corpus' pods and ReplicaSets.
func container(more ...opt) object {
	c := object{"name": "server", "image": "registry.example/web:1.4.2",
		"ports":          []any{object{"name": "http", "containerPort": 3000}},
		"resources":      object{"limits": object{"memory": "256Mi"}},
		"readinessProbe": object{"httpGet": object{"path": "/readyz", "port": "http"}, "periodSeconds": 5}}
	for _, m := range more {
		m(c)
	}
	return c
}

// template is a pod template whose pods no kwok plays: the situation writes their status. The scheduler keeps its pods on
// the general nodes, unless the situation asks for others.
func template(app string, more ...opt) object {
	return object{"metadata": object{"labels": object{"app": app}, "annotations": object{"kubelab/by-hand": "yes"}},
		"spec": object{"automountServiceAccountToken": false, "nodeSelector": object{"pool": "general"}, "containers": []any{container(more...)}}}
}

func (w *world) deployment(name string, replicas int, opts ...opt) {
	w.create("Deployment", name, object{"replicas": replicas, "selector": object{"matchLabels": object{"app": name}}, "template": template(name)}, opts...)
}

func (w *world) statefulSet(name string, replicas int, opts ...opt) {
	w.create("StatefulSet", name, object{"replicas": replicas, "serviceName": name, "selector": object{"matchLabels": object{"app": name}}, "template": template(name)}, opts...)
}

func (w *world) daemonSet(name string, opts ...opt) {
	w.create("DaemonSet", name, object{"selector": object{"matchLabels": object{"app": name}}, "template": template(name)}, opts...)
}

func (w *world) job(name string, opts ...opt) {
	t := template(name, set("readinessProbe", nil), set("ports", nil))
	set("spec.restartPolicy", "Never")(t)
	w.create("Job", name, object{"template": t}, opts...)
}

func (w *world) service(name string, opts ...opt) {
	w.create("Service", name, object{"selector": object{"app": name}, "ports": []any{object{"name": "http", "port": 80, "targetPort": "http"}}}, opts...)
}

// Shorthands for what situations change most.
func image(v string) opt           { return set("spec.template.spec.containers.0.image", v) }
func annotation(k, v string) opt   { return func(o object) { put(o, "annotations", k, v) } }
func label(k, v string) opt        { return func(o object) { put(o, "labels", k, v) } }
func inPod(path string, v any) opt { return set("spec.template.spec."+path, v) }
func inServer(p string, v any) opt { return set("spec.template.spec.containers.0."+p, v) }
func env(k, v string) opt          { return inServer("env", []any{object{"name": k, "value": v}}) }
func pool(name string) opt         { return inPod("nodeSelector", object{"pool": name}) }

// restarted is what `kubectl rollout restart` writes.
func restarted(ago time.Duration) opt {
	return set("spec.template.metadata.annotations.kubectl|kubernetes|io/restartedAt", recorded.Add(-ago).Format(time.RFC3339))
}

// put adds one annotation or label, whose key may have dots.
func put(o object, what, k, v string) {
	meta := o["metadata"].(object)
	m, _ := meta[what].(object)
	if m == nil {
		m = object{}
		meta[what] = m
	}
	m[k] = v
}

// pods waits until the owner has n pods and returns them by name. Of a Deployment only those of its newest revision count.
func (w *world) pods(kind, owner string, n int) []object {
	var got []object
	w.until(fmt.Sprintf("%d pods of %s/%s", n, kind, owner), func() bool {
		got = w.podsNow(kind, owner)
		return len(got) == n
	})
	return got
}

func (w *world) podsNow(kind, owner string) []object {
	o := w.get(kind, owner)
	uid := text(o, "metadata.uid")
	if kind == "Deployment" {
		set := w.newest(owner)
		if set == nil || number(o, "status.observedGeneration") < number(o, "metadata.generation") {
			return nil
		}
		uid = text(set, "metadata.uid")
	}
	got := slices.DeleteFunc(w.list("Pod"), func(p object) bool {
		return text(p, "metadata.ownerReferences.0.uid") != uid
	})
	slices.SortFunc(got, func(a, b object) int { return cmp.Compare(name(a), name(b)) })
	return got
}

// newest is the Deployment's newest ReplicaSet; nil when there is none.
func (w *world) newest(deployment string) object {
	uid := text(w.get("Deployment", deployment), "metadata.uid")
	var best object
	revision := -1
	for _, s := range w.list("ReplicaSet") {
		n, _ := strconv.Atoi(text(s, "metadata.annotations.deployment|kubernetes|io/revision"))
		if text(s, "metadata.ownerReferences.0.uid") == uid && n > revision {
			best, revision = s, n
		}
	}
	return best
}

// well makes a workload and lets its pods be ready.
func (w *world) well(name string, replicas int, opts ...opt) {
	w.deployment(name, replicas, opts...)
	w.each("Deployment", name, replicas, ready(2*day))
}

// each gives all pods of the owner the same state.
func (w *world) each(kind, owner string, n int, s state) []object {
	list := w.pods(kind, owner, n)
	for _, p := range list {
		w.put(p, s)
	}
	if kind == "Deployment" {
		w.age(w.newest(owner), 20*day)
	}
	return list
}

// roll changes the Deployment's template and gives the pods of the new revision, of which there will be n, a state. The
// older pods stay as they are.
func (w *world) roll(owner string, n int, s state, opts ...opt) []object {
	was := text(w.newest(owner), "metadata.uid")
	w.change("Deployment", owner, opts...)
	w.until("a new revision of "+owner, func() bool { return text(w.newest(owner), "metadata.uid") != was })
	list := w.pods("Deployment", owner, n)
	for _, p := range list {
		w.put(p, s)
	}
	w.age(w.newest(owner), 20*time.Minute)
	return list
}

// ordered lets a StatefulSet come up: its next pod is made when the one before is ready.
func (w *world) ordered(name string, n int, states ...state) []object {
	for i := range n {
		w.until(fmt.Sprintf("pod %d of statefulset %s", i, name), func() bool { return len(w.podsNow("StatefulSet", name)) > i })
		s := ready(2 * day)
		if i < len(states) && states[i] != nil {
			s = states[i]
		}
		w.put(w.podsNow("StatefulSet", name)[i], s)
	}
	return w.podsNow("StatefulSet", name)
}

// event writes an event as a component of Kubernetes would.
func (w *world) event(about object, kind, reason, message string, ago time.Duration, count int) {
	when := w.now.Add(-ago).UTC().Format(time.RFC3339)
	w.must(w.Create(w.ctx, w.path("Event"), object{"apiVersion": "v1", "kind": "Event",
		"metadata":       object{"generateName": name(about) + ".", "namespace": w.ns},
		"involvedObject": object{"apiVersion": text(about, "apiVersion"), "kind": kind, "namespace": w.ns, "name": name(about), "uid": text(about, "metadata.uid")},
		"type":           "Warning", "reason": reason, "message": message, "count": count, "firstTimestamp": w.now.Add(-ago - time.Duration(count-1)*time.Minute).UTC().Format(time.RFC3339), "lastTimestamp": when,
		"source": object{"component": "kubelet", "host": text(about, "spec.nodeName")}}, nil))
}

// scheduledOr waits until the scheduler has said something about each of the pods.
func (w *world) unschedulable(kind, owner string, n int) {
	w.until("the scheduler's word on "+owner, func() bool {
		said := 0
		for _, p := range w.podsNow(kind, owner) {
			conditions, _ := at(p, "status.conditions").([]any)
			for _, c := range conditions {
				if c := c.(object); c["type"] == "PodScheduled" && c["status"] == "False" {
					said++
				}
			}
			w.age(p, 15*time.Minute)
		}
		return said >= n
	})
}

func pemOf(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}) }
