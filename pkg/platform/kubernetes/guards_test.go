package kubernetes

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The order is part of what recoveryd promises: who intends something goes before who owns something, and both before risk.
func TestGuardsAreAskedInTheirOrder(t *testing.T) {
	require.Equal(t, []string{"unknown-generation", "paused", "operator-intent", "maintenance", "gitops-managed", "helm-managed", "other-controller-owned", "hpa-owned", "vpa-owned",
		"rollout-in-progress", "statefulset-ordered", "job-pod", "last-ready-pod", "pdb", "no-replacement", "quota-headroom", "node-suspect", "contested"}, Guards())
}

// What could not be read may be a reason not to act: the guard that needs it holds.
func TestAnUnreadKindHoldsTheGuardThatNeedsIt(t *testing.T) {
	for kind, c := range map[string]struct{ file, guard string }{
		"Namespace":             {"crash-loop-one-pod", "maintenance"},
		"PodDisruptionBudget":   {"crash-loop-one-pod", "pdb"},
		"VerticalPodAutoscaler": {"oom-loop-argo", "vpa-owned"},
		"ResourceQuota":         {"oom-loop-argo", "quota-headroom"},
	} {
		t.Run(kind, func(t *testing.T) {
			text, err := os.ReadFile("testdata/" + c.file + ".yaml")
			require.NoError(t, err)
			var o Objects
			require.NoError(t, o.Read(c.file, strings.NewReader(strings.ReplaceAll(string(text), "argocd.argoproj.io/tracking-id", "x"))))
			require.Empty(t, Judge(&o, time.Time{})[0].Refused, "with everything known it acts")
			o.Unread(kind, "forbidden")
			got := Judge(&o, time.Time{})[0]
			require.Equal(t, c.guard, got.Refused)
			require.Equal(t, ActionPage, got.Action)
			require.Contains(t, got.Would, "could not be read: forbidden")
		})
	}
}

// An unread kind is no reason to hold what does not depend on it.
func TestAnUnreadKindHoldsNothingElse(t *testing.T) {
	text, err := os.ReadFile("testdata/crash-loop-one-pod.yaml")
	require.NoError(t, err)
	var o Objects
	require.NoError(t, o.Read("x", strings.NewReader(string(text))))
	o.Unread("VerticalPodAutoscaler", "forbidden")
	o.Unread("ResourceQuota", "forbidden")
	require.Equal(t, ActionDeletePod, Judge(&o, time.Time{})[0].Action)
}
