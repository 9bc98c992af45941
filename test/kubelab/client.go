package kubelab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Refused is an answer of the API server that is no success.
type Refused struct {
	Code    int    // of HTTP
	Reason  string // "Forbidden", "Invalid", "Conflict", ...
	Message string // the server's own words
}

func (r *Refused) Error() string { return fmt.Sprintf("%d %s: %s", r.Code, r.Reason, r.Message) }

// How a PATCH is to be understood.
const (
	MergePatch     = "application/merge-patch+json"
	StrategicPatch = "application/strategic-merge-patch+json"
	JSONPatch      = "application/json-patch+json"
)

// Get reads an object, or a list, into out, which may be nil. The error is a [Refused] when the server answered.
func (c *Cluster) Get(ctx context.Context, path string, out any) error {
	return c.Do(ctx, http.MethodGet, path, "", nil, out)
}

// Create makes an object from body, which is anything that encodes to JSON, in the collection at path.
func (c *Cluster) Create(ctx context.Context, path string, body, out any) error {
	return c.Do(ctx, http.MethodPost, path, "application/json", body, out)
}

// Patch changes an object; kind is one of the constants.
func (c *Cluster) Patch(ctx context.Context, path, kind string, body, out any) error {
	return c.Do(ctx, http.MethodPatch, path, kind, body, out)
}

// Delete deletes an object; body may be nil or DeleteOptions.
func (c *Cluster) Delete(ctx context.Context, path string, body any) error {
	return c.Do(ctx, http.MethodDelete, path, "application/json", body, nil)
}

// Do sends one request. Its field manager is "kubelab".
func (c *Cluster) Do(ctx context.Context, method, path, contentType string, body, out any) error {
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Server+path, text)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("User-Agent", "kubelab")
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		r := &Refused{Code: resp.StatusCode}
		if json.Unmarshal(answer, r) != nil {
			r.Message = string(answer)
		}
		r.Code = resp.StatusCode
		return fmt.Errorf("%s %s: %w", method, path, r)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// Node makes a node that kwok plays: it becomes ready within a second and has room for 110 pods, 8 processors and 32 GiB,
// unless more changes that ("spec", "status", "metadata" as in a Node; nil for nothing).
func (c *Cluster) Node(ctx context.Context, name string, more map[string]any) error {
	node := map[string]any{
		"apiVersion": "v1", "kind": "Node",
		"metadata": map[string]any{"name": name, "annotations": map[string]any{"kwok.x-k8s.io/node": "fake"},
			"labels": map[string]any{"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}},
		"status": map[string]any{"allocatable": map[string]any{"cpu": "8", "memory": "32Gi", "pods": "110"}, "capacity": map[string]any{"cpu": "8", "memory": "32Gi", "pods": "110"}},
	}
	merge(node, more)
	if err := c.Create(ctx, "/api/v1/nodes", node, nil); err != nil {
		return err
	}
	return c.Wait(ctx, func() bool {
		var got struct {
			Status struct {
				Conditions []struct{ Type, Status string }
			}
			Spec struct{ Taints []struct{ Key string } }
		}
		if c.Get(ctx, "/api/v1/nodes/"+name, &got) != nil {
			return false
		}
		for _, t := range got.Spec.Taints {
			if t.Key == "node.kubernetes.io/not-ready" { // until a controller has seen it
				return false
			}
		}
		for _, cond := range got.Status.Conditions {
			if cond.Type == "Ready" {
				return cond.Status == "True"
			}
		}
		return false
	})
}

// merge lays more over base, map by map.
func merge(base, more map[string]any) {
	for key, value := range more {
		if inner, ok := value.(map[string]any); ok {
			if below, ok := base[key].(map[string]any); ok {
				merge(below, inner)
				continue
			}
		}
		base[key] = value
	}
}
