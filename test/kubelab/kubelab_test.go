package kubelab_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/kubelab"
	"github.com/recoveryd/recoveryd/test/kubelab/kubelabtest"
)

// The controllers and the scheduler are real, and kwok plays the pods: a Deployment comes up and its Service gets endpoints.
func TestADeploymentComesUp(t *testing.T) {
	c := kubelabtest.Start(t, kubelab.Options{}, "node-a")
	ctx := t.Context()
	labels := map[string]any{"app": "web"}
	require.NoError(t, c.Create(ctx, "/apis/apps/v1/namespaces/default/deployments", map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web"},
		"spec": map[string]any{"replicas": 2, "selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{"containers": []any{map[string]any{"name": "c", "image": "x:1"}}}}},
	}, nil))
	var got struct {
		Status struct{ AvailableReplicas int }
	}
	require.Eventually(t, func() bool {
		return c.Get(ctx, "/apis/apps/v1/namespaces/default/deployments/web", &got) == nil && got.Status.AvailableReplicas == 2
	}, time.Minute, 100*time.Millisecond)
}

// What the API server does not accept is an error with the server's own words.
func TestARefusalIsSaidInTheServersWords(t *testing.T) {
	c := kubelabtest.Start(t, kubelab.Options{})
	err := c.Create(t.Context(), "/api/v1/namespaces", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "No Name"}}, nil)
	var refused *kubelab.Refused
	require.True(t, errors.As(err, &refused), "%v", err)
	require.Equal(t, 422, refused.Code)
	require.Equal(t, "Invalid", refused.Reason)
	require.Contains(t, refused.Message, "No Name")
}

func TestAClusterLeavesNothingBehind(t *testing.T) {
	kubelabtest.Require(t)
	dir := filepath.Join(t.TempDir(), "cluster")
	c, err := kubelab.Start(t.Context(), kubelab.Options{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, c.Get(t.Context(), "/readyz", nil))
	require.NoError(t, c.Stop())
	require.Error(t, c.Get(t.Context(), "/readyz", nil), "nobody listens any more")
	_, err = os.Stat(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, c.Stop(), "a second call does nothing")
}
