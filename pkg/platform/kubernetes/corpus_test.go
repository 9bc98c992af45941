package kubernetes

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The corpus was recorded from a real control plane (test/kubelab/corpus makes it again). The right answer stands at the
// head of each file and was written before the diagnosis was asked.
func TestTheCorpusIsJudgedRight(t *testing.T) {
	files := corpus(t)
	alone := 0
	for _, name := range files {
		want := expectation(t, name)
		if want["action"] == "none" {
			alone++
		}
		t.Run(situationName(name), func(t *testing.T) {
			target := want["target"]
			if target == "" {
				target = "task-mcp/deployment/web"
			}
			got := judged(t, name, target)
			require.Equal(t, want["verdict"], got.Verdict.String(), got.Because)
			require.Equal(t, want["class"], string(got.Class), got.Because)
			require.Equal(t, want["action"], string(got.Action), got.Would)
			require.Equal(t, want["refused"], got.Refused, got.Would)
			require.Contains(t, got.Because, want["because"])
			if want["culprit"] != "" {
				require.Equal(t, want["culprit"], got.Culprit)
			}
		})
	}
	require.GreaterOrEqual(t, len(files), 250)
	require.GreaterOrEqual(t, 2*alone, len(files), "half of them are to be left alone")
}

// What is done and what is proposed are the same thing.
func TestTheProposalEndsWithTheAction(t *testing.T) {
	for action, words := range map[Action]string{ActionDeletePod: "kubectl delete pod ", ActionUndo: "kubectl rollout ", ActionRaiseLimit: "kubectl set resources "} {
		found := 0
		for _, name := range corpus(t) {
			want := expectation(t, name)
			if want["action"] != string(action) || want["target"] != "" {
				continue
			}
			got := judged(t, name, "task-mcp/deployment/web")
			require.True(t, strings.HasPrefix(got.Proposal[len(got.Proposal)-1].Command, words), "%s: %v", name, got.Proposal)
			found++
		}
		require.Positive(t, found, action)
	}
}
