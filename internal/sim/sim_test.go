package sim

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	worlds = flag.Int("worlds", 0, "TestManyWorlds: how many worlds to live through; 0 = skip the test")
	days   = flag.Float64("days", 1, "TestManyWorlds and -seed: simulated days of each world")
	seed   = flag.Uint64("seed", 0, "live through this one world, with its transcript on standard output")
	first  = flag.Uint64("first", 0, "the first seed of a test of many worlds; 0 = one that nobody has run")
)

// beginning is the first seed of a run of worlds: what is lived through in every run proves less each time.
// It is printed, so that the run can be repeated.
func beginning(t *testing.T) uint64 {
	t.Helper()
	from := *first
	if from == 0 {
		from = rand.Uint64() >> 20 // short enough to be typed, and 2^44 of them
	}
	fmt.Printf("%s begins at seed %d (again: -first %d)\n", t.Name(), from, from)
	return from
}

// live lives through the worlds of the seeds [from, from+n) on all cores, and returns the reports
// of those that broke a promise, in order of seed.
func live(n int, from uint64, o Options, progress func(done int, total *totals)) (broken []Report, sum totals) {
	var next, done atomic.Int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				k := next.Add(1) - 1
				if k >= int64(n) {
					return
				}
				mine := o
				mine.Seed = from + uint64(k)
				r := Run(mine)
				mu.Lock()
				sum.add(r)
				if r.Violation != nil {
					broken = append(broken, r)
					if progress != nil { // a run of many worlds takes a while: say it at once
						fmt.Printf("world %d breaks %s\n", r.Seed, r.Violation)
					}
				}
				if progress != nil {
					progress(int(done.Add(1)), &sum)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return broken, sum
}

// totals add up reports.
type totals struct{ steps, looks, actions, pages, incidents, cures, kills, runs int }

func (t *totals) add(r Report) {
	t.steps += r.Steps
	t.looks += r.Looks
	t.actions += r.Actions
	t.pages += r.Pages
	t.incidents += r.Incidents
	t.cures += r.Cures
	t.kills += r.Kills
	t.runs += r.Runs
}

func (t totals) String() string {
	return fmt.Sprintf("%d steps, %d looks, %d incidents, %d actions, %d cured without a page, %d pages, %d runs of playbooks, %d kills of the daemon",
		t.steps, t.looks, t.incidents, t.actions, t.cures, t.pages, t.runs, t.kills)
}

// report fails the test for broken worlds, and writes the transcripts of the first of each kind.
func report(t *testing.T, broken []Report, days float64) {
	t.Helper()
	shown := map[string]int{}
	for _, r := range broken {
		if shown[r.Violation.Invariant]++; shown[r.Violation.Invariant] > 3 {
			continue
		}
		var b bytes.Buffer
		Run(Options{Seed: r.Seed, Days: days, Transcript: &b})
		name := filepath.Join("testdata", fmt.Sprintf("world-%d.txt", r.Seed))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		lines := bytes.Split(bytes.TrimSpace(b.Bytes()), []byte("\n"))
		head := fmt.Sprintf(kept+": %s\n", r.Seed, days, r.Violation)
		require.NoError(t, os.WriteFile(name, append([]byte(head), append(bytes.Join(lines[max(len(lines)-keptLines, 0):], []byte("\n")), '\n')...), 0o644))
		t.Errorf("world %d breaks %s\n  repeat: go test ./internal/sim -run TestOneWorld -seed %d -days %g\n  keep, when it is mended: %s", r.Seed, r.Violation, r.Seed, days, name)
	}
	for name, n := range shown {
		t.Errorf("%d worlds break %s", n, name)
	}
}

// A world that broke a promise is kept in testdata: its first line says which world, the rest is the end of
// its transcript, for the reader.
const (
	kept      = "seed %d, days %g"
	keptLines = 60
)

// TestBrokenWorldsStayMended lives through every world that has ever broken a promise.
func TestBrokenWorldsStayMended(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "world-*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		var o Options
		_, err = fmt.Sscanf(string(text), kept, &o.Seed, &o.Days)
		require.NoError(t, err, name)
		if r := Run(o); r.Violation != nil {
			t.Errorf("%s: world %d breaks %s\n  repeat: go test ./internal/sim -run TestOneWorld -seed %d -days %g", name, o.Seed, r.Violation, o.Seed, o.Days)
		}
	}
}

// TestSomeWorlds is the short form for every test run.
func TestSomeWorlds(t *testing.T) {
	t.Parallel()
	broken, sum := live(200, beginning(t), Options{Days: 0.3}, nil)
	t.Log(sum)
	report(t, broken, 0.3)
	// Worlds in which nothing happens prove nothing.
	require.Greater(t, sum.actions, 400)
	require.Greater(t, sum.cures, 150)
	require.Greater(t, sum.pages, 150)
	require.Greater(t, sum.kills, 30)
	require.Greater(t, sum.runs, 20)
}

// TestManyWorlds is what `make sim` runs: -worlds 20000 -days 1.
func TestManyWorlds(t *testing.T) {
	if *worlds == 0 {
		t.Skip("asked for with -worlds N")
	}
	began, told := time.Now(), time.Now()
	broken, sum := live(*worlds, beginning(t), Options{Days: *days}, func(done int, sum *totals) {
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			took := time.Since(began)
			fmt.Printf("%6d of %d worlds, %.0f worlds/s, %.0f simulated years; %s\n", done, *worlds, float64(done)/took.Seconds(),
				float64(done)**days/365.25, sum)
		}
	})
	took := time.Since(began)
	fmt.Printf("%d worlds of %g days in %s, %.0f worlds/s: %d broken; %s\n", *worlds, *days, took.Round(time.Second), float64(*worlds)/took.Seconds(), len(broken), sum)
	report(t, broken, *days)
}

// TestOneWorld replays one world with its transcript.
func TestOneWorld(t *testing.T) {
	if *seed == 0 {
		t.Skip("asked for with -seed N")
	}
	r := Run(Options{Seed: *seed, Days: *days, Transcript: os.Stdout})
	if r.Violation != nil {
		t.Fatalf("world %d breaks %s", *seed, r.Violation)
	}
}

func TestAWorldFollowsFromItsSeed(t *testing.T) {
	t.Parallel()
	for s := uint64(1000); s < 1020; s++ {
		var one, two bytes.Buffer
		a := Run(Options{Seed: s, Days: 0.25, Transcript: &one})
		b := Run(Options{Seed: s, Days: 0.25, Transcript: &two})
		quiet := Run(Options{Seed: s, Days: 0.25})
		require.Equal(t, a, b)
		require.Equal(t, a.Hash, quiet.Hash, "writing a transcript changed the world")
		require.Equal(t, one.String(), two.String())
		require.NotEmpty(t, one.String())
	}
}
