// Command corpus makes the situations of pkg/platform/kubernetes/testdata/corpus again: each is made in a namespace of its
// own of a running kubelab and recorded as kubectl would print it.
//
//	go run ./test/kubelab/corpus [-o DIR] [-only NAME]
//
// The API server, the controllers and the scheduler are the real ones: they accept every object, make ReplicaSets and pods,
// and write the workloads' conditions, the endpoints, the scheduler's sentence and the quotas' refusals. No container runs:
// what a kubelet would write into a pod's status, and its events, is written by this program in the kubelet's words (see
// kubelet.go). A situation that the API server refuses is named, with its words, and the program fails.
//
// With -check each situation is also judged, and a wrong answer fails the program: so `make kubelab` asks the API server of the
// day whether the corpus still holds.
//
// What differs between two runs is made equal: identifiers, random parts of names, and times, which are moved so that the
// record was made at [recorded]. Ages are what the situation says.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes"
	"github.com/recoveryd/recoveryd/test/kubelab"
)

// answer is the right answer to a situation, written before the diagnosis was asked.
type answer struct {
	target  string // NAMESPACE/KIND/NAME; "" means the Deployment "web"
	verdict string
	class   string // "" for none
	action  string // what may be done: none, page, delete-pod, undo, raise-limit
	refused string // the guard that bars what would be done
	culprit string // "" means that the file says nothing about it
	because string // words that must be in the reason
}

// situation is one state of a namespace.
type situation struct {
	name  string
	title string
	want  answer
	make  func(*world)
	alone bool // it stops the controllers for a moment, so that no other may be made beside it
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	out := flag.String("o", "pkg/platform/kubernetes/testdata/corpus", "`folder` that the situations are written to")
	only := flag.String("only", "", "make the situations whose name contains this `word`")
	check := flag.Bool("check", false, "judge what was recorded, and fail when the answer is wrong")
	flag.Parse()
	if err := run(ctx, *out, *only, *check); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, only string, check bool) (err error) {
	list := slices.DeleteFunc(situations(), func(s situation) bool { return !strings.Contains(s.name, only) })
	if err := checkList(list); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	// A node that nobody plays is gone for the controller after so long; its default would be 50 seconds.
	c, err := kubelab.Start(ctx, kubelab.Options{Progress: os.Stderr, Controllers: []string{"--node-monitor-grace-period=12s"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	stage, err := setStage(ctx, c)
	if err != nil {
		return err
	}
	defer stage.close()
	var mu sync.Mutex
	var failed []error
	one := func(s situation) {
		began := time.Now()
		text, err := record(ctx, stage, s)
		fmt.Fprintf(os.Stderr, "corpus: %s (%s)\n", s.name, time.Since(began).Round(100*time.Millisecond))
		if err == nil && check {
			err = s.judged(text)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(out, s.name+".yaml"), text, 0o644)
		}
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
			fmt.Fprintln(os.Stderr, "corpus: refused:", failed[len(failed)-1])
		}
	}
	group := errgroup.Group{}
	group.SetLimit(12)
	for _, s := range list {
		if !s.alone {
			group.Go(func() error { one(s); return nil })
		}
	}
	_ = group.Wait() // its functions return no error
	for _, s := range list {
		if s.alone {
			one(s)
		}
	}
	fmt.Fprintf(os.Stderr, "corpus: %d of %d situations recorded in %s\n", len(list)-len(failed), len(list), out)
	return errors.Join(failed...)
}

// judged says whether the diagnosis gives the right answer.
func (s situation) judged(text []byte) error {
	var o kubernetes.Objects
	if err := o.Read(s.name, bytes.NewReader(text)); err != nil {
		return err
	}
	target := cmp.Or(s.want.target, namespaceName+"/deployment/web")
	for _, j := range kubernetes.Judge(&o, time.Time{}) {
		if j.Target != target {
			continue
		}
		got := answer{s.want.target, j.Verdict.String(), string(j.Class), string(j.Action), j.Refused, s.want.culprit, s.want.because}
		if got != s.want || s.want.culprit != "" && j.Culprit != s.want.culprit || !strings.Contains(j.Because, s.want.because) {
			return fmt.Errorf("judged wrong: want %+v, got %+v: culprit %s, %s", s.want, got, j.Culprit, j.Because)
		}
		return nil
	}
	return fmt.Errorf("judged wrong: there is no target %s", target)
}

// checkList finds slips in the table before anything is started.
func checkList(list []situation) error {
	seen := map[string]bool{}
	for _, s := range list {
		switch {
		case seen[s.name]:
			return fmt.Errorf("two situations are named %s", s.name)
		case !slices.Contains([]string{"healthy", "degraded", "unhealthy", "unknown"}, s.want.verdict):
			return fmt.Errorf("%s: verdict %q", s.name, s.want.verdict)
		case !slices.Contains([]string{"none", "page", "delete-pod", "undo", "raise-limit"}, s.want.action):
			return fmt.Errorf("%s: action %q", s.name, s.want.action)
		}
		seen[s.name] = true
	}
	if len(list) == 0 {
		return errors.New("no situation has such a name")
	}
	return nil
}
