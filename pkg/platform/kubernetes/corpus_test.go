package kubernetes

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The corpus was recorded from a real control plane (test/kubelab/corpus makes it again). The right answer stands at the
// head of each file and was written before the diagnosis was asked. Those whose name begins with "kubelet" were recorded by
// hand from a real kubelet, containerd and runc (Kubernetes 1.36, containerd 1.6): they prove that the others use its words.
func TestTheCorpusIsJudgedRight(t *testing.T) {
	files := corpus(t)
	made, alone, kubelet := 0, 0, 0
	for _, name := range files {
		want := expectation(t, name)
		switch {
		case strings.HasPrefix(situationName(name), "kubelet-"):
			kubelet++
		case want["action"] == "none":
			alone++
			fallthrough
		default:
			made++
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
	require.GreaterOrEqual(t, made, 250)
	require.GreaterOrEqual(t, 2*alone, made, "half of them are to be left alone")
	require.GreaterOrEqual(t, kubelet, 30)
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

// Each guard is the answer to a situation, so that one that is lost is found. The exception cannot be the first that holds
// today: a pod without a controller is its own last ready pod.
func TestEachGuardHoldsSomewhere(t *testing.T) {
	held := map[string]bool{"no-replacement": true}
	for _, name := range corpus(t) {
		held[expectation(t, name)["refused"]] = true
	}
	for _, slug := range Guards() {
		require.True(t, held[slug], slug)
	}
}
