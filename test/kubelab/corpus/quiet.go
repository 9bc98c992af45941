package main

import (
	"fmt"
	"strings"
	"time"
)

// quiet are situations that look like trouble and are none: what a nervous healer would act on.
func quiet() []situation {
	well := answer{verdict: "healthy", action: "none"}
	starting := answer{verdict: "degraded", class: "unknown", action: "none", refused: "rollout-in-progress"}
	var list []situation
	add := func(name, title string, want answer, make func(*world)) {
		list = append(list, situation{name: name, title: title, want: want, make: make})
	}

	// Events that tell of a moment that has passed, or of something else.
	for i, e := range []struct{ reason, message string }{
		{"FailedScheduling", "0/7 nodes are available: 7 Insufficient memory. preemption: 0/7 nodes are available: 7 No preemption victims found for incoming pod."},
		{"FailedMount", `MountVolume.SetUp failed for volume "kube-api-access-x" : failed to sync configmap cache: timed out waiting for the condition`},
		{"FailedCreatePodSandBox", "Failed to create pod sandbox: rpc error: code = DeadlineExceeded desc = context deadline exceeded"},
		{"BackOff", "Back-off restarting failed container server in pod web"},
		{"Failed", `Failed to pull image "registry.example/web:1.4.2": rpc error: code = Unknown desc = context deadline exceeded`},
		{"Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500"},
		{"Unhealthy", "Startup probe failed: dial tcp 10.244.1.9:3000: connect: connection refused"},
		{"DNSConfigForming", "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 10.0.0.2 10.0.0.3 10.0.0.4"},
		{"NodeNotReady", "Node is not ready"},
		{"FailedSync", "error determining status: rpc error: code = Unknown desc = context canceled"},
		{"Preempted", "Preempted by pod 1f0c on node node-a"},
		{"Evicted", "The node was low on resource: ephemeral-storage."},
	} {
		add(fmt.Sprintf("quiet-event-%02d-%s", i+1, strings.ToLower(e.reason)), "all pods serve, and an event of twenty minutes ago says "+e.reason, well, func(w *world) {
			pods := w.webOf(2)
			w.some(pods, 2, ready(2*day), nil)
			w.event(pods[0], "Pod", e.reason, e.message, 20*time.Minute, 3)
		})
	}

	// What is left of pods that ended, beside their replacements.
	for _, reason := range []string{"Evicted", "NodeAffinity", "OutOfcpu", "UnexpectedAdmissionError", "NodeShutdown", "Preempting"} {
		add("quiet-leftover-"+strings.ToLower(reason), "a pod ended with the reason "+reason+" an hour ago, and its replacement serves", well, func(w *world) {
			pods := w.webOf(2)
			w.some(pods, 2, ready(2*day), nil)
			w.put(pods[0], failed(reason, "Pod was rejected or ended by its node", 137))
			w.replacement(pods, ready(50*time.Minute))
		})
	}

	// Pods that somebody takes away on purpose at this moment.
	for _, reason := range []string{"EvictionByEvictionAPI", "PreemptionByScheduler", "DeletionByTaintManager", "DeletionByPodGC", "TerminationByKubelet"} {
		add("quiet-taken-"+strings.ToLower(reason), "a pod is being taken away on purpose ("+reason+"), and its replacement starts", starting, func(w *world) {
			pods := w.webOf(3)
			w.some(pods, 3, ready(2*day), nil)
			w.put(pods[0], disrupted(ready(2*day), reason, "on purpose"))
			w.delete("Pod", name(pods[0]), nil)
			w.deletedSince(pods[0], -20*time.Second)
			w.replacement(pods, notReady(5*time.Second, ""))
		})
	}

	// Restarts that are over, however they ended.
	for _, code := range []int{0, 1, 2, 137, 139, 143, 255} {
		add(fmt.Sprintf("quiet-restarted-%d", code), fmt.Sprintf("each pod restarted four times with exit code %d, the last time two hours ago", code), well, func(w *world) {
			w.some(w.webOf(3), 3, readyAfter(4, code, map[bool]string{true: "Completed", false: "Error"}[code == 0], 2*time.Hour), nil)
		})
	}

	// Workloads of every kind on their way up.
	add("quiet-starting-statefulset", "the second pod of a StatefulSet is starting", answer{target: "task-mcp/statefulset/db", verdict: "degraded", class: "unknown", action: "none", refused: "rollout-in-progress"}, func(w *world) {
		w.statefulSet("db", 3)
		w.ordered("db", 2, nil, notReady(10*time.Second, ""))
	})
	add("quiet-starting-daemonset", "a DaemonSet's pod is starting on one node", answer{target: "task-mcp/daemonset/agent", verdict: "degraded", class: "unknown", action: "none", refused: "rollout-in-progress"}, func(w *world) {
		w.daemonSet("agent")
		w.some(w.pods("DaemonSet", "agent", 3), 1, notReady(10*time.Second, ""), ready(2*day))
	})
	add("quiet-starting-init", "an init container works for a minute", starting, func(w *world) {
		pods := w.webOf(3, inPod("initContainers", []any{object{"name": "migrate", "image": "registry.example/web:1.4.2"}}))
		w.some(pods, 1, with(notReady(50*time.Second, ""), func(w *world, pod, s object) {
			s["phase"] = "Pending"
			s["initContainerStatuses"] = []any{object{"name": "migrate", "image": "registry.example/web:1.4.2", "imageID": "", "ready": false, "restartCount": 0, "state": w.running(45 * time.Second)}}
			s["containerStatuses"] = []any{serverStatus(pod, false, 0, waits("PodInitializing", ""), nil)}
		}), with(ready(2*day), func(w *world, _, s object) {
			s["initContainerStatuses"] = []any{object{"name": "migrate", "image": "registry.example/web:1.4.2", "imageID": "", "ready": true, "restartCount": 0, "state": w.ended(0, "Completed", "", 5*time.Second, 2*day)}}
		}))
	})
	add("quiet-starting-long-delay", "the readiness probe waits five minutes before it asks", starting, func(w *world) {
		pods := w.webOf(3, inServer("readinessProbe", object{"httpGet": object{"path": "/readyz", "port": "http"}, "initialDelaySeconds": 300}))
		w.some(pods, 1, notReady(4*time.Minute, ""), ready(2*day))
	})
	add("quiet-surge", "a rollout makes an additional pod, which serves already, before it takes an old one away", answer{verdict: "healthy", action: "none", refused: "rollout-in-progress"}, func(w *world) {
		w.well(web, 4)
		w.roll(web, 2, ready(20*time.Second), image("registry.example/web:1.5.0"), set("spec.minReadySeconds", 120))
	})

	// Owners and limits that are at an edge.
	for _, c := range []struct{ name, key, value string }{
		{"flux", "kustomize.toolkit.fluxcd.io/name", "apps"}, {"helm", "app.kubernetes.io/managed-by", "Helm"}, {"argo", "argocd.argoproj.io/instance", "shop"},
	} {
		add("quiet-scaled-to-zero-"+c.name, "scaled to 0, and owned by "+c.name, answer{verdict: "healthy", action: "none", refused: "operator-intent"}, func(w *world) { w.deployment(web, 0, label(c.key, c.value)) })
	}
	add("quiet-pdb-of-all", "a PodDisruptionBudget that allows nothing ever (maxUnavailable 0), and all pods serve", well, func(w *world) {
		w.well(web, 2)
		w.create("PodDisruptionBudget", web, object{"maxUnavailable": 0, "selector": object{"matchLabels": object{"app": web}}})
		w.until("the budget's status", func() bool { return number(w.get("PodDisruptionBudget", web), "status.observedGeneration") == 1 })
	})
	add("quiet-quota-of-all", "a quota that is used up to its last byte, and all pods serve", well, func(w *world) {
		w.quota("compute", object{"limits.memory": "512Mi"})
		w.well(web, 2)
	})
	add("quiet-vpa", "a VerticalPodAutoscaler owns the limits, and all pods serve", well, func(w *world) { w.well(web, 2); w.resizer("Auto") })
	add("quiet-job-parallel", "a Job with three pods at once, of which one is done", answer{target: "task-mcp/job/nightly", verdict: "healthy", action: "none"}, func(w *world) {
		w.job("nightly", set("spec.parallelism", 3), set("spec.completions", 3))
		w.some(w.pods("Job", "nightly", 3), 1, succeeded, ready(5*time.Minute))
	})
	add("quiet-job-pod-crashed-once", "a Job's pod that restarts on failure failed once and runs again", answer{target: "task-mcp/job/nightly", verdict: "healthy", action: "none"}, func(w *world) {
		w.job("nightly", set("spec.template.spec.restartPolicy", "OnFailure"))
		w.each("Job", "nightly", 1, readyAfter(1, 1, "Error", 10*time.Second))
	})
	add("quiet-old-revisions", "five revisions were rolled out today, and the last one serves", well, func(w *world) {
		w.deployment(web, 1)
		for i := range 4 {
			w.pods(dep, web, 1)
			was := text(w.newest(web), "metadata.uid")
			w.change(dep, web, image(fmt.Sprintf("registry.example/web:1.4.%d", 3+i)))
			w.until("the next revision", func() bool { return text(w.newest(web), "metadata.uid") != was })
		}
		w.put(w.pods(dep, web, 1)[0], ready(10*time.Minute))
		w.until("the older revisions to be at 0", func() bool {
			for _, s := range w.list("ReplicaSet") {
				if name(s) != name(w.newest(web)) && number(s, "status.replicas") > 0 {
					for _, p := range w.list("Pod") {
						if text(p, "metadata.deletionTimestamp") != "" {
							w.delete("Pod", name(p), object{"gracePeriodSeconds": 0})
						}
					}
					return false
				}
			}
			return true
		})
	})
	add("quiet-host-network", "pods with their node's network and host ports", well, func(w *world) {
		w.well(web, 1, inPod("hostNetwork", true), inServer("ports", []any{object{"name": "http", "containerPort": 3100, "hostPort": 3100}}))
	})
	add("quiet-debug-container", "somebody looks into a pod with a debug container, which has ended", well, func(w *world) {
		w.some(w.webOf(2), 2, with(ready(2*day), func(w *world, _, s object) {
			s["ephemeralContainerStatuses"] = []any{object{"name": "debugger", "image": "busybox", "imageID": "", "ready": false, "restartCount": 0, "state": w.ended(137, "Error", "", 5*time.Minute, time.Minute)}}
		}), nil)
	})
	add("quiet-scaled-up", "somebody scaled from two to four, and two pods are starting", starting, func(w *world) {
		before := map[string]bool{}
		pods := w.webOf(2)
		for _, p := range pods {
			before[name(p)] = true
		}
		w.some(pods, 2, ready(2*day), nil)
		w.change(dep, web, set("spec.replicas", 4))
		for _, p := range w.pods(dep, web, 4) {
			if !before[name(p)] {
				w.put(p, notReady(5*time.Second, ""))
			}
		}
	})
	add("quiet-one-slow-container", "of two containers one is ready and the other starts for half a minute", starting, func(w *world) {
		pods := w.webOf(3, inPod("containers", []any{container(), object{"name": "proxy", "image": "registry.example/proxy:3"}}))
		both := func(isReady bool) state {
			return with(ready(30*time.Second), func(w *world, pod, s object) {
				s["containerStatuses"] = append(s["containerStatuses"].([]any), object{"name": "proxy", "image": "registry.example/proxy:3", "imageID": "", "ready": isReady, "started": true, "restartCount": 0, "state": w.running(25 * time.Second)})
				if !isReady {
					for _, c := range s["conditions"].([]any) {
						if c := c.(object); c["type"] == "Ready" || c["type"] == "ContainersReady" {
							c["status"], c["reason"] = "False", "ContainersNotReady"
						}
					}
				}
			})
		}
		w.some(pods, 1, both(false), both(true))
	})
	for i, n := range []int{2, 5, 9} {
		add(fmt.Sprintf("quiet-statefulset-%d", i+1), fmt.Sprintf("a StatefulSet of %d pods that are made at once serves", n), answer{target: "task-mcp/statefulset/db", verdict: "healthy", action: "none"}, func(w *world) {
			w.statefulSet("db", n, set("spec.podManagementPolicy", "Parallel"))
			w.each("StatefulSet", "db", n, ready(2*day))
		})
	}
	add("quiet-canary", "a canary of one pod beside the main Deployment, under one Service", answer{target: "task-mcp/deployment/web-canary", verdict: "healthy", action: "none"}, func(w *world) {
		w.well(web, 2)
		w.create(dep, "web-canary", object{"replicas": 1, "selector": object{"matchLabels": object{"app": web, "track": "canary"}}, "template": template(web)}, set("spec.template.metadata.labels.track", "canary"))
		w.each(dep, "web-canary", 1, ready(time.Hour))
		w.service(web)
	})
	return list
}
