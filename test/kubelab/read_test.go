package kubelab_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes"
	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes/apiserver"
	"github.com/recoveryd/recoveryd/test/kubelab"
	"github.com/recoveryd/recoveryd/test/kubelab/kubelabtest"
)

const (
	rbac      = "/apis/rbac.authorization.k8s.io/v1/namespaces/task-mcp/"
	core      = "/api/v1/namespaces/task-mcp/"
	namespace = "task-mcp"
)

type object = map[string]any

// role reads the Role that the documentation gives.
func role(t *testing.T) object {
	t.Helper()
	text, err := os.ReadFile("../../docs/kubernetes.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```yaml kubernetes\n")
	require.True(t, found)
	block, _, _ := strings.Cut(rest, "```")
	var r object
	require.NoError(t, yaml.Unmarshal([]byte(block), &r))
	return r
}

// reader makes a ServiceAccount with a Role and reads the namespace as that account.
func reader(t *testing.T, c *kubelab.Cluster) *apiserver.Client {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, c.Create(ctx, core+"serviceaccounts", object{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": object{"name": "recoveryd"}}, nil))
	require.NoError(t, c.Create(ctx, rbac+"roles", role(t), nil))
	require.NoError(t, c.Create(ctx, rbac+"rolebindings", object{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": object{"name": "recoveryd-read"},
		"roleRef":  object{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "recoveryd-read"},
		"subjects": []any{object{"kind": "ServiceAccount", "name": "recoveryd", "namespace": namespace}}}, nil))
	var token struct{ Status struct{ Token string } }
	require.NoError(t, c.Create(ctx, core+"serviceaccounts/recoveryd/token", object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": object{"expirationSeconds": 600}}, &token))
	text, err := os.ReadFile(c.Kubeconfig)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), c.Token, token.Status.Token)), 0o600))
	access, err := apiserver.Load(path, "")
	require.NoError(t, err)
	client, err := apiserver.New(access)
	require.NoError(t, err)
	return client
}

func web(name string, image string) object {
	labels := object{"app": name}
	return object{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": object{"name": name},
		"spec": object{"replicas": 2, "selector": object{"matchLabels": labels}, "template": object{"metadata": object{"labels": labels}, "spec": object{"containers": []any{object{"name": "c", "image": image}}}}}}
}

// judged reads until the workload's verdict is the wanted one: the controllers need a moment.
func judged(t *testing.T, c *apiserver.Client, target string, want detect.Verdict) kubernetes.Judgement {
	t.Helper()
	var last string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		objects, now, err := c.Read(t.Context(), namespace)
		require.NoError(t, err)
		for _, j := range kubernetes.Judge(objects, now) {
			if j.Target == target && j.Verdict == want {
				return j
			}
			last = fmt.Sprintf("%s %s: %s", j.Target, j.Verdict, j.Because)
		}
	}
	t.Fatalf("%s is not %s within a minute; at last: %s", target, want, last)
	return kubernetes.Judgement{}
}

// The Role of the documentation is enough to judge a namespace, and gives no other right; what a Role leaves out is named.
func TestANamespaceIsReadWithTheRoleOfTheDocumentation(t *testing.T) {
	c := kubelabtest.Start(t, kubelab.Options{}, "node-a")
	ctx := t.Context()
	require.NoError(t, c.Create(ctx, "/api/v1/namespaces", object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": namespace}}, nil))
	require.NoError(t, c.Wait(ctx, func() bool { return c.Get(ctx, core+"serviceaccounts/default", nil) == nil }))
	require.NoError(t, c.Create(ctx, "/apis/apps/v1/namespaces/task-mcp/deployments", web("web", "x:1"), nil))
	client := reader(t, c)

	got := judged(t, client, "task-mcp/deployment/web", detect.Healthy)
	require.Equal(t, kubernetes.ActionNone, got.Action)
	objects, now, err := client.Read(ctx, namespace)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), now, time.Minute)
	require.Len(t, objects.NotRead(), 1, "nodes only, which no Role of a namespace can give")
	require.Contains(t, objects.NotRead()[0], "Node: nodes is forbidden")
	for _, other := range []string{"default", "kube-system"} {
		_, _, err := client.Read(ctx, other)
		require.ErrorContains(t, err, "may be read: the API server answers 403", "no right in another namespace")
	}

	// A quota without room: the pods are refused, and the words are the API server's own.
	require.NoError(t, c.Create(ctx, core+"resourcequotas", object{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": object{"name": "small"}, "spec": object{"hard": object{"pods": "2"}}}, nil))
	require.NoError(t, c.Wait(ctx, func() bool {
		var q struct {
			Status struct{ Used map[string]string }
		}
		return c.Get(ctx, core+"resourcequotas/small", &q) == nil && q.Status.Used["pods"] == "2"
	}))
	require.NoError(t, c.Create(ctx, "/apis/apps/v1/namespaces/task-mcp/deployments", web("more", "x:1"), nil))
	got = judged(t, client, "task-mcp/deployment/more", detect.Unhealthy)
	require.Equal(t, kubernetes.ClassQuota, got.Class)
	require.Equal(t, "resourcequota/small", got.Culprit)

	// A right that is taken away is named, and holds the guard that needs it.
	rules := role(t)["rules"].([]any)
	require.NoError(t, c.Patch(ctx, rbac+"roles/recoveryd-read", kubelab.MergePatch, object{"rules": append(rules[:5:5], rules[6:]...)}, nil))
	require.NoError(t, c.Wait(ctx, func() bool {
		objects, _, err := client.Read(ctx, namespace)
		return err == nil && len(objects.NotRead()) == 2 && strings.HasPrefix(objects.NotRead()[1], "PodDisruptionBudget: ")
	}))
}

// A kubeconfig of a cluster that is gone is an error that says so, at once.
func TestAClusterThatIsGoneIsAnError(t *testing.T) {
	kubelabtest.Require(t)
	c, err := kubelab.Start(t.Context(), kubelab.Options{})
	require.NoError(t, err)
	access, err := apiserver.Load(c.Kubeconfig, "")
	require.NoError(t, err)
	client, err := apiserver.New(access)
	require.NoError(t, err)
	require.NoError(t, c.Stop())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, _, err = client.Read(ctx, "default")
	require.ErrorContains(t, err, "connection refused")
}
