package kubernetes

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func advised(t *testing.T, files ...string) []string {
	t.Helper()
	var o Objects
	for _, text := range files {
		require.NoError(t, o.Read("x", strings.NewReader(text)))
	}
	found := []string{}
	for _, a := range Prevent(&o) {
		require.Equal(t, Version, a.V)
		require.NotEmpty(t, a.Why)
		found = append(found, a.Finding)
	}
	return found
}

func recordedAs(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/corpus/" + name + ".yaml")
	require.NoError(t, err)
	return string(text)
}

// What weakens a workload is found, and what was not shown is not called missing.
func TestWhatWeakensAWorkloadIsFound(t *testing.T) {
	const none = "apiVersion: policy/v1\nkind: PodDisruptionBudgetList\nitems: []\n---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscalerList\nitems: []\n"
	require.Empty(t, advised(t, recordedAs(t, "well")), "neither budgets nor autoscalers were shown")
	require.Equal(t, []string{"no-disruption-budget", "no-autoscaler"}, advised(t, recordedAs(t, "well"), none))
	require.Equal(t, []string{"one-replica"}, advised(t, recordedAs(t, "well-one-pod"), none))
	require.Equal(t, []string{"budget-allows-nothing"}, advised(t, recordedAs(t, "pdb-tight-and-well")))
	require.Equal(t, []string{"no-memory-limit"}, advised(t, recordedAs(t, "oom-no-limit")))
	require.Equal(t, []string{"one-node", "tight-liveness-probe", "no-memory-limit"}, advised(t, strings.ReplaceAll(recordedAs(t, "kubelet-well"), "readinessProbe", "livenessProbe")))
	require.Equal(t, []string{"no-readiness-probe"}, advised(t, strings.ReplaceAll(recordedAs(t, "well"), "readinessProbe", "someProbe")))
	require.Empty(t, advised(t, recordedAs(t, "scaled-to-zero"), none), "it is meant to be off")
	require.Empty(t, advised(t, recordedAs(t, "deleted-workload"), none))
}
