package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// recorded is the moment at which every record says that it was made.
var recorded = time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)

// namespaceName is the name that every record has for its namespace.
const namespaceName = "task-mcp"

// record makes a situation and prints it as a file.
func record(ctx context.Context, stage *stage, s situation) (text []byte, err error) {
	w := &world{stage: stage, ctx: ctx, ns: "situation-" + s.name, now: time.Now(), ages: map[string]time.Duration{}, deletions: map[string]time.Duration{}}
	defer func() {
		if w.paused {
			w.Resume()
		}
		if f, ok := recover().(failure); ok {
			err = f.err
		}
	}()
	w.must(w.Create(ctx, "/api/v1/namespaces", object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": w.ns}}, nil))
	w.until("the namespace's ServiceAccount", func() bool { return w.Get(ctx, "/api/v1/namespaces/"+w.ns+"/serviceaccounts/default", nil) == nil })
	s.make(w)
	list := w.settled()
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s\n", s.title)
	for _, line := range [][2]string{{"target", s.want.target}, {"verdict", s.want.verdict}, {"class", s.want.class}, {"action", s.want.action}, {"refused", s.want.refused},
		{"culprit", s.want.culprit}, {"because", s.want.because}} {
		switch {
		case line[1] != "":
			fmt.Fprintf(&out, "# %s: %s\n", line[0], line[1])
		case line[0] == "class" || line[0] == "refused":
			fmt.Fprintf(&out, "# %s:\n", line[0])
		}
	}
	body, err := w.print(list)
	if err != nil {
		return nil, err
	}
	out.Write(body)
	return out.Bytes(), nil
}

// settled reads the namespace again and again until nothing has changed for a second and a half: then the controllers have
// said what they have to say.
func (w *world) settled() []object {
	var list []object
	var before string
	since := time.Now()
	w.until("the controllers to be done", func() bool {
		list = w.everything()
		versions := ""
		for _, o := range list {
			versions += text(o, "metadata.uid") + text(o, "metadata.resourceVersion") + " "
		}
		if versions != before {
			before, since = versions, time.Now()
		}
		return time.Since(since) > 1500*time.Millisecond && (w.paused || w.counted())
	})
	return list
}

// counted reports that the controllers have counted the pods that are ready: on a busy machine they are late, and silence
// does not mean that they are done.
func (w *world) counted() bool {
	pods := map[string]int{} // ready ones, by the uid of their owner
	for _, p := range w.list("Pod") {
		if text(p, "metadata.deletionTimestamp") != "" || text(p, "status.phase") == "Succeeded" || text(p, "status.phase") == "Failed" {
			continue
		}
		for _, c := range conditions(p) {
			if c["type"] == "Ready" && c["status"] == "True" {
				pods[text(p, "metadata.ownerReferences.0.uid")]++
			}
		}
	}
	sets := map[string]int{}
	for _, s := range w.list("ReplicaSet") {
		if number(s, "status.readyReplicas") != pods[text(s, "metadata.uid")] {
			return false
		}
		sets[text(s, "metadata.ownerReferences.0.uid")] += number(s, "status.readyReplicas")
	}
	for _, d := range w.list("Deployment") {
		if number(d, "status.readyReplicas") != sets[text(d, "metadata.uid")] || number(d, "status.observedGeneration") < number(d, "metadata.generation") {
			return false
		}
	}
	return true
}

func (w *world) everything() []object {
	var list []object
	if w.namespace {
		var o object
		w.must(w.Get(w.ctx, "/api/v1/namespaces/"+w.ns, &o))
		list = append(list, o)
	}
	for _, name := range w.nodes {
		var o object
		w.must(w.Get(w.ctx, "/api/v1/nodes/"+name, &o))
		list = append(list, o)
	}
	for _, c := range collections {
		if slices.Contains(w.withhold, c.kind) {
			continue
		}
		items := w.list(c.kind)
		slices.SortFunc(items, func(a, b object) int { return strings.Compare(name(a), name(b)) })
		for _, o := range items {
			o["apiVersion"], o["kind"] = c.apiVersion, c.kind
			if c.kind == "Event" && o["type"] == "Normal" {
				continue // what went well: half of a real file, and says nothing
			}
			list = append(list, o)
		}
	}
	return list
}

var (
	identifier = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	clusterIP  = regexp.MustCompile(`10\.96\.\d+\.\d+`)
)

// print makes what differs between two runs equal, leaves out what nobody needs, and writes YAML documents.
func (w *world) print(list []object) ([]byte, error) {
	names := w.stableNames(list) // before generateName is left out
	end := time.Now()
	for _, o := range list {
		uid := text(o, "metadata.uid")
		rebase(o, end)
		if age, ok := w.ages[uid]; ok {
			set("metadata.creationTimestamp", recorded.Add(-age).Format(time.RFC3339))(o)
		}
		if late, ok := w.deletions[uid]; ok {
			set("metadata.deletionTimestamp", recorded.Add(-late).Format(time.RFC3339))(o)
		}
		trim(o, w.raw)
	}
	var out bytes.Buffer
	for i, o := range list {
		doc, err := yaml.Marshal(o)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(doc)
	}
	all := out.String()
	for _, pair := range names {
		all = strings.ReplaceAll(all, pair[0], pair[1])
	}
	all = strings.ReplaceAll(all, w.ns, namespaceName)
	all = numbered(identifier, all, "00000000-0000-4000-8000-%012d")
	return []byte(numbered(clusterIP, all, "10.96.0.%d")), nil
}

// numbered replaces what the pattern finds by numbers, in the order of their first appearance.
func numbered(pattern *regexp.Regexp, text, format string) string {
	seen := map[string]string{}
	return pattern.ReplaceAllStringFunc(text, func(s string) string {
		if seen[s] == "" {
			seen[s] = fmt.Sprintf(format, len(seen)+1)
		}
		return seen[s]
	})
}

// stableNames finds the random parts of names and what to write in their place.
func (w *world) stableNames(list []object) [][2]string {
	var pairs [][2]string
	count := map[string]int{}
	for _, o := range list {
		prefix := text(o, "metadata.generateName")
		if prefix == "" || o["kind"] == "Event" || text(o, "metadata.ownerReferences.0.kind") == "StatefulSet" {
			continue // a StatefulSet's pods are numbered
		}
		count[prefix]++
		pairs = append(pairs, [2]string{name(o), fmt.Sprintf("%s%c%c%c%c%c", prefix, "bcdfghjklm"[count[prefix]%10], '4', 'x', "2456789"[count[prefix]%7], 'z')})
	}
	for i, o := range list {
		if o["kind"] == "Event" {
			set("metadata.name", fmt.Sprintf("event-%d", i))(o)
			set("metadata.generateName", nil)(o)
		}
	}
	return pairs
}

// rebase moves every moment so that the record was made at recorded.
func rebase(v any, end time.Time) any {
	switch v := v.(type) {
	case object:
		for key, inner := range v {
			if key == "annotations" {
				continue // people's words
			}
			v[key] = rebase(inner, end)
		}
	case []any:
		for i := range v {
			v[i] = rebase(v[i], end)
		}
	case string:
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return recorded.Add(-end.Sub(t)).UTC().Truncate(time.Second).Format(time.RFC3339)
		}
	}
	return v
}

// defaults are values that the API server fills in and that say nothing; a record that is not raw leaves them out.
var defaults = map[string]string{
	"terminationMessagePath": `"/dev/termination-log"`, "terminationMessagePolicy": `"File"`, "dnsPolicy": `"ClusterFirst"`, "schedulerName": `"default-scheduler"`,
	"securityContext": `{}`, "serviceAccount": `"default"`, "serviceAccountName": `"default"`, "enableServiceLinks": `true`, "preemptionPolicy": `"PreemptLowerPriority"`,
	"priority": `0`, "terminationGracePeriodSeconds": `30`, "imagePullPolicy": `"IfNotPresent"`, "restartPolicy": `"Always"`, "progressDeadlineSeconds": `600`,
	"revisionHistoryLimit": `10`, "qosClass": `"Burstable"`, "hostIP": `"10.0.0.1"`, "imageID": `""`, "containerID": `"containerd://5f2c"`, "scheme": `"HTTP"`,
	"successThreshold": `1`, "timeoutSeconds": `1`, "failureThreshold": `3`, "protocol": `"TCP"`, "internalTrafficPolicy": `"Cluster"`, "sessionAffinity": `"None"`,
	"ipFamilyPolicy": `"SingleStack"`, "ipFamilies": `["IPv4"]`, "persistentVolumeClaimRetentionPolicy": `{"whenDeleted":"Retain","whenScaled":"Retain"}`,
	"creationTimestamp": `null`, "lastState": `{}`, "tolerations": `[{"effect":"NoExecute","key":"node.kubernetes.io/not-ready","operator":"Exists","tolerationSeconds":300},{"effect":"NoExecute","key":"node.kubernetes.io/unreachable","operator":"Exists","tolerationSeconds":300}]`,
	"automountServiceAccountToken": `false`, "hostIPs": `[{"ip":"10.0.0.1"}]`, "strategy": `{"rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"type":"RollingUpdate"}`,
	"updateStrategy": `{"rollingUpdate":{"partition":0},"type":"RollingUpdate"}`, "reportingComponent": `""`, "reportingInstance": `""`, "eventTime": `null`,
	"nodeSelector": `{"pool":"general"}`, "terminatingReplicas": `0`, "collisionCount": `0`,
}

// trim leaves out what is of the lab, what no reader looks at, and defaults.
func trim(v any, raw bool) {
	switch v := v.(type) {
	case object:
		if a, ok := v["annotations"].(object); ok {
			delete(a, "kubelab/by-hand")
			delete(a, "kwok.x-k8s.io/node")
			if len(a) == 0 {
				delete(v, "annotations")
			}
		}
		if !raw {
			for _, key := range []string{"managedFields", "resourceVersion", "podIPs", "clusterIPs", "nodeInfo", "lastProbeTime", "lastUpdateTime", "blockOwnerDeletion", "fullyLabeledReplicas",
				"source", "firstTimestamp", "containerID", "generateName"} {
				delete(v, key)
			}
		}
		for key, inner := range v {
			trim(inner, raw)
			if raw {
				continue
			}
			if want, ok := defaults[key]; ok {
				if text, err := json.Marshal(v[key]); err == nil && string(text) == want {
					delete(v, key)
				}
			}
			if m, ok := v[key].(object); ok && len(m) == 0 && (key == "securityContext" || key == "resources" || key == "lastState") {
				delete(v, key)
			}
		}
	case []any:
		for _, inner := range v {
			trim(inner, raw)
		}
	}
}
