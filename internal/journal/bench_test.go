package journal

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// benchDirs are a memory file system and the disk of the temporary directory.
func benchDirs(b *testing.B) map[string]string {
	dirs := map[string]string{"disk": b.TempDir()}
	if mem, err := os.MkdirTemp("/dev/shm", "recoveryd-bench"); err == nil {
		b.Cleanup(func() { require.NoError(b, os.RemoveAll(mem)) })
		dirs["tmpfs"] = mem
	}
	return dirs
}

// BenchmarkAppend is a commit as the engine makes them: one entry of 600 bytes, one incident;
// the second variant also queues a page for two channels.
func BenchmarkAppend(b *testing.B) {
	body := json.RawMessage(fmt.Sprintf(`{"because":"%0580d"}`, 1))
	n := notice.Notice{Key: "k", Kind: notice.Trigger, Summary: "pool exhausted", Evidence: []string{strings.Repeat("x", 300)}}
	for where, dir := range benchDirs(b) {
		for _, page := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/page=%t", where, page), func(b *testing.B) {
				j := openAt(b, dir+"/"+strconv.FormatBool(page))
				took := make([]time.Duration, 0, 100_000)
				i := 0
				for b.Loop() {
					i++
					e := entry(i)
					e.Body = body
					c := Commit{Entries: []Entry{e}, Incidents: []IncidentRow{{ID: e.Incident, Opened: t0, Body: body}}}
					if page {
						n.ID = strconv.Itoa(i)
						c.Queue = queue.NewQueued(t0, n, "pager", "chat")
					}
					start := time.Now()
					if err := j.Append(b.Context(), c); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(start))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
				b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
			})
		}
	}
}

// BenchmarkOpenAndReplay opens a journal of 100,000 entries of 600 bytes and replays all of it.
func BenchmarkOpenAndReplay(b *testing.B) {
	const entries = 100_000
	body := json.RawMessage(fmt.Sprintf(`{"because":"%0580d"}`, 1))
	for where, dir := range benchDirs(b) {
		j, err := Open(b.Context(), optionsFor(dir))
		require.NoError(b, err)
		for i := 0; i < entries; i += 1000 {
			var es []Entry
			for k := range 1000 {
				e := entry(i + k)
				e.Body = body
				es = append(es, e)
			}
			require.NoError(b, j.Append(b.Context(), Commit{Entries: es}))
		}
		require.NoError(b, j.Close())
		for _, snapshot := range []bool{false, true} {
			if snapshot {
				j, err := Open(b.Context(), optionsFor(dir))
				require.NoError(b, err)
				require.NoError(b, j.SaveSnapshot(b.Context(), entries-100, []byte("{}")))
				require.NoError(b, j.Close())
			}
			b.Run(fmt.Sprintf("%s/snapshot=%t", where, snapshot), func(b *testing.B) {
				var opening time.Duration
				before := rss(b)
				for b.Loop() {
					start := time.Now()
					j, err := Open(b.Context(), optionsFor(dir))
					require.NoError(b, err)
					opening += time.Since(start)
					from, _, err := j.Snapshot(b.Context())
					require.NoError(b, err)
					n := 0
					for _, err := range j.Replay(b.Context(), from) {
						require.NoError(b, err)
						n++
					}
					require.Equal(b, entries-int(from), n)
					require.NoError(b, j.Close())
				}
				b.ReportMetric(float64(opening.Milliseconds())/float64(b.N), "open-ms")
				b.ReportMetric(rss(b)-before, "rss-growth-MiB")
			})
		}
	}
}

// BenchmarkObservations is the cost of one observation of 500 bytes, stored in batches.
func BenchmarkObservations(b *testing.B) {
	j := openAt(b, b.TempDir())
	body := json.RawMessage(fmt.Sprintf(`{"facts":"%0480d"}`, 1))
	i := 0
	for b.Loop() {
		i++
		require.NoError(b, j.SaveObservations(b.Context(), []ObservationRow{{Target: "t" + strconv.Itoa(i%100), At: t0, Body: body}}))
		if i%500 == 0 {
			require.NoError(b, j.flushObservations(b.Context()))
		}
	}
}

// rss is the resident size in MiB after a collection.
func rss(b *testing.B) float64 {
	runtime.GC()
	raw, err := os.ReadFile("/proc/self/statm")
	require.NoError(b, err)
	pages, err := strconv.ParseFloat(strings.Fields(string(raw))[1], 64)
	require.NoError(b, err)
	return pages * float64(os.Getpagesize()) / (1 << 20)
}
