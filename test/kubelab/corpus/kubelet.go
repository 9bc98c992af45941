package main

import (
	"fmt"
	"time"
)

// state is what a kubelet says of a pod: its status, and events.
type state func(w *world, pod object) (status object, notes []note)

// note is an event of a kubelet about a pod.
type note struct {
	reason, message string
	ago             time.Duration
	count           int
}

// put writes a state into a pod, as its kubelet would.
func (w *world) put(pod object, s state) {
	status, notes := s(w, pod)
	w.must(w.bound(pod))
	w.status("Pod", name(pod), status)
	for _, n := range notes {
		w.event(pod, "Pod", n.reason, n.message, n.ago, max(n.count, 1))
	}
}

// bound waits for the scheduler.
func (w *world) bound(pod object) error {
	w.until("a node for "+name(pod), func() bool { return text(w.get("Pod", name(pod)), "spec.nodeName") != "" })
	return nil
}

func (w *world) when(ago time.Duration) string { return w.now.Add(-ago).UTC().Format(time.RFC3339) }

// status is a pod's status but for its containers.
func (w *world) base(pod object, phase string, isReady bool, age time.Duration) object {
	w.ips++
	w.age(pod, age+3*time.Second)
	yes, no := "True", "False"
	readiness, reason := yes, ""
	if !isReady {
		readiness, reason = no, "ContainersNotReady"
	}
	condition := func(kind, status, reason string) object {
		c := object{"type": kind, "status": status, "lastTransitionTime": w.when(age - time.Second)}
		if reason != "" && status == no {
			c["reason"], c["message"] = reason, "containers with unready status: [server]"
		}
		return c
	}
	return object{"phase": phase, "startTime": w.when(age + 2*time.Second), "podIP": fmt.Sprintf("10.244.1.%d", w.ips), "podIPs": []any{object{"ip": fmt.Sprintf("10.244.1.%d", w.ips)}},
		"hostIP": "10.0.0.1", "hostIPs": []any{object{"ip": "10.0.0.1"}},
		"conditions": []any{condition("Ready", readiness, reason),
			condition("ContainersReady", readiness, reason), condition("PodScheduled", yes, "")}}
}

func serverStatus(pod object, isReady bool, restarts int, state, last object) object {
	s := object{"name": "server", "image": text(pod, "spec.containers.0.image"), "imageID": "", "ready": isReady, "started": isReady, "restartCount": restarts, "state": state}
	if state["running"] != nil {
		s["started"], s["containerID"] = true, "containerd://5f2c"
	}
	if last != nil {
		s["lastState"] = last
	}
	return s
}

func (w *world) running(ago time.Duration) object {
	return object{"running": object{"startedAt": w.when(ago)}}
}

// ended is a container's last run.
func (w *world) ended(code int, reason, message string, ran, ago time.Duration) object {
	t := object{"exitCode": code, "reason": reason, "startedAt": w.when(ago + ran), "finishedAt": w.when(ago), "containerID": "containerd://4e1b"}
	if message != "" {
		t["message"] = message
	}
	return object{"terminated": t}
}

func waits(reason, message string) object {
	return object{"waiting": object{"reason": reason, "message": message}}
}

// ready: the container has been running for so long.
func ready(age time.Duration) state {
	return func(w *world, pod object) (object, []note) {
		s := w.base(pod, "Running", true, age)
		s["containerStatuses"] = []any{serverStatus(pod, true, 0, w.running(age), nil)}
		return s, nil
	}
}

// readyAfter: it serves now, after so many restarts, the last of which was so long ago.
func readyAfter(restarts, code int, reason string, ago time.Duration) state {
	return func(w *world, pod object) (object, []note) {
		s := w.base(pod, "Running", true, 2*day)
		s["containerStatuses"] = []any{serverStatus(pod, true, restarts, w.running(ago), w.ended(code, reason, "", time.Hour, ago+time.Second))}
		return s, nil
	}
}

// servesBetween: a crash loop at a moment in which the container runs and is ready.
func servesBetween(restarts int) state {
	return func(w *world, pod object) (object, []note) {
		s := w.base(pod, "Running", true, 2*day)
		s["containerStatuses"] = []any{serverStatus(pod, true, restarts, w.running(15*time.Second), w.ended(1, "Error", "", 20*time.Second, 50*time.Second))}
		return s, nil
	}
}

// crash: CrashLoopBackOff after runs of 2 seconds.
func crash(code, restarts int, said string) state {
	return crashFor(code, restarts, "Error", said, 2*time.Second, time.Hour)
}

func crashFor(code, restarts int, reason, said string, ran, age time.Duration) state {
	return func(w *world, pod object) (object, []note) {
		s := w.base(pod, "Running", false, age)
		s["containerStatuses"] = []any{serverStatus(pod, false, restarts, waits("CrashLoopBackOff", backOff(w, pod)), w.ended(code, reason, said, ran, 90*time.Second))}
		return s, []note{{"BackOff", "Back-off restarting failed container server in pod " + name(pod) + "_" + w.ns + "(uid)", 30 * time.Second, restarts * 3}}
	}
}

func backOff(w *world, pod object) string {
	return "back-off 5m0s restarting failed container=server pod=" + name(pod) + "_" + w.ns + "(uid)"
}

// betweenTries: a crash loop at a moment in which the container runs.
func betweenTries(code, restarts int) state {
	return func(w *world, pod object) (object, []note) {
		s := w.base(pod, "Running", false, 20*time.Minute)
		s["containerStatuses"] = []any{serverStatus(pod, false, restarts, w.running(2*time.Second), w.ended(code, "Error", "", 3*time.Second, 100*time.Second))}
		return s, nil
	}
}

// oom: killed for memory again and again.
func oom(restarts int) state {
	return crashFor(137, restarts, "OOMKilled", "", 40*time.Second, time.Hour)
}

// probeKilled: the kubelet kills it for a probe.
func probeKilled(probe string, code, restarts int) state {
	return func(w *world, pod object) (object, []note) {
		s := w.base(pod, "Running", false, time.Hour)
		s["containerStatuses"] = []any{serverStatus(pod, false, restarts, waits("CrashLoopBackOff", backOff(w, pod)), w.ended(code, "Error", "", 40*time.Second, 80*time.Second))}
		return s, []note{
			{"Unhealthy", probe + ` probe failed: Get "http://10.244.1.9:3000/healthz": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`, 85 * time.Second, 3 * restarts},
			{"Killing", "Container server failed " + map[string]string{"Liveness": "liveness", "Startup": "startup"}[probe] + " probe, will be restarted", 80 * time.Second, restarts}}
	}
}

// noImage: the image cannot be pulled, for this cause in the words of containerd.
func noImage(reason, cause string) state {
	return func(w *world, pod object) (object, []note) {
		s := w.base(pod, "Pending", false, 20*time.Minute)
		img := text(pod, "spec.containers.0.image")
		message := fmt.Sprintf("Back-off pulling image %q", img)
		if cause != "" && reason == "ImagePullBackOff" {
			message += ": ErrImagePull: " + cause
		} else if cause != "" {
			message = cause
		}
		s["containerStatuses"] = []any{serverStatus(pod, false, 0, waits(reason, message), nil)}
		if cause == "" {
			return s, nil
		}
		return s, []note{{"Failed", fmt.Sprintf("Failed to pull image %q: %s", img, cause), 2 * time.Minute, 6}, {"Failed", "Error: ErrImagePull", 2 * time.Minute, 6}}
	}
}

// notStarted: the container cannot be made.
func notStarted(reason, message string) state {
	return func(w *world, pod object) (object, []note) {
		s := w.base(pod, "Pending", false, 20*time.Minute)
		s["containerStatuses"] = []any{serverStatus(pod, false, 0, waits(reason, message), nil)}
		return s, []note{{"Failed", "Error: " + message, 30 * time.Second, 40}}
	}
}

// notReady: it runs and its readiness probe fails.
func notReady(age time.Duration, said string) state {
	return func(w *world, pod object) (object, []note) {
		s := w.base(pod, "Running", false, age)
		s["containerStatuses"] = []any{serverStatus(pod, false, 0, w.running(age), nil)}
		if said == "" {
			return s, nil
		}
		return s, []note{{"Unhealthy", said, 5 * time.Second, int(age / (5 * time.Second))}}
	}
}

// creating: no container was made yet; notes say why.
func creating(age time.Duration, notes ...note) state {
	return func(w *world, pod object) (object, []note) {
		s := w.base(pod, "Pending", false, age)
		delete(s, "podIP")
		delete(s, "podIPs")
		s["containerStatuses"] = []any{serverStatus(pod, false, 0, object{"waiting": object{"reason": "ContainerCreating"}}, nil)}
		return s, notes
	}
}

// failed: the pod ended for good.
func failed(reason, message string, code int) state {
	return func(w *world, pod object) (object, []note) {
		s := w.base(pod, "Failed", false, time.Hour)
		if reason != "" {
			s["reason"], s["message"] = reason, message
		}
		s["containerStatuses"] = []any{serverStatus(pod, false, 0, w.ended(code, map[bool]string{true: "Completed", false: "Error"}[code == 0], "", time.Minute, 10*time.Minute), nil)}
		return s, nil
	}
}

// succeeded: the pod has done its work.
func succeeded(w *world, pod object) (object, []note) {
	s := w.base(pod, "Succeeded", false, time.Hour)
	s["containerStatuses"] = []any{serverStatus(pod, false, 0, w.ended(0, "Completed", "", time.Minute, 10*time.Minute), nil)}
	return s, nil
}

// disrupted adds the condition that somebody takes the pod away on purpose.
func disrupted(s state, reason, message string) state {
	return func(w *world, pod object) (object, []note) {
		status, notes := s(w, pod)
		status["conditions"] = append(status["conditions"].([]any), object{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message, "lastTransitionTime": w.when(20 * time.Second)})
		return status, notes
	}
}

// with changes the status that another state gives.
func with(s state, change func(w *world, pod, status object)) state {
	return func(w *world, pod object) (object, []note) {
		status, notes := s(w, pod)
		change(w, pod, status)
		return status, notes
	}
}
