package pgtest

import "errors"

// TB is what Start needs of a test. *testing.T and *testing.B have it; naming it here keeps the
// testing package out of programs that import pgtest.
type TB interface {
	Helper()
	Cleanup(func())
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Start starts a cluster that lives as long as the test. It skips the test, with the reason, on a
// machine without PostgreSQL. Settings are as for StartCluster.
func Start(t TB, settings ...string) *Cluster {
	t.Helper()
	c, err := StartCluster("", settings...)
	if errors.Is(err, ErrNoPostgres) {
		t.Skipf("needs a PostgreSQL server: %v", err)
	}
	if err != nil {
		t.Fatalf("start a private PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the private PostgreSQL: %v", err)
		}
	})
	return c
}
