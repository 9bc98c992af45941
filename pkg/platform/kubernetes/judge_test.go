package kubernetes

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each file of testdata is one situation: comments that give its title and the right answer, then the objects as kubectl
// prints them. The answer is that of the first target in the file's order of targets, unless `target` names another.
func TestSituationsAreJudgedRight(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			want := expectation(t, name)
			got := judged(t, name, want["target"])
			require.Equal(t, want["verdict"], got.Verdict.String(), got.Because)
			require.Equal(t, want["class"], string(got.Class), got.Because)
			require.Equal(t, want["refused"], got.Refused, got.Would)
			require.True(t, strings.HasPrefix(got.Would, want["would"]), "would: %s", got.Would)
			if culprit, given := want["culprit"]; given {
				require.Equal(t, culprit, got.Culprit)
			}
			if says, given := want["because"]; given {
				require.Contains(t, got.Because, says)
			}
			if got.Refused != "" {
				require.Contains(t, Guards(), got.Refused)
			}
		})
	}
}

// expectation reads the comments at the head of a situation: "# key: value".
func expectation(t *testing.T, name string) map[string]string {
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	want := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan() && strings.HasPrefix(s.Text(), "#"); {
		if key, value, ok := strings.Cut(strings.TrimPrefix(s.Text(), "# "), ":"); ok {
			require.NotContains(t, want, key, "twice")
			want[key] = strings.TrimSpace(value)
		}
	}
	for _, key := range []string{"verdict", "class", "refused"} {
		require.Contains(t, want, key, name)
	}
	if !strings.Contains(name, "/corpus/") {
		require.Contains(t, want, "would", name)
	}
	return want
}

func judged(t *testing.T, name, target string) Judgement {
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	var o Objects
	require.NoError(t, o.Read(name, f))
	at := time.Time{}
	if text, given := expectation(t, name)["at"]; given {
		at, err = time.Parse(time.RFC3339, text)
		require.NoError(t, err)
	}
	list := Judge(&o, at)
	require.NotEmpty(t, list)
	if target == "" {
		return list[0]
	}
	i := slices.IndexFunc(list, func(j Judgement) bool { return j.Target == target })
	require.GreaterOrEqual(t, i, 0, "no target %s", target)
	return list[i]
}

// The scheduler's sentence is the only place where the cause stands: counts, clauses with commas of their own, and a part
// about preemption that repeats them.
func TestTheSchedulersSentenceIsRead(t *testing.T) {
	for _, c := range []struct {
		message string
		total   int
		want    []clause
	}{
		{"0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.", 1, []clause{{1, "Insufficient memory"}}},
		{"0/5 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 4 Insufficient cpu, 4 Insufficient memory.", 5,
			[]clause{{4, "Insufficient cpu"}, {4, "Insufficient memory"}, {1, "node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }"}}},
		{"0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.", 3, []clause{{3, "node(s) didn't match Pod's node affinity/selector"}}},
		{"0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found", 3, []clause{{3, "pod has unbound immediate PersistentVolumeClaims"}}},
		{"0/7 nodes are available: 1 node(s) had untolerated taint(s), 3 Insufficient memory. no new claims to deallocate, preemption: 0/7 nodes are available: 7 Preemption is not helpful for scheduling.", 7,
			[]clause{{3, "Insufficient memory"}, {1, "node(s) had untolerated taint(s)"}}}, // Kubernetes 1.36
	} {
		total, list, ok := schedulerClauses(c.message)
		require.True(t, ok, c.message)
		require.Equal(t, c.total, total)
		require.Equal(t, c.want, list, c.message)
	}
	_, _, ok := schedulerClauses("waiting for something else")
	require.False(t, ok)
}

// What people give by mistake is refused in words that say what to give instead.
func TestFilesThatAreNoObjectsAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":        {"  \n", "is empty"},
		"table":        {"NAME   READY   STATUS\nweb-1   1/1   Running\n", "kubectl's output for people"},
		"values":       {"replicas: 3\nimage: x\n", "no apiVersion and kind"},
		"error":        {`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"pods is forbidden"}`, "pods is forbidden"},
		"broken":       {"{\"kind\": ", "neither YAML nor JSON"},
		"not applied":  {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {generateName: x}\n", "no metadata.name"},
		"null item":    {`{"kind":"PodList","apiVersion":"v1","items":[null]}`, "item 1 of the list: it is null"},
		"wrong fields": {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: many}\n", "document 1"},
	} {
		t.Run(name, func(t *testing.T) {
			var o Objects
			require.ErrorContains(t, o.Read("file.yaml", strings.NewReader(c.text)), c.want)
		})
	}
}

func FuzzReadNeverFails(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	real, _ := filepath.Glob("testdata/corpus/kubelet-*.yaml")
	for _, name := range append(files, real...) {
		text, _ := os.ReadFile(name)
		f.Add(string(text))
	}
	f.Add(`{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"x","deletionTimestamp":"2026-12-01T03:00:00Z"},"spec":{"initContainers":[{}]},"status":{"containerStatuses":[{"state":{"terminated":{}}}]}}]}`)
	f.Add(`{"kind":"List","apiVersion":"v1","items":[null,{"kind":"List","apiVersion":"v1","items":[{}]}]}`)
	f.Fuzz(func(_ *testing.T, text string) {
		var o Objects
		if o.Read("fuzz", strings.NewReader(text)) == nil {
			Judge(&o, time.Time{}) // must not panic, whatever stands in the objects
		}
	})
}
