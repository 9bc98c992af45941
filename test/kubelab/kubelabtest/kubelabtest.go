// Package kubelabtest ties package kubelab to tests: a cluster that ends with its test.
//
// It skips a test, with the reason, where a control plane cannot be had or was not built yet, since a build takes minutes:
// `make kubelab` builds it. Start reading at [Start].
package kubelabtest

import (
	"os"
	"testing"

	"github.com/recoveryd/recoveryd/test/kubelab"
)

// Start starts a cluster with these nodes for a test and stops it at the end.
func Start(t testing.TB, opts kubelab.Options, nodes ...string) *kubelab.Cluster {
	t.Helper()
	Require(t)
	if opts.Progress == nil {
		opts.Progress = os.Stderr
	}
	c, err := kubelab.Start(t.Context(), opts)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Errorf("stop kubelab: %v", err)
		}
	})
	for _, name := range nodes {
		if err := c.Node(t.Context(), name, nil); err != nil {
			t.Fatalf("node %s: %v", name, err)
		}
	}
	return c
}

// Require skips the test, with the exact reason, when no cluster can be started here within seconds, and with -short.
func Require(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs kubelab, which -short leaves out")
	}
	if err := kubelab.Built(t.Context()); err != nil {
		t.Skipf("needs kubelab: %v", err)
	}
}
