package kubernetes

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Nothing that is proposed does harm, whatever the situation; and where something is wrong, something is proposed.
func TestProposalsAreCommandsThatAPersonMayType(t *testing.T) {
	harm := regexp.MustCompile(`--force|--grace-period=0|finalizers|delete (deploy|statefulset|daemonset|service|node|namespace|pvc|-l)|patch service|rollout restart|rollout undo \S+( -n \S+)?$`)
	first := regexp.MustCompile(`^(kubectl (logs|describe|get|rollout history) |helm history |git revert )`)
	for _, name := range append(corpus(t), plainSituations(t)...) {
		t.Run(situationName(name), func(t *testing.T) {
			var o Objects
			f, err := os.Open(name)
			require.NoError(t, err)
			defer f.Close()
			require.NoError(t, o.Read(name, f))
			for _, got := range Judge(&o, time.Time{}) {
				require.Equal(t, got.Action == ActionPage || got.Action == ActionDeletePod || got.Action == ActionUndo || got.Action == ActionRaiseLimit || got.Class == ClassDependency,
					len(got.Proposal) > 0, "%s: %s, and proposed: %v", got.Target, got.Would, got.Proposal)
				for i, c := range got.Proposal {
					require.NotRegexp(t, harm, c.Command)
					require.NotEmpty(t, c.Why)
					if i == 0 {
						require.Regexp(t, first, c.Command, "the mildest first: it only looks")
					}
				}
				for _, c := range got.Never {
					require.NotEmpty(t, c.Why)
					require.False(t, slices.ContainsFunc(got.Proposal, func(p Command) bool { return p.Command == c.Command }), c.Command)
				}
			}
		})
	}
}

// Whoever reads -o json by a program counts on these names and types; a change of them is a new version.
func TestTheShapeOfAJudgementIsFixed(t *testing.T) {
	text, err := json.Marshal(judged(t, "testdata/crash-loop-one-pod.yaml", ""))
	require.NoError(t, err)
	require.JSONEq(t, `{"v": 1, "target": "ns/deployment/web", "verdict": "degraded", "class": "crash-loop", "culprit": "ns/deployment/web",
		"because": "2 of 3 ready; web-aa-2: it ends again and again (5 restarts), at last with exit code 1", "witnesses": ["last-run", "pod"],
		"action": "delete-pod", "would": "delete pod web-aa-2 (the others of the same revision are well)", "refused": "",
		"proposal": [
			{"command": "kubectl logs web-aa-2 --previous --tail=100 -c c -n ns", "why": "its last words"},
			{"command": "kubectl delete pod web-aa-2 -n ns", "why": "its controller makes another one; it serves nobody now"}],
		"never": [
			{"command": "kubectl rollout restart deployment/web -n ns", "why": "the other pods are well, and would be replaced, too"},
			{"command": "kubectl delete pod web-aa-2 --force --grace-period=0 -n ns", "why": "the kubelet may still run it, and a StatefulSet's data may be damaged"}]}`, string(text))
	require.Equal(t, 1, Version)
	well, err := json.Marshal(judged(t, "testdata/well.yaml", ""))
	require.NoError(t, err)
	require.NotContains(t, string(well), "null", "lists are never null")
}

// A name in a file decides nothing about what a person runs.
func TestNamesAreQuotedInCommands(t *testing.T) {
	require.Equal(t, "kubectl delete pod 'x; rm -rf /' -n ns", line{ns: "ns"}.kubectl("delete", "pod", "x; rm -rf /"))
	require.Equal(t, `kubectl delete pod 'it'\''s$(id)' -n ns`, line{ns: "ns"}.kubectl("delete", "pod", "it's$(id)"))
	require.Equal(t, "kubectl delete pod 'xy' -n ns", line{ns: "ns"}.kubectl("delete", "pod", "x\ny"), "no new line")
	require.Equal(t, "kubectl get pod web-1", line{}.kubectl("get", "pod", "web-1"))
}

func corpus(t *testing.T) []string {
	files, err := filepath.Glob("testdata/corpus/*.yaml")
	require.NoError(t, err)
	return files
}

func plainSituations(t *testing.T) []string {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	return files
}

func situationName(path string) string { return strings.TrimSuffix(filepath.Base(path), ".yaml") }
