package apiserver

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes"
)

// serve starts an API server that answers by path; everything else is an empty list.
func serve(t *testing.T, answers map[string]http.HandlerFunc) (*httptest.Server, string) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s: it only reads", r.Method, r.URL)
		}
		if r.Header.Get("Authorization") != "Bearer secret-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if h := answers[r.URL.Path]; h != nil {
			h(w, r)
			return
		}
		fmt.Fprint(w, `{"kind":"List","apiVersion":"v1","items":[]}`)
	}))
	t.Cleanup(s.Close)
	path := filepath.Join(t.TempDir(), "config")
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	require.NoError(t, os.WriteFile(path, []byte(`{"current-context":"c","contexts":[{"name":"c","context":{"cluster":"k","user":"u","namespace":"ns"}}],
		"clusters":[{"name":"k","cluster":{"server":"`+s.URL+`","certificate-authority-data":"`+ca+`"}}],"users":[{"name":"u","user":{"token":"secret-token"}}]}`), 0o600))
	return s, path
}

func read(t *testing.T, answers map[string]http.HandlerFunc) (*kubernetes.Objects, time.Time, error) {
	t.Helper()
	_, path := serve(t, answers)
	a, err := Load(path, "")
	require.NoError(t, err)
	require.Equal(t, "ns", a.Namespace)
	c, err := New(a)
	require.NoError(t, err)
	return c.Read(t.Context(), "ns")
}

func say(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); fmt.Fprint(w, text) }
}

func forbidden(what string) http.HandlerFunc {
	return say(http.StatusForbidden, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"`+what+` is forbidden","reason":"Forbidden","code":403}`)
}

func pod(name string) string {
	return `{"metadata":{"name":"` + name + `","namespace":"ns"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}`
}

// A list comes page by page, without the kind in its items, and the server's clock dates the objects.
func TestAListIsReadPageByPage(t *testing.T) {
	objects, now, err := read(t, map[string]http.HandlerFunc{"/api/v1/namespaces/ns/pods": func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "500", r.URL.Query().Get("limit"))
		w.Header().Set("Date", "Wed, 01 Jan 2098 03:00:00 GMT")
		switch r.URL.Query().Get("continue") {
		case "":
			fmt.Fprint(w, `{"kind":"PodList","apiVersion":"v1","metadata":{"continue":"page 2"},"items":[`+pod("a")+`]}`)
		case "page 2":
			fmt.Fprint(w, `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[`+pod("b")+`]}`)
		}
	}})
	require.NoError(t, err)
	require.Len(t, objects.Pods, 2)
	require.Equal(t, time.Date(2098, 1, 1, 3, 0, 0, 0, time.UTC), now.UTC())
	require.Empty(t, objects.NotRead())
}

// A list that became too old between two pages is begun anew, and nothing counts twice.
func TestAListThatIsTooOldIsBegunAnew(t *testing.T) {
	asked := 0
	objects, _, err := read(t, map[string]http.HandlerFunc{"/api/v1/namespaces/ns/pods": func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch {
		case asked == 2:
			say(http.StatusGone, `{"kind":"Status","message":"too old","reason":"Expired","code":410}`)(w, r)
		case asked == 1 || asked == 3:
			fmt.Fprint(w, `{"kind":"PodList","apiVersion":"v1","metadata":{"continue":"x"},"items":[`+pod("a")+`]}`)
		default:
			fmt.Fprint(w, `{"kind":"PodList","apiVersion":"v1","items":[`+pod("b")+`]}`)
		}
	}})
	require.NoError(t, err)
	require.Len(t, objects.Pods, 2)
	require.Equal(t, 4, asked)
}

// A right that is missing is noted, and the guard that needs it holds; an API that the cluster does not have is no matter.
func TestWhatIsForbiddenIsNotedAndHolds(t *testing.T) {
	objects, now, err := read(t, map[string]http.HandlerFunc{
		"/api/v1/nodes": forbidden("nodes"),
		"/apis/policy/v1/namespaces/ns/poddisruptionbudgets":               forbidden("poddisruptionbudgets"),
		"/apis/autoscaling.k8s.io/v1/namespaces/ns/verticalpodautoscalers": say(http.StatusNotFound, "404 page not found"),
	})
	require.NoError(t, err)
	require.Equal(t, []string{"Node: nodes is forbidden", "PodDisruptionBudget: poddisruptionbudgets is forbidden"}, objects.NotRead())
	text, err := os.ReadFile("../testdata/crash-loop-one-pod.yaml")
	require.NoError(t, err)
	require.NoError(t, objects.Read("x", strings.NewReader(string(text))))
	require.Equal(t, "pdb", kubernetes.Judge(objects, now)[0].Refused)
}

// What is wrong with the server or with us is an error in words, and never shows the token.
func TestAServerThatDoesNotHelp(t *testing.T) {
	every := func(h http.HandlerFunc) map[string]http.HandlerFunc {
		all := map[string]http.HandlerFunc{}
		for _, k := range kinds("ns") {
			all[k.path] = h
		}
		return all
	}
	for name, c := range map[string]struct {
		answers map[string]http.HandlerFunc
		want    string
	}{
		"everything is forbidden": {every(forbidden("all")), "nothing of namespace ns may be read: the API server answers 403: all is forbidden"},
		"no such namespace":       {map[string]http.HandlerFunc{"/api/v1/namespaces/ns": say(404, `{"message":"not found"}`)}, `there is no namespace "ns"`},
		"it fails":                {every(say(500, `{"message":"etcdserver: request timed out"}`)), "500: etcdserver: request timed out"},
		"too many requests":       {every(say(429, "")), "429: Too Many Requests"},
		"another server":          {every(say(200, "<html>welcome</html>")), "no Kubernetes object"},
		"it breaks off": {every(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "{")
		}), "broke off"},
		"a redirect": {every(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.com/", http.StatusFound)
		}), "302"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(t, c.answers)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "secret-token")
		})
	}
}

func TestATokenThatIsNotTakenIsSaid(t *testing.T) {
	_, path := serve(t, nil)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "secret-token", "other-token")), 0o600))
	a, err := Load(path, "c")
	require.NoError(t, err)
	c, err := New(a)
	require.NoError(t, err)
	_, _, err = c.Read(t.Context(), "ns")
	require.ErrorContains(t, err, "the token or certificate is wrong or has expired")
	require.NotContains(t, err.Error(), "other-token")
}

func TestAServerThatHangsEndsWithItsContext(t *testing.T) {
	hang := make(chan struct{})
	_, path := serve(t, map[string]http.HandlerFunc{"/apis/apps/v1/namespaces/ns/deployments": func(http.ResponseWriter, *http.Request) { <-hang }})
	t.Cleanup(func() { close(hang) }) // before the server's own end, which waits for its answers
	a, err := Load(path, "")
	require.NoError(t, err)
	c, err := New(a)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err = c.Read(ctx, "ns")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// What a kubeconfig must have, and what of it is refused; no message shows a secret of it.
func TestKubeconfigsAreReadOrRefused(t *testing.T) {
	const ok = `
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}, {name: other, context: {cluster: none, user: u}}]
clusters: [{name: k, cluster: {server: "https://127.0.0.1:6443"}}]
users: [{name: u, user: {token: SECRET}}]
`
	for name, c := range map[string]struct{ text, context, want string }{
		"good":                  {ok, "", ""},
		"by name":               {ok, "c", ""},
		"no such context":       {ok, "x", `no context "x" (it has: c, other)`},
		"no such cluster":       {ok, "other", `no cluster "none"`},
		"no current context":    {strings.Replace(ok, "current-context: c", "", 1), "", "--context"},
		"no such user":          {strings.Replace(ok, "name: u, user: {token", "name: v, user: {token", 1), "", `no user "u"`},
		"plain http":            {strings.Replace(ok, "https://", "http://", 1), "", "no https address"},
		"no check":              {strings.Replace(ok, `:6443"`, `:6443", insecure-skip-tls-verify: true`, 1), "", "certificate-authority"},
		"exec":                  {strings.Replace(ok, "token: SECRET", "exec: {command: aws, args: [SECRET]}", 1), "", "by a program (exec)"},
		"password":              {strings.Replace(ok, "token: SECRET", "username: x, password: SECRET", 1), "", "has a password"},
		"as another":            {strings.Replace(ok, "token: SECRET", "token: SECRET, as: root", 1), "", "acts as another"},
		"bad base64":            {strings.Replace(ok, "token: SECRET", "client-key-data: SECRET!", 1), "", "client-key-data is not base64"},
		"half of a certificate": {strings.Replace(ok, "token: SECRET", "client-key-data: U0VDUkVU", 1), "", "do not belong together"},
		"no certificate":        {strings.Replace(ok, `:6443"`, `:6443", certificate-authority-data: U0VDUkVU`, 1), "", "no certificate in PEM"},
		"missing file":          {strings.Replace(ok, `:6443"`, `:6443", certificate-authority: ca.crt`, 1), "", "no such file"},
		"no yaml":               {"users: [SECRET", "", "cannot be read"},
		"wrong type":            {"users: SECRET", "", "cannot be read"},
		"empty":                 {"", "", "no current-context"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config")
			require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
			a, err := Load(path, c.context)
			if c.want == "" {
				require.NoError(t, err)
				token, err := a.Token()
				require.NoError(t, err)
				require.Equal(t, "SECRET", token)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "SECRET")
			require.NotContains(t, err.Error(), "U0VDUkVU")
		})
	}
	_, err := Load("/no/such/file", "")
	require.ErrorContains(t, err, "read the kubeconfig")
}

// A token in a file is read for each request: the kubelet renews it.
func TestATokenInAFileIsReadEachTime(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config"), []byte("current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"+
		"clusters: [{name: k, cluster: {server: 'https://127.0.0.1:6443'}}]\nusers: [{name: u, user: {tokenFile: token}}]\n"), 0o600))
	a, err := Load(filepath.Join(dir, "config"), "")
	require.NoError(t, err)
	for _, want := range []string{"first", "second"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "token"), []byte(want+"\n"), 0o600))
		got, err := a.Token()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "token")))
	_, err = a.Token()
	require.ErrorContains(t, err, "read the token")
}
