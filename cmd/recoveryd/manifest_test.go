package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes"
)

const situations = repository + "/pkg/platform/kubernetes/testdata/"

func diagnosed(t *testing.T, args ...string) []kubernetes.Judgement {
	t.Helper()
	out, stderr, code := say(t, append([]string{"diagnose", "-o", "json"}, args...)...)
	require.Zero(t, code, stderr)
	var list []kubernetes.Judgement
	require.NoError(t, json.Unmarshal([]byte(out), &list), out)
	for _, j := range list {
		require.Equal(t, kubernetes.Version, j.V)
	}
	return list
}

// The same objects in every form in which people have them give the same answer.
func TestManifestsInEveryForm(t *testing.T) {
	const name = "crash-loop-new-revision.yaml"
	want := diagnosed(t, "--manifest", situations+name)
	require.Len(t, want, 1)
	require.Equal(t, kubernetes.ActionUndo, want[0].Action)
	text, err := os.ReadFile(situations + name)
	require.NoError(t, err)
	docs := strings.Split(string(text), "\n---\n")
	dir := t.TempDir()
	var items []string
	for i, doc := range docs { // one file each, in another order
		path := filepath.Join(dir, string(rune('z'-i))+".yaml")
		require.NoError(t, os.WriteFile(path, []byte(doc), 0o600))
		items = append(items, "- "+strings.ReplaceAll(strings.TrimSpace(doc), "\n", "\n  "))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("not an object"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "more.yaml"), []byte("apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n"), 0o600))
	require.Equal(t, want, diagnosed(t, "--manifest", dir), "a folder, and a kind that nobody knows")

	list := filepath.Join(t.TempDir(), "list.yaml")
	require.NoError(t, os.WriteFile(list, []byte("apiVersion: v1\nkind: List\nitems:\n"+strings.Join(items, "\n")+"\n"), 0o600))
	require.Equal(t, want, diagnosed(t, "--manifest", list), "what kubectl get prints of several kinds")
	require.Equal(t, want, diagnosed(t, "--manifest", list, situations+name), "the same twice counts once")
	crlf := filepath.Join(t.TempDir(), "crlf.yaml")
	require.NoError(t, os.WriteFile(crlf, []byte("\xef\xbb\xbf"+strings.ReplaceAll(string(text), "\n", "\r\n")), 0o600))
	require.Equal(t, want, diagnosed(t, "--manifest", crlf), "a file from Windows")
}

// What cannot be judged is refused with exit code 2 and words that help.
func TestManifestsThatCannotBeJudged(t *testing.T) {
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "x.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no such file":  {[]string{"/no/such/file"}, "no such file"},
		"table":         {[]string{write("NAME READY\nweb 1/1\n")}, "kubectl's output for people"},
		"no workload":   {[]string{write("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")}, "nothing to judge"},
		"forbidden":     {[]string{write(`{"kind":"Status","apiVersion":"v1","message":"pods is forbidden"}`)}, "pods is forbidden"},
		"empty folder":  {[]string{t.TempDir()}, "has no .yaml"},
		"bad time":      {[]string{situations + "well.yaml", "--at", "yesterday"}, "is no time"},
		"half a file":   {[]string{write("apiVersion: v1\nkind: Pod\nmetadata: {name: x")}, "document 1"},
		"empty":         {[]string{write("")}, "is empty"},
		"wrong type":    {[]string{write("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: none}\n")}, "document 1"},
		"second is bad": {[]string{write("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n---\nhello\n")}, "document 2"},
	} {
		t.Run(name, func(t *testing.T) {
			out, stderr, code := say(t, append([]string{"diagnose", "--manifest"}, c.args...)...)
			require.Equal(t, console.Usage, code)
			require.Contains(t, stderr, c.want)
			require.Empty(t, out)
		})
	}
}

// People are shown what to type and what not, and why.
func TestManifestsInWords(t *testing.T) {
	out, stderr, code := say(t, "diagnose", "--manifest", situations+"image-new-revision.yaml")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "kubectl rollout undo deployment/web --to-revision=1 -n ns   # the newest revision whose pods are ready now")
	require.Regexp(t, `never\s+kubectl rollout undo deployment/web -n ns   # it goes to the revision before`, out)
}

// The workloads of a namespace are read from its API server, with nothing but GET.
func TestANamespaceIsReadFromItsAPIServer(t *testing.T) {
	text, err := os.ReadFile(situations + "crash-loop-one-pod.yaml")
	require.NoError(t, err)
	objects := map[string][]any{} // by the path of their collection
	for doc := range strings.SplitSeq(string(text), "\n---\n") {
		var o map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(doc), &o))
		at := map[string]string{"Deployment": "/apis/apps/v1/namespaces/ns/deployments", "ReplicaSet": "/apis/apps/v1/namespaces/ns/replicasets", "Pod": "/api/v1/namespaces/ns/pods"}[o["kind"].(string)]
		objects[at] = append(objects[at], o)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		if r.URL.Path == "/api/v1/nodes" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"kind":"Status","message":"nodes is forbidden: the Role has no such rule"}`))
			return
		}
		w.Header().Set("Date", "Mon, 30 Nov 2026 03:12:00 GMT")
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "List", "apiVersion": "v1", "items": objects[r.URL.Path]})
	}))
	defer server.Close()
	config := filepath.Join(t.TempDir(), "config")
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	require.NoError(t, os.WriteFile(config, []byte("current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"+
		"clusters: [{name: k, cluster: {server: '"+server.URL+"', certificate-authority-data: "+ca+"}}]\nusers: [{name: u, user: {token: x}}]\n"), 0o600))

	got := diagnosed(t, "--namespace", "ns", "--kubeconfig", config)
	require.Len(t, got, 1)
	require.Equal(t, kubernetes.ActionDeletePod, got[0].Action, got[0].Because)
	t.Setenv("KUBECONFIG", config+":/no/other")
	out, stderr, code := say(t, "diagnose", "--namespace", "ns")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "Not read: Node: nodes is forbidden")
	out, stderr, code = say(t, "diagnose", "--namespace", "other")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "Namespace other has no workload")
	require.Equal(t, []kubernetes.Judgement{}, diagnosed(t, "--namespace", "other"), "an empty list, not null")

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--kubeconfig", config}, "names no namespace"},
		{[]string{"--namespace", "../../x", "--kubeconfig", config}, "is no name of a namespace"},
		{[]string{"--namespace", "ns", "--context", "x"}, `no context "x"`},
		{[]string{"--namespace", "ns", "--manifest", "x"}, "one of the two"},
		{[]string{"--namespace", "ns", "--kubeconfig", "/no/such"}, "no such file"},
	} {
		_, stderr, code := say(t, append([]string{"diagnose"}, c.args...)...)
		require.Equal(t, console.Usage, code, c.args)
		require.Contains(t, stderr, c.want)
	}
}

// A pod that is not ready long after its last change looks like one that starts: the page says as of when it was judged.
func TestAManifestSaysAsOfWhenItWasJudged(t *testing.T) {
	const name = situations + "corpus/kubelet-readiness.yaml"
	out, stderr, code := say(t, "diagnose", "--manifest", name)
	require.Zero(t, code, stderr)
	require.Contains(t, out, "as of 2026-12-01T03:5")
	require.Contains(t, out, "--at TIME")
	out, stderr, code = say(t, "diagnose", "--manifest", name, "--at", "2026-12-01T03:55:00Z")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "not-ready")
	require.NotContains(t, out, "--at TIME")
}

// What weakens a workload is another question than what is wrong with it.
func TestAdviceOfAManifest(t *testing.T) {
	out, stderr, code := say(t, "diagnose", "--advice", "--manifest", situations+"corpus/well-one-pod.yaml")
	require.Zero(t, code, stderr)
	require.Regexp(t, `task-mcp/deployment/web\s+one-replica\s+it has one replica`, out)
	out, _, code = say(t, "diagnose", "--advice", "-o", "json", "--manifest", situations+"corpus/well.yaml")
	require.Zero(t, code)
	require.JSONEq(t, "[]", out)
	out, _, code = say(t, "diagnose", "--advice", "--manifest", situations+"corpus/well.yaml")
	require.Zero(t, code)
	require.Contains(t, out, "Nothing weakens the workloads")
}
