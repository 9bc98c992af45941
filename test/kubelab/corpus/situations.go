package main

import (
	"slices"
	"time"
)

// situations is the corpus. Where nothing else is said, the workload is the Deployment "web" of three pods with a Service.
func situations() []situation {
	return slices.Concat(crashes(), probes(), memory(), images(), configuration(), unscheduled(), refusedPods(), rollouts(), readiness(), services(),
		nodes(), leaving(), onPurpose(), jobs(), sets(), owners(), partial(), quiet())
}

const (
	minute = time.Minute
	web    = "web"
	dep    = "Deployment"
)

// stackTrace is what a Node program says at its end.
const stackTrace = "Error: connect ECONNREFUSED 10.96.0.12:5432\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1607:16)"

// some gives the first pods of a list one state, and the rest another.
func (w *world) some(list []object, n int, first, rest state) {
	for i, p := range list {
		if i < n {
			w.put(p, first)
		} else {
			w.put(p, rest)
		}
	}
}

func (w *world) webOf(n int, opts ...opt) []object {
	w.deployment(web, n, opts...)
	w.service(web)
	list := w.pods(dep, web, n)
	w.age(w.newest(web), 20*day)
	return list
}

func crashes() []situation {
	allCrash := func(code int, said string) func(*world) {
		return func(w *world) { w.some(w.webOf(3), 3, crash(code, 12, said), nil) }
	}
	page := func(code, words string) answer {
		return answer{verdict: "unhealthy", class: "crash-loop", action: "page", because: words}
	}
	newCrashes := func(w *world, opts ...opt) {
		w.well(web, 3, opts...)
		w.service(web)
		w.roll(web, 1, crash(1, 5, "SyntaxError: Unexpected token"), image("registry.example/web:1.5.0"))
	}
	return []situation{
		{name: "crash-one-of-three", title: "one pod of three crashes, the others of the same revision serve",
			want: answer{verdict: "degraded", class: "crash-loop", action: "delete-pod", because: "2 of 3 ready"},
			make: func(w *world) { w.some(w.webOf(3), 1, crash(1, 9, ""), ready(2*day)) }},
		{name: "crash-two-of-three", title: "two pods of three crash: that is no longer one bad pod",
			want: answer{verdict: "degraded", class: "crash-loop", action: "page", because: "1 of 3 ready"},
			make: func(w *world) { w.some(w.webOf(3), 2, crash(1, 9, ""), ready(2*day)) }},
		{name: "crash-all-exit-1", title: "all pods crash with exit code 1 and say why; no rollout explains it", want: page("1", "ECONNREFUSED"), make: allCrash(1, stackTrace)},
		{name: "crash-all-exit-0", title: "the program of all pods ends by itself with exit code 0", want: page("0", "exit code 0"), make: allCrash(0, "")},
		{name: "crash-all-exit-2", title: "all pods crash with exit code 2", want: page("2", "exit code 2"), make: allCrash(2, "")},
		{name: "crash-all-exit-134", title: "all pods abort", want: page("134", "SIGABRT"), make: allCrash(134, "")},
		{name: "crash-all-exit-137", title: "all pods are killed by SIGKILL, and not for memory: 137 alone is not OOM", want: page("137", "SIGKILL"), make: allCrash(137, "")},
		{name: "crash-all-exit-139", title: "all pods crash in native code", want: page("139", "SIGSEGV"), make: allCrash(139, "")},
		{name: "crash-all-exit-143", title: "all pods end by SIGTERM, and no event says who sent it", want: page("143", "SIGTERM"), make: allCrash(143, "")},
		{name: "crash-exit-127", title: "the command is not there: a restart cannot help", want: answer{verdict: "unhealthy", class: "misconfigured", action: "page", because: "not found"}, make: allCrash(127, "")},
		{name: "crash-exit-126", title: "the command is not executable", want: answer{verdict: "unhealthy", class: "misconfigured", action: "page", because: "not executable"}, make: allCrash(126, "")},
		{name: "crash-start-error", title: "the runtime cannot start the program (exit code 128, StartError)",
			want: answer{verdict: "unhealthy", class: "misconfigured", action: "page", because: "no such file or directory"},
			make: func(w *world) {
				w.some(w.webOf(3), 3, crashFor(128, 6, "StartError", `failed to create containerd task: failed to create shim task: OCI runtime create failed: exec: "/app/serve": stat /app/serve: no such file or directory`, 0, time.Hour), nil)
			}},
		{name: "crash-new-revision", title: "a new revision crashes while the old one serves: users feel nothing",
			want: answer{verdict: "degraded", class: "crash-loop", action: "undo", because: "older one serves"}, make: func(w *world) { newCrashes(w) }},
		{name: "crash-new-revision-between-tries", title: "a new revision crashes, seen at a moment in which its container runs",
			want: answer{verdict: "degraded", class: "crash-loop", action: "undo"},
			make: func(w *world) {
				w.well(web, 3)
				w.roll(web, 1, betweenTries(1, 4), image("registry.example/web:1.5.0"))
			}},
		{name: "crash-after-restart", title: "good revision 1, bad revision 2, then somebody restarts: undo goes to revision 1, not to the one before",
			want: answer{verdict: "degraded", class: "crash-loop", action: "undo", because: "older one serves"},
			make: func(w *world) {
				newCrashes(w)
				w.roll(web, 1, crash(1, 3, ""), restarted(10*minute))
			}},
		{name: "crash-new-revision-recreate", title: "a new revision crashes and the old one is gone (Recreate): no revision is proven, so nothing is undone",
			want: answer{verdict: "unhealthy", class: "crash-loop", action: "page"},
			make: func(w *world) {
				recreate := set("spec.strategy", object{"type": "Recreate"})
				w.well(web, 2, recreate)
				was := w.pods(dep, web, 2)
				w.change(dep, web, image("registry.example/web:1.5.0"))
				for _, p := range was { // what the kubelet does at the end of a pod
					w.until("the old pod to be deleted", func() bool { return text(w.get("Pod", name(p)), "metadata.deletionTimestamp") != "" })
					w.delete("Pod", name(p), object{"gracePeriodSeconds": 0})
				}
				w.each(dep, web, 2, crash(1, 5, ""))
				w.age(w.newest(web), 20*minute)
			}},
		{name: "crash-init-container", title: "the init container of all pods crashes: the database's migration fails",
			want: answer{verdict: "unhealthy", class: "crash-loop", action: "page", because: "container migrate"},
			make: func(w *world) {
				list := w.webOf(3, inPod("initContainers", []any{object{"name": "migrate", "image": "registry.example/web:1.4.2", "command": []any{"migrate"}}}))
				for _, p := range list {
					w.put(p, with(notReady(time.Hour, ""), func(w *world, pod, s object) {
						s["phase"] = "Pending"
						s["initContainerStatuses"] = []any{object{"name": "migrate", "image": "registry.example/web:1.4.2", "imageID": "", "ready": false, "restartCount": 8,
							"state": waits("CrashLoopBackOff", backOff(w, pod)), "lastState": w.ended(1, "Error", "relation tasks already exists", time.Second, 80*time.Second)}}
						s["containerStatuses"] = []any{serverStatus(pod, false, 0, waits("PodInitializing", ""), nil)}
					}))
				}
			}},
		{name: "crash-sidecar", title: "the second container of all pods crashes",
			want: answer{verdict: "unhealthy", class: "crash-loop", action: "page", because: "container proxy"},
			make: func(w *world) {
				list := w.webOf(2, inPod("containers", []any{container(), object{"name": "proxy", "image": "registry.example/proxy:3"}}))
				for _, p := range list {
					w.put(p, with(notReady(time.Hour, ""), func(w *world, pod, s object) {
						s["containerStatuses"] = []any{serverStatus(pod, true, 0, w.running(time.Hour), nil),
							object{"name": "proxy", "image": "registry.example/proxy:3", "imageID": "", "ready": false, "started": false, "restartCount": 15,
								"state": waits("CrashLoopBackOff", backOff(w, pod)), "lastState": w.ended(1, "Error", "", 3*time.Second, 50*time.Second)}}
					}))
				}
			}},
		{name: "crash-dependency-down", title: "all pods crash since the database that they name serves nobody: it comes first",
			want: answer{target: "task-mcp/deployment/web", verdict: "unhealthy", class: "dependency", action: "none", culprit: "task-mcp/statefulset/postgres"},
			make: func(w *world) {
				w.some(w.webOf(3, env("DATABASE_URL", "postgres://tasks@postgres:5432/tasks")), 3, crash(1, 12, stackTrace), nil)
				w.statefulSet("postgres", 1)
				w.service("postgres")
				w.ordered("postgres", 1, crash(1, 20, "FATAL: could not write lock file \"postmaster.pid\": No space left on device"))
			}},
		{name: "crash-dependency-itself", title: "the database that the others wait for is what is judged",
			want: answer{target: "task-mcp/statefulset/postgres", verdict: "unhealthy", class: "crash-loop", action: "page"},
			make: func(w *world) {
				w.some(w.webOf(2, env("DATABASE_URL", "postgres://tasks@postgres:5432/tasks")), 2, crash(1, 12, stackTrace), nil)
				w.statefulSet("postgres", 1)
				w.service("postgres")
				w.ordered("postgres", 1, crash(1, 20, "FATAL: could not write lock file"))
			}},
		{name: "crash-dependency-well", title: "all pods crash, and the database that they name serves: it is not to blame",
			want: answer{target: "task-mcp/deployment/web", verdict: "unhealthy", class: "crash-loop", action: "page"},
			make: func(w *world) {
				w.some(w.webOf(3, env("DATABASE_URL", "postgres://tasks@postgres:5432/tasks")), 3, crash(1, 12, "password authentication failed"), nil)
				w.statefulSet("postgres", 1)
				w.service("postgres")
				w.ordered("postgres", 1)
			}},
		{name: "crash-bare-pod", title: "a pod without a controller crashes: nobody would make it anew",
			want: answer{target: "task-mcp/pod/console", verdict: "unhealthy", class: "crash-loop", action: "page"},
			make: func(w *world) {
				t := template("console")
				p := w.create("Pod", "console", t["spec"].(object), func(o object) { o["metadata"].(object)["annotations"] = object{"kubelab/by-hand": "yes"} })
				w.put(p, crash(1, 9, ""))
			}},
		{name: "crash-serves-between-tries", title: "one pod of three crashes, and is ready at this moment",
			want: answer{verdict: "degraded", class: "crash-loop", action: "delete-pod"}, make: func(w *world) { w.some(w.webOf(3), 1, servesBetween(5), ready(2*day)) }},
		{name: "crash-serves-and-budget", title: "the same, and the PodDisruptionBudget allows nothing: the pod serves at this moment",
			want: answer{verdict: "degraded", class: "crash-loop", action: "page", refused: "pdb"},
			make: func(w *world) {
				w.some(w.webOf(3), 1, servesBetween(5), ready(2*day))
				w.create("PodDisruptionBudget", web, object{"minAvailable": 3, "selector": object{"matchLabels": object{"app": web}}})
				w.until("the budget's status", func() bool { return number(w.get("PodDisruptionBudget", web), "status.observedGeneration") == 1 })
			}},
		{name: "crash-last-that-serves", title: "the only pod that serves crashes now and then, and the other is starting",
			want: answer{verdict: "degraded", class: "crash-loop", action: "page", refused: "last-ready-pod"},
			make: func(w *world) { w.some(w.webOf(2), 1, servesBetween(5), notReady(10*time.Second, "")) }},
		{name: "crash-long-ago", title: "one crash yesterday, and all pods serve: leave it alone",
			want: answer{verdict: "healthy", action: "none", because: "1 restart"}, make: func(w *world) { w.some(w.webOf(3), 1, readyAfter(1, 1, "Error", 26*time.Hour), ready(2*day)) }},
		{name: "crash-counter-high", title: "a crash loop that was cured an hour ago: the counter stays high, and means nothing now",
			want: answer{verdict: "healthy", action: "none", because: "restarts"}, make: func(w *world) { w.some(w.webOf(3), 3, readyAfter(87, 1, "Error", time.Hour), nil) }},
		{name: "crash-once-just-now", title: "one pod crashed once three minutes ago and serves again",
			want: answer{verdict: "healthy", action: "none"}, make: func(w *world) { w.some(w.webOf(3), 1, readyAfter(1, 1, "Error", 3*minute), ready(2*day)) }},
		{name: "crash-many-days", title: "ten restarts in two days, none within the hour",
			want: answer{verdict: "healthy", action: "none"}, make: func(w *world) { w.some(w.webOf(3), 3, readyAfter(10, 137, "Error", 3*time.Hour), nil) }},
		{name: "crash-once-coming-up", title: "one pod crashed once and is starting again: not a loop yet",
			want: answer{verdict: "degraded", class: "unknown", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) {
				w.some(w.webOf(3), 1, with(notReady(2*day, ""), func(w *world, pod, s object) {
					s["containerStatuses"] = []any{serverStatus(pod, false, 1, w.running(8*time.Second), w.ended(1, "Error", "", 40*time.Hour, 10*time.Second))}
				}), ready(2*day))
			}},
	}
}

func probes() []situation {
	return []situation{
		{name: "probe-liveness-all", title: "the kubelet kills all pods for a failing liveness probe: another restart is no cure",
			want: answer{verdict: "unhealthy", class: "probe", action: "page", because: "liveness"},
			make: func(w *world) { w.some(w.webOf(3), 3, probeKilled("Liveness", 137, 7), nil) }},
		{name: "probe-liveness-term", title: "the kubelet kills all pods for a failing liveness probe, and they end by SIGTERM",
			want: answer{verdict: "unhealthy", class: "probe", action: "page"}, make: func(w *world) { w.some(w.webOf(2), 2, probeKilled("Liveness", 143, 5), nil) }},
		{name: "probe-startup", title: "the startup probe gives too little time",
			want: answer{verdict: "unhealthy", class: "probe", action: "page", because: "Startup probe failed"}, make: func(w *world) { w.some(w.webOf(2), 2, probeKilled("Startup", 137, 6), nil) }},
		{name: "probe-one-pod", title: "the kubelet kills one pod of three for its liveness probe",
			want: answer{verdict: "degraded", class: "probe", action: "page"}, make: func(w *world) { w.some(w.webOf(3), 1, probeKilled("Liveness", 137, 5), ready(2*day)) }},
		{name: "probe-new-revision", title: "the liveness probe fails in the new revision only",
			want: answer{verdict: "degraded", class: "probe", action: "undo"},
			make: func(w *world) {
				w.well(web, 3)
				w.roll(web, 1, probeKilled("Liveness", 137, 4), image("registry.example/web:1.5.0"))
			}},
		{name: "probe-slow-dependency", title: "all pods are killed for their liveness probe while the cache that they name is away",
			want: answer{target: "task-mcp/deployment/web", verdict: "unhealthy", class: "dependency", action: "none", culprit: "task-mcp/deployment/redis"},
			make: func(w *world) {
				w.some(w.webOf(3, env("REDIS_URL", "redis://redis.task-mcp.svc:6379")), 3, probeKilled("Liveness", 137, 6), nil)
				w.deployment("redis", 1)
				w.service("redis")
				w.each(dep, "redis", 1, oom(9))
			}},
		{name: "probe-failed-once", title: "a liveness probe failed now and then, and nothing was killed",
			want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				list := w.webOf(3)
				w.some(list, 3, ready(2*day), nil)
				w.event(list[0], "Pod", "Unhealthy", `Liveness probe failed: Get "http://10.244.1.9:3000/healthz": context deadline exceeded`, 4*minute, 1)
			}},
		{name: "probe-readiness-flapped", title: "readiness failed twice an hour ago; all are ready",
			want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				list := w.webOf(3)
				w.some(list, 3, ready(2*day), nil)
				w.event(list[1], "Pod", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500", 50*minute, 2)
			}},
		{name: "probe-killed-once", title: "one pod was killed by its probe once, twenty minutes ago, and serves",
			want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				list := w.webOf(3)
				w.some(list, 1, readyAfter(1, 137, "Error", 20*minute), ready(2*day))
				w.event(list[0], "Pod", "Killing", "Container server failed liveness probe, will be restarted", 20*minute, 1)
			}},
	}
}

func memory() []situation {
	return []situation{
		{name: "oom-one-of-three", title: "one pod of three is killed for memory again and again",
			want: answer{verdict: "degraded", class: "memory", action: "raise-limit", because: "its limit is 256Mi"}, make: func(w *world) { w.some(w.webOf(3), 1, oom(6), ready(2*day)) }},
		{name: "oom-all", title: "all pods are killed for memory again and again",
			want: answer{verdict: "unhealthy", class: "memory", action: "raise-limit"}, make: func(w *world) { w.some(w.webOf(3), 3, oom(9), nil) }},
		{name: "oom-new-revision", title: "the new revision is killed for memory, the old one serves",
			want: answer{verdict: "degraded", class: "memory", action: "undo"},
			make: func(w *world) { w.well(web, 3); w.roll(web, 1, oom(5), image("registry.example/web:1.5.0")) }},
		{name: "oom-slow-leak", title: "a leak needs an hour for each round: four OOM kills, the last five minutes ago, and it serves at the moment",
			want: answer{verdict: "degraded", class: "memory", action: "raise-limit"}, make: func(w *world) { w.some(w.webOf(3), 3, readyAfter(4, 137, "OOMKilled", 5*minute), nil) }},
		{name: "oom-no-limit", title: "killed for memory without a limit of its own: the node was short",
			want: answer{verdict: "unhealthy", class: "memory", action: "page", because: "no limit of its own"}, make: func(w *world) { w.some(w.webOf(2, inServer("resources", object{})), 2, oom(6), nil) }},
		{name: "oom-argo", title: "killed for memory, and Argo CD would put the limit back", want: answer{verdict: "unhealthy", class: "memory", action: "page", refused: "gitops-managed"},
			make: func(w *world) {
				w.some(w.webOf(2, annotation("argocd.argoproj.io/tracking-id", "shop:apps/Deployment:task-mcp/web")), 2, oom(6), nil)
			}},
		{name: "oom-vpa", title: "killed for memory, and a VerticalPodAutoscaler owns the limits", want: answer{verdict: "unhealthy", class: "memory", action: "page", refused: "vpa-owned"},
			make: func(w *world) { w.some(w.webOf(2), 2, oom(6), nil); w.resizer("Auto") }},
		{name: "oom-vpa-off", title: "killed for memory, and a VerticalPodAutoscaler only recommends",
			want: answer{verdict: "unhealthy", class: "memory", action: "raise-limit"}, make: func(w *world) { w.some(w.webOf(2), 2, oom(6), nil); w.resizer("Off") }},
		{name: "oom-quota-full", title: "killed for memory, and the quota has no room for one more pod",
			want: answer{verdict: "unhealthy", class: "memory", action: "page", refused: "quota-headroom"},
			make: func(w *world) {
				w.quota("compute", object{"limits.memory": "600Mi"})
				w.some(w.webOf(2), 2, oom(6), nil)
			}},
		{name: "oom-quota-room", title: "killed for memory, and the quota has room",
			want: answer{verdict: "unhealthy", class: "memory", action: "raise-limit"},
			make: func(w *world) {
				w.quota("compute", object{"limits.memory": "8Gi"})
				w.some(w.webOf(2), 2, oom(6), nil)
			}},
		{name: "oom-once-yesterday", title: "one OOM kill yesterday", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) { w.some(w.webOf(3), 1, readyAfter(1, 137, "OOMKilled", 25*time.Hour), ready(2*day)) }},
		{name: "oom-evicted-leftover", title: "a pod was evicted for the node's memory, and its replacement serves: what is left of it means nothing",
			want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				list := w.webOf(3)
				w.put(list[0], disrupted(failed("Evicted", "The node was low on resource: memory. Threshold quantity: 100Mi, available: 68Mi.", 137), "TerminationByKubelet", "The node was low on resource: memory."))
				w.until("the replacement", func() bool { return len(w.podsNow(dep, web)) == 4 })
				for _, p := range w.podsNow(dep, web) {
					if name(p) != name(list[0]) {
						w.put(p, ready(50*minute))
					}
				}
			}},
		{name: "oom-resize-deferred", title: "a larger limit was asked for in place and the node has no room yet: it serves",
			want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.some(w.webOf(2), 2, with(ready(2*day), func(w *world, _, s object) {
					s["conditions"] = append(s["conditions"].([]any), object{"type": "PodResizePending", "status": "True", "reason": "Deferred", "message": "Node didn't have enough resource: memory", "lastTransitionTime": w.when(5 * minute)})
				}), nil)
			}},
	}
}

func images() []situation {
	const notFound = `rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/web:1.5.0": failed to resolve reference "registry.example/web:1.5.0": registry.example/web:1.5.0: not found`
	fails := func(reason, cause string) func(*world) {
		return func(w *world) {
			w.well(web, 3)
			w.service(web)
			w.roll(web, 1, noImage(reason, cause), image("registry.example/web:1.5.0"))
		}
	}
	degraded := func(action, words string) answer {
		return answer{verdict: "degraded", class: "image", action: action, because: words, culprit: "image registry.example/web:1.5.0"}
	}
	prefix := `failed to pull and unpack image "registry.example/web:1.5.0": failed to resolve reference "registry.example/web:1.5.0": `
	return []situation{
		{name: "image-no-tag", title: "the new revision's tag does not exist", want: degraded("undo", "no such image or tag"), make: fails("ImagePullBackOff", notFound)},
		{name: "image-no-tag-first-try", title: "the new revision's tag does not exist, at the first try", want: degraded("undo", "no such image or tag"), make: fails("ErrImagePull", notFound)},
		{name: "image-no-access", title: "the registry refuses the new revision's image: the pull secret is wrong, and waiting or an undo does not mend it",
			want: degraded("page", "pull secret"), make: fails("ImagePullBackOff", prefix+"failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized")},
		{name: "image-rate-limit", title: "the registry limits pulls: it gets better by waiting", want: degraded("page", "waiting"),
			make: fails("ImagePullBackOff", prefix+"unexpected status code 429 Too Many Requests - Server message: toomanyrequests")},
		{name: "image-registry-away", title: "the registry cannot be reached", want: degraded("page", "cannot be reached"),
			make: fails("ImagePullBackOff", prefix+`failed to do request: Head "https://registry.example/v2/web/manifests/1.5.0": dial tcp 10.1.2.3:443: i/o timeout`)},
		{name: "image-registry-certificate", title: "the registry's certificate is not accepted", want: degraded("page", "certificate"),
			make: fails("ImagePullBackOff", prefix+`failed to do request: Head "https://registry.example/v2/web/manifests/1.5.0": tls: failed to verify certificate: x509: certificate has expired`)},
		{name: "image-node-full", title: "the node has no space for the image", want: degraded("page", "no space left"),
			make: fails("ErrImagePull", `failed to pull and unpack image "registry.example/web:1.5.0": failed to extract layer: write /var/lib/containerd/x: no space left on device`)},
		{name: "image-bad-name", title: "the new revision's image has a name that cannot be read", want: answer{verdict: "degraded", class: "image", action: "undo", because: "cannot be read"},
			make: func(w *world) {
				w.well(web, 3)
				w.roll(web, 1, noImage("InvalidImageName", `Failed to apply default image tag "Registry.example/Web:1.5.0": couldn't parse image name "Registry.example/Web:1.5.0": invalid reference format: repository name (Web) must be lowercase`), image("Registry.example/Web:1.5.0"))
			}},
		{name: "image-never-pull", title: "the new revision's image is not on the node, and nobody may pull it", want: degraded("undo", "imagePullPolicy is Never"),
			make: func(w *world) {
				w.well(web, 3)
				w.roll(web, 1, noImage("ErrImageNeverPull", `Container image "registry.example/web:1.5.0" is not present with pull policy of Never`), image("registry.example/web:1.5.0"), inServer("imagePullPolicy", "Never"))
			}},
		{name: "image-one-new-pod", title: "one pod of three was moved to another node, and the image of the running revision is gone from the registry",
			want: answer{verdict: "degraded", class: "image", action: "page"},
			make: func(w *world) { w.some(w.webOf(3), 1, noImage("ImagePullBackOff", notFound), ready(2*day)) }},
		{name: "image-all", title: "no pod can have its image", want: answer{verdict: "unhealthy", class: "image", action: "page"},
			make: func(w *world) { w.some(w.webOf(2), 2, noImage("ImagePullBackOff", notFound), nil) }},
		{name: "image-sidecar", title: "only the second container's image cannot be had", want: answer{verdict: "unhealthy", class: "image", action: "page", culprit: "image registry.example/proxy:9", because: "container proxy"},
			make: func(w *world) {
				list := w.webOf(2, inPod("containers", []any{container(), object{"name": "proxy", "image": "registry.example/proxy:9"}}))
				for _, p := range list {
					w.put(p, with(notReady(20*minute, ""), func(w *world, pod, s object) {
						s["phase"] = "Pending"
						s["containerStatuses"] = []any{serverStatus(pod, true, 0, w.running(20*minute), nil),
							object{"name": "proxy", "image": "registry.example/proxy:9", "imageID": "", "ready": false, "restartCount": 0, "state": waits("ErrImagePull", "registry.example/proxy:9: not found")}}
					}))
				}
			}},
		{name: "image-being-pulled", title: "a large image is being pulled for three minutes", want: answer{verdict: "healthy", action: "none", refused: "rollout-in-progress"},
			make: func(w *world) {
				w.well(web, 3)
				w.roll(web, 1, creating(3*minute), image("registry.example/web:1.5.0"))
			}},
	}
}

func configuration() []situation {
	return []situation{
		{name: "config-map-missing", title: "the new revision names a ConfigMap that is not there", want: answer{verdict: "degraded", class: "misconfigured", action: "undo", culprit: "configmap/web-config"},
			make: func(w *world) {
				w.well(web, 3)
				w.roll(web, 1, notStarted("CreateContainerConfigError", `configmap "web-config" not found`), inServer("envFrom", []any{object{"configMapRef": object{"name": "web-config"}}}))
			}},
		{name: "secret-missing", title: "somebody deleted the Secret that all pods need", want: answer{verdict: "unhealthy", class: "misconfigured", action: "page", culprit: "secret/web-token"},
			make: func(w *world) {
				w.some(w.webOf(2, inServer("envFrom", []any{object{"secretRef": object{"name": "web-token"}}})), 2, notStarted("CreateContainerConfigError", `secret "web-token" not found`), nil)
			}},
		{name: "secret-key-missing", title: "the Secret has no such key", want: answer{verdict: "unhealthy", class: "misconfigured", action: "page", culprit: "secret/web-token", because: "TOKEN"},
			make: func(w *world) {
				w.some(w.webOf(2, inServer("env", []any{object{"name": "TOKEN", "valueFrom": object{"secretKeyRef": object{"name": "web-token", "key": "TOKEN"}}}})), 2,
					notStarted("CreateContainerConfigError", "couldn't find key TOKEN in Secret task-mcp/web-token"), nil)
			}},
		{name: "secret-missing-one-pod", title: "one pod was moved after the Secret was deleted; the others still run on what they had",
			want: answer{verdict: "degraded", class: "misconfigured", action: "page", culprit: "secret/web-token"},
			make: func(w *world) {
				w.some(w.webOf(3), 1, notStarted("CreateContainerConfigError", `secret "web-token" not found`), ready(2*day))
			}},
		{name: "config-volume-missing", title: "a ConfigMap that is mounted is not there: the pod waits for its volume", want: answer{verdict: "unhealthy", class: "misconfigured", action: "page", culprit: "configmap/web-files"},
			make: func(w *world) {
				w.some(w.webOf(2, inPod("volumes", []any{object{"name": "files", "configMap": object{"name": "web-files"}}})), 2,
					creating(10*minute, note{"FailedMount", `MountVolume.SetUp failed for volume "files" : configmap "web-files" not found`, 40 * time.Second, 12}), nil)
			}},
		{name: "container-cannot-be-made", title: "the runtime cannot make the container", want: answer{verdict: "unhealthy", class: "misconfigured", action: "page", because: "cannot be started"},
			make: func(w *world) {
				w.some(w.webOf(2), 2, notStarted("CreateContainerError", `failed to generate container "5f2c" spec: failed to generate spec: no command specified`), nil)
			}},
		{name: "container-cannot-be-run", title: "the container's working directory is not there, in the new revision", want: answer{verdict: "degraded", class: "misconfigured", action: "undo"},
			make: func(w *world) {
				w.well(web, 3)
				w.roll(web, 1, notStarted("RunContainerError", `failed to create containerd task: OCI runtime create failed: mkdir /app: read-only file system`), inServer("workingDir", "/app"))
			}},
		{name: "optional-config-missing", title: "an optional ConfigMap is not there: the pods serve", want: answer{verdict: "healthy", action: "none"},
			make: func(w *world) {
				w.some(w.webOf(2, inServer("envFrom", []any{object{"configMapRef": object{"name": "web-extra", "optional": true}}})), 2, ready(2*day), nil)
			}},
	}
}
