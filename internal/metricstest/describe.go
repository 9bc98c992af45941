package metricstest

import (
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// fqName finds the name in what a prometheus.Desc prints; it has no other way to tell.
var fqName = regexp.MustCompile(`fqName: "([^"]+)"`)

// described lists the names of all own series that are registered, whether or not they have values.
func described(tb testing.TB, r *prometheus.Registry) []string {
	tb.Helper()
	ch := make(chan *prometheus.Desc)
	go func() { r.Describe(ch); close(ch) }()
	var out []string
	for d := range ch {
		m := fqName.FindStringSubmatch(d.String())
		require.NotNil(tb, m, d.String())
		if own(m[1]) {
			out = append(out, m[1])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
