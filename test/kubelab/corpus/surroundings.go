package main

import (
	"time"

	"github.com/recoveryd/recoveryd/test/kubelab"
)

func (w *world) quota(name string, hard object, opts ...opt) {
	w.create("ResourceQuota", name, object{"hard": hard}, opts...)
	w.until("the quota's status", func() bool { return at(w.get("ResourceQuota", name), "status.hard") != nil })
}

// resizer makes a VerticalPodAutoscaler for web.
func (w *world) resizer(mode string) {
	w.create("VerticalPodAutoscaler", web, object{"targetRef": object{"apiVersion": "apps/v1", "kind": dep, "name": web}, "updatePolicy": object{"updateMode": mode}})
}

func unscheduled() []situation {
	pending := func(cause, culprit string) answer {
		return answer{verdict: "unhealthy", class: "pending", action: "page", because: cause, culprit: culprit}
	}
	none := func(opts ...opt) func(*world) {
		return func(w *world) {
			w.deployment(web, 2, opts...)
			w.unschedulable(dep, web, 2)
		}
	}
	huge := inServer("resources", object{"requests": object{"cpu": "100m", "memory": "9000Gi"}})
	claim := inPod("volumes", []any{object{"name": "data", "persistentVolumeClaim": object{"claimName": "data"}}})
	return []situation{
		{name: "pending-memory", title: "no node has so much memory", want: pending("too little memory is free", "capacity"), make: none(huge)},
		{name: "pending-cpu", title: "no node has so many processors", want: pending("too little cpu is free", "capacity"), make: none(inServer("resources", object{"requests": object{"cpu": "6400"}}))},
		{name: "pending-gpu", title: "no node has the device", want: pending("too little nvidia.com/gpu is free", "capacity"),
			make: none(inServer("resources", object{"limits": object{"nvidia.com/gpu": "1"}}))},
		{name: "pending-node-selector", title: "no node has the label that the pods ask for", want: pending("its node selector or affinity matches no node", "node selector"), make: none(pool("nowhere"))},
		{name: "pending-taint", title: "the node that fits has a taint", want: pending("taints that the pod does not tolerate", ""), make: none(pool("gpu"))},
		{name: "pending-cordon", title: "the node that fits is cordoned", want: pending("cordoned", ""), make: none(pool("cordoned"))},
		{name: "pending-node-full", title: "the node that fits holds as many pods as it may", want: pending("as many pods as they may", ""), make: none(pool("full"))},
		{name: "pending-claim-missing", title: "the volume claim does not exist", want: pending("its volume claim does not exist", "persistentvolumeclaim/data"), make: none(claim)},
		{name: "pending-claim-unbound", title: "the volume claim has no volume", want: pending("claim", "volume claim"),
			make: func(w *world) {
				w.create("PersistentVolumeClaim", "data", object{"accessModes": []any{"ReadWriteOnce"}, "storageClassName": "fast", "resources": object{"requests": object{"storage": "10Gi"}}})
				none(claim)(w)
			}},
		{name: "pending-anti-affinity", title: "four pods that must each have a node of their own, and three nodes", want: answer{verdict: "degraded", class: "pending", action: "page", because: "anti-affinity"},
			make: func(w *world) {
				w.deployment(web, 4, inPod("affinity", object{"podAntiAffinity": object{"requiredDuringSchedulingIgnoredDuringExecution": []any{object{"topologyKey": "kubernetes.io/hostname", "labelSelector": object{"matchLabels": object{"app": web}}}}}}))
				w.threeOfFour()
			}},
		{name: "pending-spread", title: "four pods that must be spread over hosts, of which only three take them", want: answer{verdict: "degraded", class: "pending", action: "page", because: "topology spread"},
			make: func(w *world) {
				w.deployment(web, 4, inPod("topologySpreadConstraints", []any{object{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 7,
					"labelSelector": object{"matchLabels": object{"app": web}}, "nodeAffinityPolicy": "Honor"}}))
				w.threeOfFour()
			}},
		{name: "pending-host-port", title: "a second pod wants the same port of the one node that fits", want: answer{verdict: "degraded", class: "pending", action: "page", because: "host port"},
			make: func(w *world) {
				w.deployment(web, 2, pool("single"), inServer("ports", []any{object{"name": "http", "containerPort": 3000, "hostPort": 3000}}))
				w.unschedulable(dep, web, 1)
				for _, p := range w.podsNow(dep, web) {
					if text(p, "spec.nodeName") != "" {
						w.put(p, ready(2*day))
					}
				}
			}},
		{name: "pending-new-revision", title: "the new revision asks for more than any node has, and the old one serves", want: answer{verdict: "degraded", class: "pending", action: "page", because: "older one serves"},
			make: func(w *world) {
				w.well(web, 3)
				w.change(dep, web, huge)
				w.unschedulable(dep, web, 1)
				w.age(w.newest(web), 15*minute)
			}},
		{name: "pending-affinity", title: "the pods want to be beside a pod that is nowhere", want: pending("affinity", ""),
			make: none(inPod("affinity", object{"podAffinity": object{"requiredDuringSchedulingIgnoredDuringExecution": []any{object{"topologyKey": "kubernetes.io/hostname", "labelSelector": object{"matchLabels": object{"app": "cache"}}}}}}))},
		{name: "pending-gated", title: "a scheduling gate keeps the pods back: that is meant", want: answer{verdict: "unknown", class: "pending", action: "none", refused: "operator-intent"},
			make: func(w *world) {
				w.deployment(web, 2, inPod("schedulingGates", []any{object{"name": "example.com/quota-approval"}}))
				w.until("the gated pods", func() bool { return len(w.podsNow(dep, web)) == 2 })
			}},
		{name: "pending-claim-waits", title: "a claim that waits for its first user is no trouble of a workload that does not use it", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.well(web, 2)
				w.create("PersistentVolumeClaim", "later", object{"accessModes": []any{"ReadWriteOnce"}, "storageClassName": "fast", "resources": object{"requests": object{"storage": "10Gi"}}})
			}},
		{name: "creating-sandbox", title: "the node cannot make the pods' network", want: answer{verdict: "unhealthy", class: "node", action: "page", refused: "node-suspect", because: "network"},
			make: func(w *world) {
				w.some(w.webOf(2), 2, creating(8*minute, note{"FailedCreatePodSandBox", `Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "5f2c": plugin type="calico" failed (add): error getting ClusterInformation: connection is unauthorized`, 20 * time.Second, 30}), nil)
			}},
		{name: "creating-volume-attached-elsewhere", title: "the volume is still attached to another node", want: answer{verdict: "unhealthy", class: "node", action: "page", refused: "node-suspect", because: "Multi-Attach"},
			make: func(w *world) {
				w.some(w.webOf(1), 1, creating(8*minute, note{"FailedAttachVolume", `Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node and can't be attached to another`, 2 * minute, 1}), nil)
			}},
		{name: "creating-too-long", title: "a pod is being created for twenty minutes, and no event says why", want: answer{verdict: "degraded", class: "node", action: "page", refused: "node-suspect"},
			make: func(w *world) { w.some(w.webOf(3), 1, creating(20*minute), ready(2*day)) }},
		{name: "creating-just-now", title: "a pod is being created for 20 seconds", want: answer{verdict: "degraded", class: "unknown", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) { w.some(w.webOf(3), 1, creating(20*time.Second), ready(2*day)) }},
		{name: "creating-mount-late", title: "a mount failed once while the pod was being created, half a minute ago", want: answer{verdict: "degraded", class: "unknown", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) {
				w.some(w.webOf(3), 1, creating(40*time.Second, note{"FailedMount", `MountVolume.SetUp failed for volume "kube-api-access-x" : failed to sync configmap cache: timed out waiting for the condition`, 35 * time.Second, 1}), ready(2*day))
			}},
	}
}

// threeOfFour waits until three of four pods have a node, and lets them be ready.
func (w *world) threeOfFour() {
	w.unschedulable(dep, web, 1)
	for _, p := range w.podsNow(dep, web) {
		if text(p, "spec.nodeName") != "" {
			w.put(p, ready(2*day))
		}
	}
}

// noPods makes a Deployment whose pods are refused, and waits for its controller's word.
func (w *world) noPods(opts ...opt) {
	w.deployment(web, 2, opts...)
	w.failsToCreate()
}

func (w *world) failsToCreate() {
	w.until("the controller's word on the pods that it cannot make", func() bool {
		for _, c := range conditions(w.get(dep, web)) {
			if c["type"] == "ReplicaFailure" && c["status"] == "True" {
				return true
			}
		}
		return false
	})
}

func conditions(o object) []object {
	list, _ := at(o, "status.conditions").([]any)
	out := make([]object, len(list))
	for i := range list {
		out[i] = list[i].(object)
	}
	return out
}

// labelled sets a label of the namespace.
func (w *world) labelled(key, value string) {
	w.must(w.Patch(w.ctx, "/api/v1/namespaces/"+w.ns, kubelab.MergePatch, object{"metadata": object{"labels": object{key: value}}}, nil))
	// The API server's own caches know of it a moment later: then it refuses a pod.
	w.until("the admission check to know of the label", func() bool {
		pod := template("try")
		pod["apiVersion"], pod["kind"] = "v1", "Pod"
		pod["metadata"].(object)["name"] = "try"
		return w.Create(w.ctx, w.path("Pod")+"?dryRun=All", pod, nil) != nil
	})
}

func refusedPods() []situation {
	refused := func(class, culprit, words string) answer {
		return answer{verdict: "unhealthy", class: class, action: "page", culprit: culprit, because: words}
	}
	return []situation{
		{name: "quota-pods", title: "the quota allows no pod at all", want: refused("quota", "resourcequota/pods", "used up"),
			make: func(w *world) { w.quota("pods", object{"pods": "0"}); w.noPods() }},
		{name: "quota-half", title: "the quota allows one pod of two, which serves", want: answer{verdict: "degraded", class: "quota", action: "page", culprit: "resourcequota/pods"},
			make: func(w *world) {
				w.quota("pods", object{"pods": "1"})
				w.noPods()
				w.each(dep, web, 1, ready(2*day))
			}},
		{name: "quota-memory", title: "the quota of memory is used up", want: refused("quota", "resourcequota/compute", "used up"),
			make: func(w *world) { w.quota("compute", object{"limits.memory": "100Mi"}); w.noPods() }},
		{name: "quota-rollout", title: "the quota has room for the pods that run and for no rollout", want: answer{verdict: "degraded", class: "quota", action: "page", culprit: "resourcequota/pods"},
			make: func(w *world) {
				w.quota("pods", object{"pods": "2"})
				w.well(web, 2, set("spec.strategy", object{"type": "RollingUpdate", "rollingUpdate": object{"maxSurge": 1, "maxUnavailable": 0}}))
				w.change(dep, web, image("registry.example/web:1.5.0"))
				w.failsToCreate()
			}},
		{name: "quota-asks-for-limits", title: "the quota asks for limits that the pods do not name", want: refused("quota", "", "requests and limits"),
			make: func(w *world) {
				w.quota("compute", object{"limits.cpu": "4", "limits.memory": "4Gi"})
				w.noPods(inServer("resources", object{}))
			}},
		{name: "quota-statefulset", title: "the quota leaves no room for the StatefulSet's pod; only events say so",
			want: answer{target: "task-mcp/statefulset/web", verdict: "unhealthy", class: "quota", action: "page", culprit: "resourcequota/pods"},
			make: func(w *world) {
				w.quota("pods", object{"pods": "0"})
				w.statefulSet(web, 2)
				w.warned("StatefulSet", web)
			}},
		{name: "quota-tight-and-well", title: "the quota is used to its last pod, and all pods serve", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) { w.quota("pods", object{"pods": "2"}); w.well(web, 2) }},
		{name: "limit-range", title: "a LimitRange forbids so much memory", want: refused("quota", "limitrange", "LimitRange"),
			make: func(w *world) {
				w.create("LimitRange", "small", object{"limits": []any{object{"type": "Container", "max": object{"memory": "200Mi"}}}})
				w.noPods()
			}},
		{name: "pod-security", title: "the namespace's Pod Security level forbids the pods", want: refused("admission", "pod security", "Pod Security"),
			make: func(w *world) { w.labelled("pod-security.kubernetes.io/enforce", "restricted"); w.noPods() }},
		{name: "webhook-denies", title: "an admission webhook says no to the pods", want: refused("admission", "webhook/denies.policy.example.com", "no signature"),
			make: func(w *world) { w.labelled("webhook", "denies"); w.noPods() }},
		{name: "webhook-away", title: "an admission webhook does not answer", want: refused("admission", "webhook/away.policy.example.com", "does not answer"),
			make: func(w *world) { w.labelled("webhook", "away"); w.noPods() }},
		{name: "webhook-away-rollout", title: "a webhook does not answer, so that the new revision has no pod; the old one serves",
			want: answer{verdict: "degraded", class: "admission", action: "page", culprit: "webhook/away.policy.example.com"},
			make: func(w *world) {
				w.well(web, 3)
				w.labelled("webhook", "away")
				w.change(dep, web, image("registry.example/web:1.5.0"))
				w.failsToCreate()
			}},
		{name: "webhook-away-and-well", title: "a webhook does not answer, and all pods run already", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) { w.well(web, 2); w.labelled("webhook", "away") }},
		{name: "admission-policy", title: "an admission policy forbids pods without an owner", want: refused("admission", "admission policy", "label team"),
			make: func(w *world) { w.labelled("policy", "owner-label"); w.noPods() }},
		{name: "service-account-missing", title: "the pods' ServiceAccount does not exist", want: refused("misconfigured", "serviceaccount/web-runner", "ServiceAccount"),
			make: func(w *world) { w.noPods(inPod("serviceAccountName", "web-runner")) }},
	}
}

// warned waits for an event FailedCreate about the workload.
func (w *world) warned(kind, owner string) {
	w.until("the controller's warning", func() bool {
		for _, e := range w.list("Event") {
			if text(e, "involvedObject.kind") == kind && text(e, "involvedObject.name") == owner && e["reason"] == "FailedCreate" {
				return true
			}
		}
		return false
	})
}

func rollouts() []situation {
	return []situation{
		{name: "rollout-stuck-not-ready", title: "the new revision's pod does not get ready past the deadline, the old one serves",
			want: answer{verdict: "degraded", class: "not-ready", action: "undo", because: "older one serves"},
			make: func(w *world) {
				w.well(web, 3, set("spec.progressDeadlineSeconds", 2))
				w.roll(web, 1, notReady(15*minute, "Readiness probe failed: HTTP probe failed with statuscode: 503"), image("registry.example/web:1.5.0"))
				w.until("the deadline", func() bool {
					for _, c := range conditions(w.get(dep, web)) {
						if c["reason"] == "ProgressDeadlineExceeded" {
							return true
						}
					}
					return false
				})
			}},
		{name: "rollout-under-way", title: "a rollout goes on: one new pod is starting, the old ones serve", want: answer{verdict: "healthy", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) {
				w.well(web, 3)
				w.roll(web, 1, notReady(15*time.Second, ""), image("registry.example/web:1.5.0"))
			}},
		{name: "rollout-restart-under-way", title: "a person restarts the Deployment: one new pod is starting", want: answer{verdict: "healthy", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) { w.well(web, 3); w.roll(web, 1, notReady(10*time.Second, ""), restarted(minute)) }},
		{name: "rollout-created-just-now", title: "a Deployment was made a minute ago and its pods are starting",
			want: answer{verdict: "unknown", class: "unknown", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) {
				for _, p := range w.webOf(2) {
					w.put(p, notReady(20*time.Second, ""))
				}
				w.age(w.get(dep, web), minute)
				w.age(w.newest(web), minute)
			}},
		{name: "rollout-done", title: "a rollout is done: the old revision is at 0 and the new one serves", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.well(web, 1)
				was := w.pods(dep, web, 1)
				w.roll(web, 1, ready(10*minute), image("registry.example/web:1.5.0"))
				w.until("the old pod to be deleted", func() bool { return text(w.get("Pod", name(was[0])), "metadata.deletionTimestamp") != "" })
				w.delete("Pod", name(was[0]), object{"gracePeriodSeconds": 0})
			}},
		{name: "rollout-paused", title: "a person paused the rollout; all pods serve", want: answer{verdict: "healthy", action: "none", refused: "paused"},
			make: func(w *world) {
				w.well(web, 3)
				w.change(dep, web, set("spec.paused", true), image("registry.example/web:1.5.0"))
			}},
		{name: "rollout-paused-half-way", title: "a person paused the rollout in its middle: one new pod serves beside the old ones",
			want: answer{verdict: "healthy", action: "none", refused: "paused"},
			make: func(w *world) {
				w.well(web, 3, set("spec.minReadySeconds", 500))
				w.roll(web, 1, ready(2*minute), image("registry.example/web:1.5.0"))
				w.change(dep, web, set("spec.paused", true))
			}},
		{name: "rollout-paused-crash", title: "the new revision crashes, and a person paused the rollout to look at it", want: answer{verdict: "degraded", class: "crash-loop", action: "page", refused: "paused"},
			make: func(w *world) {
				w.well(web, 3)
				w.roll(web, 1, crash(1, 5, ""), image("registry.example/web:1.5.0"))
				w.change(dep, web, set("spec.paused", true))
			}},
		{name: "rollout-min-ready", title: "the new pod is ready and must stay so for ten minutes before the next is made", want: answer{verdict: "healthy", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) {
				w.well(web, 3, set("spec.minReadySeconds", 500))
				w.roll(web, 1, ready(2*minute), image("registry.example/web:1.5.0"))
			}},
		{name: "rollout-unseen", title: "somebody just changed the Deployment, and its controller has not seen it: the status is of an older one", alone: true,
			want: answer{verdict: "unknown", class: "unknown", action: "none", refused: "unknown-generation"},
			make: func(w *world) {
				w.some(w.webOf(3), 3, crash(1, 5, ""), nil)
				w.until("the status to be up to date", func() bool { return number(w.get(dep, web), "status.unavailableReplicas") == 3 })
				w.hang()
				w.change(dep, web, image("registry.example/web:1.5.1"))
			}},
		{name: "rollout-unseen-and-well", title: "the same, and all pods serve", alone: true, want: answer{verdict: "unknown", class: "unknown", action: "none", refused: "unknown-generation"},
			make: func(w *world) {
				w.well(web, 3)
				w.until("the status to be up to date", func() bool { return number(w.get(dep, web), "status.availableReplicas") == 3 })
				w.hang()
				w.change(dep, web, image("registry.example/web:1.5.1"))
			}},
	}
}

// hang stops the controllers until the situation is recorded.
func (w *world) hang() { w.paused = true; w.Pause() }

func readiness() []situation {
	const fails = "Readiness probe failed: HTTP probe failed with statuscode: 503"
	return []situation{
		{name: "not-ready-one", title: "one pod of three is not ready for twenty minutes", want: answer{verdict: "degraded", class: "not-ready", action: "delete-pod", because: "503"},
			make: func(w *world) { w.some(w.webOf(3), 1, notReady(20*minute, fails), ready(2*day)) }},
		{name: "not-ready-all", title: "no pod is ready for twenty minutes: what they need comes first", want: answer{verdict: "unhealthy", class: "not-ready", action: "page"},
			make: func(w *world) { w.some(w.webOf(3), 3, notReady(20*minute, fails), nil) }},
		{name: "not-ready-two", title: "two pods of three are not ready: that is no longer one bad pod", want: answer{verdict: "degraded", class: "not-ready", action: "page"},
			make: func(w *world) { w.some(w.webOf(3), 2, notReady(20*minute, fails), ready(2*day)) }},
		{name: "not-ready-dependency", title: "no pod is ready since the database is not", want: answer{target: "task-mcp/deployment/web", verdict: "unhealthy", class: "dependency", action: "none", culprit: "task-mcp/statefulset/postgres"},
			make: func(w *world) {
				w.some(w.webOf(3, env("DB_HOST", "postgres")), 3, notReady(20*minute, fails), nil)
				w.statefulSet("postgres", 1)
				w.service("postgres")
				w.ordered("postgres", 1, notReady(25*minute, "Readiness probe failed: 127.0.0.1:5432 - rejecting connections"))
			}},
		{name: "not-ready-dependency-off", title: "no pod is ready since somebody scaled the database to 0", want: answer{target: "task-mcp/deployment/web", verdict: "unhealthy", class: "dependency", action: "none", culprit: "task-mcp/statefulset/postgres"},
			make: func(w *world) {
				w.some(w.webOf(3, env("DB_HOST", "postgres")), 3, notReady(20*minute, fails), nil)
				w.statefulSet("postgres", 0)
				w.service("postgres")
			}},
		{name: "not-ready-gate", title: "the pods are well and wait for the load balancer's readiness gate", want: answer{verdict: "unhealthy", class: "not-ready", action: "page", culprit: "readiness gate target-health.elbv2.k8s.aws/web"},
			make: func(w *world) {
				gate := "target-health.elbv2.k8s.aws/web"
				list := w.webOf(2, inPod("readinessGates", []any{object{"conditionType": gate}}))
				for _, p := range list {
					w.put(p, with(ready(20*minute), func(w *world, _, s object) {
						for _, c := range s["conditions"].([]any) {
							if c := c.(object); c["type"] == "Ready" {
								c["status"], c["reason"], c["message"] = "False", "ReadinessGatesNotReady", `corresponding condition of pod readiness gate "`+gate+`" does not exist.`
							}
						}
					}))
				}
			}},
		{name: "not-ready-starting", title: "all pods are starting for 20 seconds", want: answer{verdict: "unknown", class: "unknown", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) { w.some(w.webOf(3), 3, notReady(20*time.Second, ""), nil) }},
		{name: "not-ready-slow-start", title: "a model is being loaded for six minutes, and the startup probe gives it ten", want: answer{verdict: "unknown", class: "unknown", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) {
				list := w.webOf(2, inServer("startupProbe", object{"httpGet": object{"path": "/healthz", "port": "http"}, "periodSeconds": 10, "failureThreshold": 60}))
				w.some(list, 2, notReady(6*minute, ""), nil)
			}},
		{name: "not-ready-one-starting", title: "a pod was replaced and is starting", want: answer{verdict: "degraded", class: "unknown", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) { w.some(w.webOf(3), 1, notReady(10*time.Second, ""), ready(2*day)) }},
	}
}

func services() []situation {
	return []situation{
		{name: "service-selector", title: "the Service's selector matches no pod", want: answer{verdict: "unhealthy", class: "selector", action: "page", culprit: "service/web", because: "app=webb"},
			make: func(w *world) { w.well(web, 3); w.service(web, set("spec.selector", object{"app": "webb"})) }},
		{name: "service-selector-two-labels", title: "one of two labels of the Service's selector is not on the pods", want: answer{verdict: "unhealthy", class: "selector", action: "page", culprit: "service/web"},
			make: func(w *world) {
				w.well(web, 3, set("spec.template.metadata.labels.tier", "frontend"))
				w.service(web, set("spec.selector", object{"app": web, "tier": "front"}))
			}},
		{name: "service-port-name", title: "the Service sends to a port by a name that the pods do not have", want: answer{verdict: "unhealthy", class: "target-port", action: "page", culprit: "service/web", because: `"web"`},
			make: func(w *world) {
				w.well(web, 3)
				w.service(web, set("spec.ports", []any{object{"name": "http", "port": 80, "targetPort": "web"}}))
			}},
		{name: "service-port-name-of-one", title: "one of two ports of the Service has no such name in the pods", want: answer{verdict: "unhealthy", class: "target-port", action: "page", culprit: "service/web", because: `"metrics"`},
			make: func(w *world) {
				w.well(web, 3)
				w.service(web, set("spec.ports", []any{object{"name": "http", "port": 80, "targetPort": "http"}, object{"name": "metrics", "port": 9090, "targetPort": "metrics"}}))
			}},
		{name: "service-port-number", title: "the Service sends to a number that the pods do not declare: they need not", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.well(web, 3)
				w.service(web, set("spec.ports", []any{object{"port": 80, "targetPort": 8080}}))
			}},
		{name: "service-no-selector", title: "a Service without a selector has its endpoints by hand", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) { w.well(web, 3); w.service(web); w.service("outside", set("spec.selector", nil)) }},
		{name: "service-external-name", title: "a Service that is only a name", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.well(web, 3)
				w.service("outside", set("spec", object{"type": "ExternalName", "externalName": "db.example.com"}))
			}},
		{name: "service-headless", title: "a headless Service that names pods that are not ready, too", want: answer{target: "task-mcp/statefulset/db", verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.statefulSet("db", 2)
				w.service("db", set("spec.clusterIP", "None"), set("spec.publishNotReadyAddresses", true))
				w.ordered("db", 2)
			}},
		{name: "service-two", title: "two Services for one workload, both with endpoints", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.well(web, 3)
				w.service(web)
				w.service("web-canary")
				w.change("Service", "web-canary", set("spec.selector", object{"app": web}))
			}},
		{name: "service-of-none", title: "a Service whose workload is not there", want: answer{target: "task-mcp/service/reports", verdict: "unhealthy", class: "selector", action: "page", culprit: "service/reports"},
			make: func(w *world) { w.well(web, 2); w.service("reports") }},
		{name: "service-stale-endpoints", title: "all pods are ready and the endpoints are of an earlier moment", alone: true, want: answer{verdict: "unknown", class: "unknown", action: "none", culprit: "service/web"},
			make: func(w *world) {
				w.some(w.webOf(2), 2, notReady(20*minute, ""), nil)
				w.until("the endpoints", func() bool {
					for _, s := range w.list("EndpointSlice") {
						if list, _ := s["endpoints"].([]any); len(list) == 2 {
							return true
						}
					}
					return false
				})
				w.hang()
				for _, p := range w.podsNow(dep, web) {
					s, _ := ready(20*minute)(w, p)
					delete(s, "podIP")
					delete(s, "podIPs")
					w.status("Pod", name(p), s)
				}
				w.status(dep, web, object{"readyReplicas": 2, "availableReplicas": 2, "unavailableReplicas": 0})
				w.status("ReplicaSet", name(w.newest(web)), object{"readyReplicas": 2, "availableReplicas": 2})
			}},
		{name: "network-policy-closed", title: "a NetworkPolicy lets nobody in: pods and endpoints look well", want: answer{verdict: "unknown", class: "network-policy", action: "page", culprit: "networkpolicy/deny-all"},
			make: func(w *world) {
				w.well(web, 3)
				w.service(web)
				w.create("NetworkPolicy", "deny-all", object{"podSelector": object{}, "policyTypes": []any{"Ingress"}})
			}},
		{name: "network-policy-open", title: "one NetworkPolicy closes everything and another opens the port again", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.well(web, 3)
				w.service(web)
				w.create("NetworkPolicy", "deny-all", object{"podSelector": object{}, "policyTypes": []any{"Ingress"}})
				w.create("NetworkPolicy", "web", object{"podSelector": object{"matchLabels": object{"app": web}}, "policyTypes": []any{"Ingress"}, "ingress": []any{object{"ports": []any{object{"port": 3000, "protocol": "TCP"}}}}})
			}},
		{name: "network-policy-egress", title: "a NetworkPolicy that is about what goes out", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.well(web, 3)
				w.service(web)
				w.create("NetworkPolicy", "no-egress", object{"podSelector": object{}, "policyTypes": []any{"Egress"}})
			}},
		{name: "network-policy-worker", title: "a NetworkPolicy lets nobody in to a worker that has no Service: that is meant", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.well(web, 3)
				w.create("NetworkPolicy", "deny-all", object{"podSelector": object{}, "policyTypes": []any{"Ingress"}})
			}},
	}
}

// lost makes a node that nobody plays, lets its pods be ready, and waits until the node controller finds it gone.
func (w *world) lost(name string) {
	w.must(w.Create(w.ctx, "/api/v1/nodes", object{"apiVersion": "v1", "kind": "Node", "metadata": object{"name": name, "labels": object{"pool": name, "kubernetes.io/hostname": name}},
		"status": object{"allocatable": object{"cpu": "8", "memory": "32Gi", "pods": "110"}, "capacity": object{"cpu": "8", "memory": "32Gi", "pods": "110"},
			"conditions": []any{object{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": w.when(0), "lastTransitionTime": w.when(2 * day)}}}}, nil))
	w.until("the node's taint for new nodes to go", func() bool {
		var n object
		w.must(w.Get(w.ctx, "/api/v1/nodes/"+name, &n))
		return at(n, "spec.taints") == nil
	})
	w.nodes = append(w.nodes, name)
}

func (w *world) gone(name string) {
	w.until("the node controller to find "+name+" gone", func() bool {
		var n object
		w.must(w.Get(w.ctx, "/api/v1/nodes/"+name, &n))
		for _, c := range conditions(n) {
			if c["type"] == "Ready" {
				return c["status"] == "Unknown"
			}
		}
		return false
	})
}

func nodes() []situation {
	suspect := func(verdict string) answer {
		return answer{verdict: verdict, class: "node", action: "page", refused: "node-suspect", because: "not ready"}
	}
	return []situation{
		{name: "node-gone-all", title: "the node with all pods does not report any more: they are left to the control plane", want: suspect("unhealthy"),
			make: func(w *world) {
				w.lost("node-x1")
				list := w.webOf(2, pool("node-x1"), inPod("tolerations", []any{object{"operator": "Exists"}}))
				w.some(list, 2, ready(2*day), nil)
				w.gone("node-x1")
				w.until("the pods to be marked", func() bool { return number(w.get(dep, web), "status.readyReplicas") == 0 })
			}},
		{name: "node-gone-one", title: "one pod of three stands on a node that is gone", want: suspect("degraded"),
			make: func(w *world) {
				w.lost("node-x2")
				w.deployment(web, 3, inPod("nodeSelector", nil), inPod("tolerations", []any{object{"operator": "Exists", "key": "node.kubernetes.io/unreachable"}}),
					inPod("affinity", object{"nodeAffinity": object{"requiredDuringSchedulingIgnoredDuringExecution": object{"nodeSelectorTerms": []any{object{"matchExpressions": []any{object{"key": "pool", "operator": "In", "values": []any{"general", "node-x2"}}}}}}}}),
					inPod("topologySpreadConstraints", []any{object{"maxSkew": 1, "topologyKey": "pool", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": object{"matchLabels": object{"app": web}}}}))
				w.each(dep, web, 3, ready(2*day))
				w.gone("node-x2")
				w.until("the pods to be marked", func() bool { return number(w.get(dep, web), "status.readyReplicas") < 3 })
			}},
		{name: "node-gone-crash", title: "pods crash on a node that is gone: what its kubelet last said is old", want: suspect("unhealthy"),
			make: func(w *world) {
				w.lost("node-x3")
				list := w.webOf(2, pool("node-x3"), inPod("tolerations", []any{object{"operator": "Exists"}}))
				w.some(list, 2, crash(1, 5, ""), nil)
				w.gone("node-x3")
			}},
		{name: "node-gone-evicting", title: "the node is gone and its pods are being deleted by the taint manager: nothing is force-deleted", want: answer{verdict: "unhealthy", class: "node", action: "page", refused: "node-suspect"},
			make: func(w *world) {
				w.lost("node-x4")
				list := w.webOf(1, pool("node-x4"), inPod("tolerations", []any{object{"operator": "Exists", "key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "tolerationSeconds": 1}}))
				w.some(list, 1, ready(2*day), nil)
				w.gone("node-x4")
				w.until("the pod to be deleted", func() bool { return text(w.get("Pod", name(list[0])), "metadata.deletionTimestamp") != "" })
				w.deletedSince(list[0], 10*minute)
				w.until("the replacement", func() bool { return len(w.podsNow(dep, web)) == 2 })
				for _, p := range w.podsNow(dep, web) {
					if name(p) != name(list[0]) {
						w.age(p, 9*minute)
					}
				}
			}},
		{name: "node-cordoned-and-well", title: "the pods' node is cordoned, and they serve", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.must(w.Node(w.ctx, "node-c1", object{"metadata": object{"labels": object{"pool": "node-c1"}}}))
				w.well(web, 2, pool("node-c1"))
				w.must(w.Patch(w.ctx, "/api/v1/nodes/node-c1", kubelab.MergePatch, object{"spec": object{"unschedulable": true}}, nil))
				w.nodes = append(w.nodes, "node-c1")
			}},
		{name: "node-drained", title: "a node is being drained: one pod is being evicted, its replacement starts", want: answer{verdict: "degraded", class: "unknown", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) {
				list := w.webOf(3)
				w.some(list, 3, ready(2*day), nil)
				w.evict(list[0])
				w.put(list[0], disrupted(ready(2*day), "EvictionByEvictionAPI", "Eviction API: evicting"))
				w.replacement(list, notReady(8*time.Second, ""))
			}},
		{name: "node-memory-pressure", title: "the node was short of memory and is well again; an evicted pod was replaced", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				list := w.webOf(2)
				w.some(list, 2, ready(2*day), nil)
				w.put(list[0], failed("Evicted", "The node was low on resource: memory.", 137))
				w.replacement(list, ready(20*minute))
			}},
		{name: "node-shutdown", title: "a node was shut down in good order, and the pod was replaced", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				list := w.webOf(2)
				w.some(list, 2, ready(2*day), nil)
				w.put(list[0], disrupted(failed("Terminated", "Pod was terminated in response to imminent node shutdown.", 143), "TerminationByKubelet", "Pod was terminated in response to imminent node shutdown."))
				w.replacement(list, ready(20*minute))
			}},
	}
}

func (w *world) evict(p object) {
	w.must(w.Create(w.ctx, w.path("Pod", name(p), "eviction"), object{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": object{"name": name(p), "namespace": w.ns}}, nil))
	w.deletedSince(p, -20*time.Second)
}

// replacement waits for the pod that the controller makes in place of one, and gives it a state.
func (w *world) replacement(before []object, s state) object {
	known := map[string]bool{}
	for _, p := range before {
		known[name(p)] = true
	}
	var fresh object
	w.until("the replacement", func() bool {
		for _, p := range w.podsNow(dep, web) {
			if !known[name(p)] {
				fresh = p
				return true
			}
		}
		return false
	})
	w.put(fresh, s)
	return fresh
}

func leaving() []situation {
	finalizer := set("spec.template.metadata.finalizers", []any{"example.com/drain"})
	return []situation{
		{name: "terminating-finalizer", title: "a deleted pod stays since nobody takes its finalizer away; its replacement serves",
			want: answer{verdict: "degraded", class: "terminating", action: "page", culprit: "finalizer example.com/drain"},
			make: func(w *world) {
				list := w.webOf(2, finalizer)
				w.some(list, 2, ready(2*day), nil)
				w.delete("Pod", name(list[0]), nil)
				w.put(list[0], succeeded)
				w.deletedSince(list[0], time.Hour)
				w.replacement(list, ready(time.Hour))
			}},
		{name: "terminating-stuck", title: "a deleted pod does not go, an hour past its grace, on a node that is well", want: answer{verdict: "degraded", class: "terminating", action: "page"},
			make: func(w *world) {
				list := w.webOf(2)
				w.some(list, 2, ready(2*day), nil)
				w.delete("Pod", name(list[0]), nil)
				w.deletedSince(list[0], time.Hour)
				w.replacement(list, ready(time.Hour))
			}},
		{name: "terminating-in-grace", title: "a deleted pod has half an hour of grace and uses it; its replacement serves", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				list := w.webOf(2, inPod("terminationGracePeriodSeconds", 1800))
				w.some(list, 2, ready(2*day), nil)
				w.delete("Pod", name(list[0]), nil)
				w.deletedSince(list[0], -25*minute)
				w.replacement(list, ready(5*minute))
			}},
		{name: "deleted-pod-by-a-person", title: "a person deleted a pod; its replacement is starting", want: answer{verdict: "degraded", class: "unknown", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) {
				list := w.webOf(3)
				w.some(list, 3, ready(2*day), nil)
				w.delete("Pod", name(list[0]), nil)
				w.deletedSince(list[0], -25*time.Second)
				w.replacement(list, notReady(3*time.Second, ""))
			}},
		{name: "deleted-workload", title: "a person deletes the Deployment, in the foreground", want: answer{verdict: "unknown", action: "none", refused: "operator-intent"},
			make: func(w *world) {
				w.well(web, 2)
				w.delete(dep, web, object{"propagationPolicy": "Foreground"})
				w.deletedSince(w.get(dep, web), 5*time.Second)
			}},
		{name: "deleted-workload-finalizer", title: "a Deployment was deleted an hour ago and a finalizer keeps it", want: answer{verdict: "unknown", class: "terminating", action: "page", refused: "operator-intent", culprit: "finalizer example.com/backup"},
			make: func(w *world) {
				w.deployment(web, 0, set("metadata.finalizers", []any{"example.com/backup"}))
				w.delete(dep, web, nil)
				w.deletedSince(w.get(dep, web), time.Hour)
			}},
		{name: "preempted", title: "a pod was preempted by a more important one, and its replacement is starting", want: answer{verdict: "degraded", class: "unknown", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) {
				list := w.webOf(3)
				w.some(list, 3, ready(2*day), nil)
				w.put(list[0], disrupted(ready(2*day), "PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod"))
				w.delete("Pod", name(list[0]), nil)
				w.deletedSince(list[0], -20*time.Second)
				w.replacement(list, creating(5*time.Second))
			}},
		{name: "scaled-down", title: "somebody scaled from four to two; two pods are going", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				list := w.webOf(4)
				w.some(list, 4, ready(2*day), nil)
				w.until("the status to be up to date", func() bool { return number(w.get(dep, web), "status.availableReplicas") == 4 })
				w.change(dep, web, set("spec.replicas", 2))
				w.until("two to be deleted", func() bool {
					n := 0
					for _, p := range w.podsNow(dep, web) {
						if text(p, "metadata.deletionTimestamp") != "" {
							n++
							w.deletedSince(p, -20*time.Second)
						}
					}
					return n == 2
				})
			}},
	}
}

func onPurpose() []situation {
	intent := answer{verdict: "healthy", action: "none", refused: "operator-intent"}
	hold := func(value string) opt { return annotation("recoveryd.dev/hold", value) }
	later, before := recorded.Add(2*time.Hour).Format(time.RFC3339), recorded.Add(-2*time.Hour).Format(time.RFC3339)
	return []situation{
		{name: "scaled-to-zero", title: "a person scaled the Deployment to 0", want: intent,
			make: func(w *world) { w.deployment(web, 0); w.service(web) }},
		{name: "scaled-to-zero-statefulset", title: "a person scaled the StatefulSet to 0", want: answer{target: "task-mcp/statefulset/db", verdict: "healthy", action: "none", refused: "operator-intent"},
			make: func(w *world) { w.statefulSet("db", 0); w.service("db") }},
		{name: "scaled-to-zero-bad-image", title: "a person scaled a Deployment with a wrong image to 0", want: intent, make: func(w *world) { w.deployment(web, 0, image("registry.example/web:missing")) }},
		{name: "hold-on-workload", title: "one pod crashes, and people hold the workload until later", want: answer{verdict: "degraded", class: "crash-loop", action: "page", refused: "maintenance"},
			make: func(w *world) { w.some(w.webOf(3, hold(later+"|moving the disk")), 1, crash(1, 9, ""), ready(2*day)) }},
		{name: "hold-is-over", title: "one pod crashes, and the hold is over", want: answer{verdict: "degraded", class: "crash-loop", action: "delete-pod"},
			make: func(w *world) { w.some(w.webOf(3, hold(before+"|moving the disk")), 1, crash(1, 9, ""), ready(2*day)) }},
		{name: "hold-cannot-be-read", title: "one pod crashes, and until when people hold it cannot be read: unknown refuses", want: answer{verdict: "degraded", class: "crash-loop", action: "page", refused: "maintenance"},
			make: func(w *world) { w.some(w.webOf(3, hold("until further notice")), 1, crash(1, 9, ""), ready(2*day)) }},
		{name: "hold-on-namespace", title: "one pod crashes, and people hold the whole namespace", want: answer{target: "task-mcp/deployment/web", verdict: "degraded", class: "crash-loop", action: "page", refused: "maintenance"},
			make: func(w *world) {
				w.namespace = true
				w.must(w.Patch(w.ctx, "/api/v1/namespaces/"+w.ns, kubelab.MergePatch, object{"metadata": object{"annotations": object{"recoveryd.dev/hold": later + "|cluster upgrade"}}}, nil))
				w.some(w.webOf(3), 1, crash(1, 9, ""), ready(2*day))
			}},
		{name: "hold-and-well", title: "people hold a workload that is well", want: answer{verdict: "healthy", action: "none", refused: "maintenance"}, make: func(w *world) { w.well(web, 2, hold(later+"|load test")) }},
		{name: "well", title: "three pods of three serve", want: answer{verdict: "healthy", action: "none"}, make: func(w *world) { w.some(w.webOf(3), 3, ready(2*day), nil) }},
		{name: "well-raw", title: "the same, with everything that the server says (managed fields, defaults)", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) { w.raw = true; w.some(w.webOf(1), 1, ready(2*day), nil) }},
		{name: "crash-raw", title: "a new revision crashes, with everything that the server says", want: answer{verdict: "degraded", class: "crash-loop", action: "undo"},
			make: func(w *world) {
				w.raw = true
				w.well(web, 1)
				w.roll(web, 1, crash(1, 5, stackTrace), image("registry.example/web:1.5.0"))
			}},
		{name: "well-init-done", title: "an init container is done, as it should be", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.some(w.webOf(2, inPod("initContainers", []any{object{"name": "migrate", "image": "registry.example/web:1.4.2"}})), 2, with(ready(2*day), func(w *world, _, s object) {
					s["initContainerStatuses"] = []any{object{"name": "migrate", "image": "registry.example/web:1.4.2", "imageID": "", "ready": true, "restartCount": 1, "state": w.ended(0, "Completed", "", 5*time.Second, 2*day)}}
				}), nil)
			}},
		{name: "well-native-sidecar", title: "a sidecar among the init containers runs, as it should", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.some(w.webOf(2, inPod("initContainers", []any{object{"name": "proxy", "image": "registry.example/proxy:3", "restartPolicy": "Always"}})), 2, with(ready(2*day), func(w *world, _, s object) {
					s["initContainerStatuses"] = []any{object{"name": "proxy", "image": "registry.example/proxy:3", "imageID": "", "ready": true, "started": true, "restartCount": 0, "state": w.running(2 * day)}}
				}), nil)
			}},
		{name: "well-one-pod", title: "one pod of one serves", want: answer{verdict: "healthy", action: "none"}, make: func(w *world) { w.well(web, 1); w.service(web) }},
		{name: "well-bare-pod-done", title: "a pod without a controller has done its work", want: answer{target: "task-mcp/pod/once", verdict: "healthy", action: "none"},
			make: func(w *world) {
				spec := template("once")["spec"].(object)
				spec["restartPolicy"] = "Never"
				p := w.create("Pod", "once", spec, func(o object) { o["metadata"].(object)["annotations"] = object{"kubelab/by-hand": "yes"} })
				w.put(p, succeeded)
			}},
		{name: "well-two-workloads-one-bad", title: "one workload crashes, and the one beside it is well", want: answer{target: "task-mcp/deployment/web", verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.well(web, 2)
				w.service(web)
				w.deployment("reports", 1)
				w.each(dep, "reports", 1, crash(1, 9, ""))
			}},
	}
}

func jobs() []situation {
	job := func(a answer) answer { a.target = "task-mcp/job/nightly"; return a }
	return []situation{
		{name: "job-failed", title: "a Job failed for good", want: job(answer{verdict: "unhealthy", class: "job", action: "page", refused: "job-pod", because: "BackoffLimitExceeded"}),
			make: func(w *world) {
				w.job("nightly", set("spec.backoffLimit", 0))
				w.each("Job", "nightly", 1, failed("", "", 1))
				w.jobSays("Failed")
			}},
		{name: "job-deadline", title: "a Job took longer than it may", want: job(answer{verdict: "unhealthy", class: "job", action: "page", refused: "job-pod", because: "DeadlineExceeded"}),
			make: func(w *world) {
				w.job("nightly", set("spec.activeDeadlineSeconds", 2))
				list := w.each("Job", "nightly", 1, ready(minute))
				w.until("the deadline", func() bool { return text(w.get("Pod", name(list[0])), "metadata.deletionTimestamp") != "" })
				w.delete("Pod", name(list[0]), object{"gracePeriodSeconds": 0})
				w.jobSays("Failed")
			}},
		{name: "job-tries-again", title: "a Job's first pod failed, and its controller tries again", want: job(answer{verdict: "healthy", action: "none"}),
			make: func(w *world) {
				w.job("nightly")
				list := w.each("Job", "nightly", 1, failed("", "", 1))
				w.until("the next try", func() bool { return len(w.podsNow("Job", "nightly")) == 2 })
				for _, p := range w.podsNow("Job", "nightly") {
					if name(p) != name(list[0]) {
						w.put(p, ready(20*time.Second))
					}
				}
			}},
		{name: "job-runs", title: "a Job runs", want: job(answer{verdict: "healthy", action: "none"}), make: func(w *world) { w.job("nightly"); w.each("Job", "nightly", 1, ready(5*minute)) }},
		{name: "job-done", title: "a Job is done", want: job(answer{verdict: "healthy", action: "none"}),
			make: func(w *world) { w.job("nightly"); w.each("Job", "nightly", 1, succeeded); w.jobSays("Complete") }},
		{name: "job-suspended", title: "somebody suspended the Job", want: job(answer{verdict: "healthy", action: "none", refused: "operator-intent"}), make: func(w *world) { w.job("nightly", set("spec.suspend", true)) }},
		{name: "job-image", title: "a Job's image cannot be had", want: job(answer{verdict: "degraded", class: "image", action: "page", refused: "job-pod"}),
			make: func(w *world) {
				w.job("nightly", image("registry.example/web:missing"))
				w.each("Job", "nightly", 1, noImage("ImagePullBackOff", "registry.example/web:missing: not found"))
			}},
		{name: "job-done-after-failures", title: "a Job is done after one failed try", want: job(answer{verdict: "healthy", action: "none"}),
			make: func(w *world) {
				w.job("nightly")
				list := w.each("Job", "nightly", 1, failed("", "", 1))
				w.until("the next try", func() bool { return len(w.podsNow("Job", "nightly")) == 2 })
				for _, p := range w.podsNow("Job", "nightly") {
					if name(p) != name(list[0]) {
						w.put(p, succeeded)
					}
				}
				w.jobSays("Complete")
			}},
	}
}

func (w *world) jobSays(kind string) {
	w.until("the Job to be "+kind, func() bool {
		for _, c := range conditions(w.get("Job", "nightly")) {
			if c["type"] == kind && c["status"] == "True" {
				return true
			}
		}
		return false
	})
}

func sets() []situation {
	db := func(a answer) answer { a.target = "task-mcp/statefulset/db"; return a }
	agent := func(a answer) answer { a.target = "task-mcp/daemonset/agent"; return a }
	bad := noImage("ImagePullBackOff", "registry.example/web:1.5.0: not found")
	// The controller deletes the highest ordinal for the update; its kubelet lets it go.
	updated := func(w *world, s state, opts ...opt) {
		w.statefulSet("db", 3)
		w.ordered("db", 3)
		w.until("the status to be up to date", func() bool { return number(w.get("StatefulSet", "db"), "status.readyReplicas") == 3 })
		was := text(w.get("Pod", "db-2"), "metadata.uid")
		w.change("StatefulSet", "db", opts...)
		w.until("db-2 to be deleted", func() bool { return text(w.get("Pod", "db-2"), "metadata.deletionTimestamp") != "" })
		w.delete("Pod", "db-2", object{"gracePeriodSeconds": 0})
		w.until("the new db-2", func() bool {
			for _, p := range w.podsNow("StatefulSet", "db") {
				if name(p) == "db-2" && text(p, "metadata.uid") != was {
					return true
				}
			}
			return false
		})
		w.put(w.get("Pod", "db-2"), s)
	}
	return []situation{
		{name: "statefulset-well", title: "a StatefulSet of three serves", want: db(answer{verdict: "healthy", action: "none"}), make: func(w *world) { w.statefulSet("db", 3); w.ordered("db", 3) }},
		{name: "statefulset-crash-one", title: "one pod of a StatefulSet crashes, the others serve", want: db(answer{verdict: "degraded", class: "crash-loop", action: "delete-pod"}),
			make: func(w *world) {
				w.statefulSet("db", 3)
				list := w.ordered("db", 3)
				w.put(list[1], crash(1, 9, ""))
			}},
		{name: "statefulset-first-crashes", title: "the first pod of a StatefulSet crashes, so that the others are never made", want: db(answer{verdict: "unhealthy", class: "crash-loop", action: "page"}),
			make: func(w *world) {
				w.statefulSet("db", 3)
				w.ordered("db", 1, crash(1, 9, ""))
			}},
		{name: "statefulset-bad-update", title: "the update of a StatefulSet stands at its last ordinal", want: db(answer{verdict: "degraded", class: "image", action: "page", refused: "statefulset-ordered"}),
			make: func(w *world) { updated(w, bad, image("registry.example/web:1.5.0")) }},
		{name: "statefulset-update-reverted", title: "the template was put back, and the ordinal that stands in the way must be deleted: its controller does not",
			want: db(answer{verdict: "degraded", class: "image", action: "delete-pod", because: "db-2"}),
			make: func(w *world) {
				updated(w, bad, image("registry.example/web:1.5.0"))
				w.change("StatefulSet", "db", image("registry.example/web:1.4.2"))
				w.until("the revision to be the old one again", func() bool {
					s := w.get("StatefulSet", "db")
					return text(s, "status.updateRevision") == text(s, "status.currentRevision") && number(s, "status.observedGeneration") == number(s, "metadata.generation")
				})
			}},
		{name: "statefulset-update-under-way", title: "the update of a StatefulSet goes on", want: db(answer{verdict: "healthy", action: "none", refused: "rollout-in-progress"}),
			make: func(w *world) { updated(w, notReady(10*time.Second, ""), image("registry.example/web:1.5.0")) }},
		{name: "statefulset-on-delete", title: "a StatefulSet whose pods people update by hand has an update pending", want: db(answer{verdict: "healthy", action: "none"}),
			make: func(w *world) {
				w.statefulSet("db", 2, set("spec.updateStrategy", object{"type": "OnDelete"}))
				w.ordered("db", 2)
				w.change("StatefulSet", "db", image("registry.example/web:1.5.0"))
			}},
		{name: "statefulset-partition", title: "a StatefulSet holds an update back by its partition", want: db(answer{verdict: "healthy", action: "none"}),
			make: func(w *world) {
				w.statefulSet("db", 2, set("spec.updateStrategy", object{"type": "RollingUpdate", "rollingUpdate": object{"partition": 2}}))
				w.ordered("db", 2)
				w.change("StatefulSet", "db", image("registry.example/web:1.5.0"))
			}},
		{name: "daemonset-well", title: "a DaemonSet runs on every node that it wants", want: agent(answer{verdict: "healthy", action: "none"}),
			make: func(w *world) { w.daemonSet("agent"); w.each("DaemonSet", "agent", 3, ready(2*day)) }},
		{name: "daemonset-one-crashes", title: "a DaemonSet's pod crashes on one node", want: agent(answer{verdict: "degraded", class: "crash-loop", action: "delete-pod"}),
			make: func(w *world) {
				w.daemonSet("agent")
				w.some(w.pods("DaemonSet", "agent", 3), 1, crash(1, 9, ""), ready(2*day))
			}},
		{name: "daemonset-no-nodes", title: "a DaemonSet for nodes that there are none of", want: agent(answer{verdict: "healthy", action: "none", because: "no pods"}),
			make: func(w *world) {
				w.daemonSet("agent", pool("windows"))
				w.until("the controller", func() bool { return number(w.get("DaemonSet", "agent"), "status.observedGeneration") == 1 })
			}},
		{name: "daemonset-on-delete", title: "a DaemonSet whose pods people update by hand", want: agent(answer{verdict: "healthy", action: "none"}),
			make: func(w *world) {
				w.daemonSet("agent", set("spec.updateStrategy", object{"type": "OnDelete"}))
				w.each("DaemonSet", "agent", 3, ready(2*day))
				w.change("DaemonSet", "agent", image("registry.example/web:1.5.0"))
			}},
		{name: "replicaset-well", title: "a ReplicaSet without a Deployment serves", want: answer{target: "task-mcp/replicaset/old-style", verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.create("ReplicaSet", "old-style", object{"replicas": 2, "selector": object{"matchLabels": object{"app": "old-style"}}, "template": template("old-style")})
				w.each("ReplicaSet", "old-style", 2, ready(2*day))
			}},
	}
}

func owners() []situation {
	undoBarred := func(slug string, opts ...opt) (answer, func(*world)) {
		return answer{verdict: "degraded", class: "crash-loop", action: "page", refused: slug}, func(w *world) {
			w.well(web, 3, opts...)
			w.roll(web, 1, crash(1, 5, ""), image("registry.example/web:1.5.0"))
		}
	}
	barred := func(name, title, slug string, opts ...opt) situation {
		want, how := undoBarred(slug, opts...)
		return situation{name: name, title: title, want: want, make: how}
	}
	free := func(s situation) situation { s.want.action, s.want.refused = "undo", ""; return s }
	argo := annotation("argocd.argoproj.io/tracking-id", "shop:apps/Deployment:task-mcp/web")
	flux := func(o object) {
		label("kustomize.toolkit.fluxcd.io/name", "apps")(o)
		label("kustomize.toolkit.fluxcd.io/namespace", "flux-system")(o)
	}
	helm := func(o object) {
		label("app.kubernetes.io/managed-by", "Helm")(o)
		annotation("meta.helm.sh/release-name", "task-mcp")(o)
		annotation("meta.helm.sh/release-namespace", "task-mcp")(o)
	}
	pdb := func(w *world, name string, spec object) {
		spec["selector"] = object{"matchLabels": object{"app": web}}
		w.create("PodDisruptionBudget", name, spec)
		w.until("the budget's status", func() bool { return number(w.get("PodDisruptionBudget", name), "status.observedGeneration") == 1 })
	}
	hpa := func(w *world, max int, conditions ...any) {
		w.create("HorizontalPodAutoscaler", web, object{"scaleTargetRef": object{"apiVersion": "apps/v1", "kind": dep, "name": web}, "minReplicas": 2, "maxReplicas": max,
			"metrics": []any{object{"type": "Resource", "resource": object{"name": "cpu", "target": object{"type": "Utilization", "averageUtilization": 70}}}}})
		if len(conditions) > 0 {
			w.status("HorizontalPodAutoscaler", web, object{"currentReplicas": 3, "desiredReplicas": 3, "conditions": conditions})
			return
		}
		w.until("the autoscaler's word", func() bool { return at(w.get("HorizontalPodAutoscaler", web), "status.conditions") != nil })
	}
	condition := func(w *world, kind, status, reason, message string) object {
		return object{"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": w.when(time.Hour)}
	}
	list := []situation{
		barred("owner-argo", "the new revision crashes, and Argo CD would put it back within seconds", "gitops-managed", argo),
		barred("owner-argo-label", "the new revision crashes, and Argo CD (by its label) would put it back", "gitops-managed", label("argocd.argoproj.io/instance", "shop")),
		barred("owner-flux", "the new revision crashes, and Flux would put it back", "gitops-managed", flux),
		barred("owner-helm", "the new revision crashes, and Helm's next upgrade would fail on our change", "helm-managed", helm),
		barred("owner-other", "the new revision crashes, and another controller owns the Deployment", "other-controller-owned",
			set("metadata.ownerReferences", []any{object{"apiVersion": "apps.example.com/v1", "kind": "WebApp", "name": "shop", "uid": "7d0f6a5e-3b1c-4c8e-9d2a-1f6b7c8d9e0f", "controller": true, "blockOwnerDeletion": false}})),
		free(barred("owner-flux-disabled", "the new revision crashes, and Flux is told to leave it alone", "", flux, annotation("kustomize.toolkit.fluxcd.io/reconcile", "disabled"))),
		{name: "owner-argo-one-crash", title: "one pod crashes, and Argo CD owns the Deployment: deleting a pod changes no template", want: answer{verdict: "degraded", class: "crash-loop", action: "delete-pod"},
			make: func(w *world) { w.some(w.webOf(3, argo), 1, crash(1, 9, ""), ready(2*day)) }},
		{name: "owner-contested", title: "recoveryd changed the template before, and somebody took it back", want: answer{verdict: "degraded", class: "crash-loop", action: "page", refused: "contested"},
			make: func(w *world) {
				w.raw = true // who changed what stands in the managed fields
				w.well(web, 1, annotation("recoveryd.dev/action", "undo"), annotation("recoveryd.dev/incident", "41"))
				w.roll(web, 1, crash(1, 5, ""), image("registry.example/web:1.5.0"))
			}},
		{name: "owner-argo-and-well", title: "Argo CD owns a Deployment that is well", want: answer{verdict: "healthy", action: "none"}, make: func(w *world) { w.well(web, 2, argo) }},
		{name: "owner-helm-and-well", title: "Helm owns a Deployment that is well", want: answer{verdict: "healthy", action: "none"}, make: func(w *world) { w.well(web, 2, helm) }},
		{name: "pdb-tight-and-well", title: "a PodDisruptionBudget allows nothing now, and all pods serve", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) { w.well(web, 2); pdb(w, web, object{"minAvailable": 2}) }},
		{name: "pdb-crash-one", title: "one pod of three crashes under a budget of two: it serves nobody, so that the budget is not touched", want: answer{verdict: "degraded", class: "crash-loop", action: "delete-pod"},
			make: func(w *world) {
				w.some(w.webOf(3), 1, crash(1, 9, ""), ready(2*day))
				pdb(w, web, object{"minAvailable": 2})
			}},
		{name: "pdb-serves-between-kills", title: "one pod of three is killed for memory each hour and serves at the moment; the budget allows nothing",
			want: answer{verdict: "degraded", class: "memory", action: "raise-limit"},
			make: func(w *world) {
				w.some(w.webOf(3), 1, readyAfter(5, 137, "OOMKilled", 4*minute), ready(2*day))
				pdb(w, web, object{"minAvailable": 3})
			}},
		{name: "hpa-no-metrics", title: "the autoscaler cannot read its metrics, and all pods serve", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) { w.well(web, 3); hpa(w, 5) }},
		{name: "hpa-at-maximum", title: "the autoscaler wants more pods than it may make: the limit is people's", want: answer{verdict: "degraded", class: "capacity", action: "page", refused: "hpa-owned", culprit: "horizontalpodautoscaler/web"},
			make: func(w *world) {
				w.well(web, 3)
				hpa(w, 3, condition(w, "AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size"), condition(w, "ScalingActive", "True", "ValidMetricFound", "the HPA was able to successfully calculate a replica count"),
					condition(w, "ScalingLimited", "True", "TooManyReplicas", "the desired replica count is more than the maximum replica count"))
			}},
		{name: "hpa-at-minimum", title: "the autoscaler is at its minimum, and all pods serve", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.well(web, 2)
				hpa(w, 5, condition(w, "AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size"), condition(w, "ScalingActive", "True", "ValidMetricFound", "the HPA was able to successfully calculate a replica count"),
					condition(w, "ScalingLimited", "True", "TooFewReplicas", "the desired replica count is less than the minimum replica count"))
			}},
		{name: "hpa-scales-up", title: "the autoscaler makes two more pods, which are starting", want: answer{verdict: "degraded", class: "unknown", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) {
				list := w.webOf(2)
				w.some(list, 2, ready(2*day), nil)
				hpa(w, 6, condition(w, "AbleToScale", "True", "SucceededRescale", "the HPA controller was able to update the target scale to 4"))
				w.change(dep, web, set("spec.replicas", 4))
				for _, p := range w.pods(dep, web, 4) {
					if name(p) != name(list[0]) && name(p) != name(list[1]) {
						w.put(p, notReady(5*time.Second, ""))
					}
				}
			}},
		{name: "hpa-crash-one", title: "one pod crashes under an autoscaler: a deleted pod does not touch the number of replicas", want: answer{verdict: "degraded", class: "crash-loop", action: "delete-pod"},
			make: func(w *world) { w.some(w.webOf(3), 1, crash(1, 9, ""), ready(2*day)); hpa(w, 6) }},
	}
	return list
}

func partial() []situation {
	return []situation{
		{name: "partial-only-pods", title: "only pods were given: all crash", want: answer{verdict: "unhealthy", class: "crash-loop", action: "page"},
			make: func(w *world) {
				w.withhold = []string{dep, "ReplicaSet", "Service", "EndpointSlice", "Event"}
				w.some(w.webOf(2), 2, crash(1, 9, ""), nil)
			}},
		{name: "partial-no-events", title: "the kubelet kills for a probe, and no events were given: it looks like a crash, and 137 is not called OOM", want: answer{verdict: "unhealthy", class: "crash-loop", action: "page", because: "SIGKILL"},
			make: func(w *world) {
				w.withhold = []string{"Event"}
				w.some(w.webOf(2), 2, probeKilled("Liveness", 137, 7), nil)
			}},
		{name: "partial-only-deployment", title: "only the Deployment was given, and no pod is ready: why cannot be told", want: answer{verdict: "unknown", class: "unknown", action: "none", because: "not shown"},
			make: func(w *world) {
				w.withhold = []string{"Pod", "ReplicaSet", "Service", "EndpointSlice", "Event"}
				w.some(w.webOf(2), 2, crash(1, 9, ""), nil)
			}},
		{name: "partial-only-deployment-well", title: "only the Deployment was given, and it is well", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.withhold = []string{"Pod", "ReplicaSet", "Service", "EndpointSlice", "Event"}
				w.some(w.webOf(2), 2, ready(2*day), nil)
			}},
		{name: "partial-only-deployment-quota", title: "only the Deployment was given, and its condition says why no pod can be made", want: answer{verdict: "unhealthy", class: "quota", action: "page", culprit: "resourcequota/pods"},
			make: func(w *world) {
				w.withhold = []string{"Pod", "ReplicaSet", "Service", "EndpointSlice", "Event", "ResourceQuota"}
				w.quota("pods", object{"pods": "0"})
				w.noPods()
			}},
		{name: "partial-no-replicasets", title: "a new revision crashes, and no ReplicaSets were given: the pods' own hashes tell the revisions apart",
			want: answer{verdict: "degraded", class: "crash-loop", action: "undo"},
			make: func(w *world) {
				w.withhold = []string{"ReplicaSet"}
				w.well(web, 3)
				w.roll(web, 1, crash(1, 5, ""), image("registry.example/web:1.5.0"))
			}},
		{name: "partial-no-deployment", title: "ReplicaSets and pods were given without their Deployment: a new revision crashes", want: answer{verdict: "degraded", class: "crash-loop", action: "undo"},
			make: func(w *world) {
				w.withhold = []string{dep}
				w.well(web, 3)
				w.roll(web, 1, crash(1, 5, ""), image("registry.example/web:1.5.0"))
			}},
		{name: "partial-services-only", title: "only a Service was given: what stands behind it cannot be told", want: answer{target: "task-mcp/service/web", verdict: "unknown", class: "unknown", action: "none"},
			make: func(w *world) {
				w.withhold = []string{dep, "ReplicaSet", "Pod", "EndpointSlice", "Event"}
				w.well(web, 2)
				w.service(web)
			}},
	}
}
