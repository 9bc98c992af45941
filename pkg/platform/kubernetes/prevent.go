package kubernetes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes/api"
)

// Advice is something about a workload that makes the next outage likelier, longer or harder to heal. Nothing is broken by it
// now, and recoveryd changes none of it.
type Advice struct {
	V       int    `json:"v"`      // Version
	Target  string `json:"target"` // NAMESPACE/KIND/NAME
	Finding string `json:"finding"`
	Why     string `json:"why"`
}

// tightProbe is the time within which a liveness probe may not give up: a collection of garbage, a slow disk or a busy node
// take some seconds now and then, and the kubelet kills the container for them.
const tightProbe = 10 * time.Second

// Prevent looks for what weakens the Deployments and StatefulSets, in the order of their targets. What is missing is only
// reported for kinds that were shown: a list of PodDisruptionBudgets that nobody gave is not an empty one.
func Prevent(o *Objects) []Advice {
	j := &judge{Objects: o, all: workloads(o)}
	list := []Advice{}
	for _, w := range j.all {
		if !w.known || w.wanted == 0 || w.DeletionTimestamp != nil || w.kind != kindDeployment && w.kind != kindStatefulSet {
			continue
		}
		add := func(finding, format string, args ...any) {
			list = append(list, Advice{Version, w.id(), finding, fmt.Sprintf(format, args...)})
		}
		served := slices.ContainsFunc(w.services, func(s service) bool { return s.matches })
		if w.wanted == 1 && served {
			add("one-replica", "it has one replica: each restart, and each node that goes, is an outage")
		}
		j.adviseBudget(w, add)
		if w.wanted > 1 && w.kind == kindDeployment && o.Shown("HorizontalPodAutoscaler") && j.autoscaler(w) == nil {
			add("no-autoscaler", "no HorizontalPodAutoscaler follows its load")
		}
		if node := oneNode(w); node != "" {
			add("one-node", "all its pods are on the node %s: spread them (topologySpreadConstraints)", node)
		}
		adviseContainers(w, served, add)
	}
	return list
}

// adviseBudget looks at what keeps a drain of nodes from taking too many pods at once, or from ever ending.
func (j *judge) adviseBudget(w *workload, add func(string, string, ...any)) {
	i := slices.IndexFunc(j.Budgets, func(b api.DisruptionBudget) bool {
		return b.Namespace == w.Namespace && b.Spec.Selector.Matches(w.podLabels())
	})
	switch {
	case i >= 0 && j.Budgets[i].Status.DisruptionsAllowed == 0 && w.ready >= w.wanted:
		add("budget-allows-nothing", "the PodDisruptionBudget %s allows no disruption even now that all pods are ready: no node of theirs can be drained", j.Budgets[i].Name)
	case i < 0 && w.wanted > 1 && j.Shown("PodDisruptionBudget"):
		add("no-disruption-budget", "no PodDisruptionBudget: a drain of nodes may take all its pods at once")
	}
}

func adviseContainers(w *workload, served bool, add func(string, string, ...any)) {
	unlimited, probed := []string{}, false
	for _, c := range w.template.Spec.Containers {
		if _, has := c.Resources.Limits["memory"]; !has {
			unlimited = append(unlimited, c.Name)
		}
		probed = probed || c.Readiness != nil
		if p := c.Liveness; p != nil {
			// The API's defaults: every 10 seconds, three failures.
			if patience := time.Duration(cmp.Or(p.PeriodSeconds, 10)*cmp.Or(p.FailureThreshold, 3)) * time.Second; patience < tightProbe {
				add("tight-liveness-probe", "the liveness probe of container %s gives up after %s: a short pause kills it", c.Name, patience)
			}
		}
	}
	if len(unlimited) > 0 {
		add("no-memory-limit", "no memory limit (container %s): a leak takes the node's memory, and others are killed for it", strings.Join(unlimited, ", "))
	}
	if served && !probed {
		add("no-readiness-probe", "no readiness probe: a Service sends to it before it can answer")
	}
}

// oneNode is the node that two or more pods are all on; "" when they are spread or their nodes are not known.
func oneNode(w *workload) string {
	node := ""
	for _, p := range w.pods {
		switch {
		case p.Spec.NodeName == "" || !podReady(p):
		case node == "":
			node = p.Spec.NodeName
		case node != p.Spec.NodeName:
			return ""
		}
	}
	if w.ready < 2 || w.wanted < 2 {
		return ""
	}
	return node
}
