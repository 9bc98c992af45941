package journal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheLogIsWhatMatchesOldestFirst(t *testing.T) {
	j, err := Open(t.Context(), Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	start := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	for n := uint64(1); n <= 6; n++ {
		e := Entry{Seq: n, At: start.Add(time.Duration(n) * time.Minute), Target: []string{"a", "b"}[n%2], From: "watching", To: "held", Reason: "hold", Body: []byte("{}")}
		if n > 3 {
			e.Incident = "a-1"
		}
		require.NoError(t, j.Append(t.Context(), Commit{Entries: []Entry{e}}))
	}
	for _, c := range []struct {
		name string
		f    LogFilter
		want []uint64
	}{
		{"everything", LogFilter{}, []uint64{1, 2, 3, 4, 5, 6}},
		{"what came after an entry", LogFilter{After: 4}, []uint64{5, 6}},
		{"what is not older than a moment", LogFilter{Since: start.Add(5 * time.Minute)}, []uint64{5, 6}},
		{"one target", LogFilter{Target: "b"}, []uint64{1, 3, 5}},
		{"one incident", LogFilter{Incident: "a-1"}, []uint64{4, 5, 6}},
		{"the latest of one target", LogFilter{Target: "a", Limit: 2}, []uint64{4, 6}},
		{"nothing", LogFilter{Target: "c"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := j.Log(t.Context(), c.f)
			require.NoError(t, err)
			var got []uint64
			for _, e := range list {
				got = append(got, e.Seq)
			}
			require.Equal(t, c.want, got)
		})
	}
}
