package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"syscall"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/egress"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// checks performs what a playbook asks without changing anything: an address, the room on a disk, the
// calls of real work of a target.
type checks struct{ c *config.Config }

var _ platform.Adapter = checks{}

// Verbs implements [platform.Adapter].
func (checks) Verbs() []strategy.Verb {
	return []strategy.Verb{strategy.CheckHTTP, strategy.CheckDisk, strategy.CheckWork}
}

// Inspect implements [platform.Adapter]. There are no units here.
func (checks) Inspect(context.Context, string) (detect.Facts, error) { return detect.Facts{}, nil }

// Do implements [platform.Adapter].
func (k checks) Do(ctx context.Context, a strategy.Action) (platform.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	var said string
	var err error
	switch a.Verb {
	case strategy.CheckHTTP:
		said, err = askURL(ctx, a.Object, a.Args[strategy.ArgStatus])
	case strategy.CheckDisk:
		said, err = askDisk(ctx, a.Object, a.Args[strategy.ArgBytes])
	case strategy.CheckWork:
		said, err = k.askWork(ctx, a.Object)
	default:
		return platform.Report{Result: platform.Failed, Detail: "nothing was asked"}, fmt.Errorf("%s: %w", a, platform.ErrUnsupported)
	}
	if err != nil {
		return platform.Report{Result: platform.Failed, Detail: err.Error()}, fmt.Errorf("check %s: %w", redactURL(a.Object), err)
	}
	return platform.Report{Result: platform.Done, Detail: said}, nil
}

// askURL asks an address once, without following where it points to.
func askURL(ctx context.Context, address, want string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", fmt.Errorf("the address cannot be asked")
	}
	to, err := egress.NewTransport(egress.Way{}, req.URL)
	if err != nil {
		return "", fmt.Errorf("the address cannot be asked: %w", err)
	}
	resp, err := egress.Client(to).Do(req)
	if err != nil {
		return "", fmt.Errorf("it does not answer: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // the status is what counts
	if got := strconv.Itoa(resp.StatusCode); got != want {
		return "", fmt.Errorf("it answers HTTP %s, and %s was wanted", got, want)
	}
	return "it answers HTTP " + want, nil
}

// askDisk asks how much room there is. A file system whose server is gone makes statfs hang.
func askDisk(ctx context.Context, dir, want string) (string, error) {
	need, err := strconv.ParseUint(want, 10, 64)
	if err != nil {
		return "", fmt.Errorf("bytes=%q is no number", want)
	}
	type answer struct {
		free uint64
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		var st syscall.Statfs_t
		err := syscall.Statfs(dir, &st)
		got <- answer{st.Bavail * uint64(st.Bsize), err}
	}()
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("the file system does not answer")
	case x := <-got:
		switch {
		case x.err != nil:
			return "", fmt.Errorf("%s cannot be asked: %w", dir, x.err)
		case x.free < need:
			return "", fmt.Errorf("%d MiB are free on %s, and %d MiB were wanted", x.free>>20, dir, need>>20)
		}
		return fmt.Sprintf("%d MiB are free on %s", x.free>>20, dir), nil
	}
}

// askWork makes each call of real work of a target once, now, whenever the next one is due.
func (k checks) askWork(ctx context.Context, target string) (string, error) {
	t, ok := k.c.Target(target)
	if !ok || len(t.Synthetic) == 0 {
		return "", fmt.Errorf("%s has no calls of real work in this configuration", target)
	}
	for _, s := range t.Synthetic {
		w, err := syntheticOf(s)
		if err != nil {
			return "", fmt.Errorf("%s: %w", s.Name, err)
		}
		f := w.Look(ctx, detect.Facts{})
		_ = w.Close() // the answer is what counts
		if !f.True(detect.SyntheticOK) {
			return "", fmt.Errorf("%s fails: %s", s.Name, detect.ShowReading(detect.SyntheticError, f[detect.SyntheticError]))
		}
	}
	return fmt.Sprintf("%d call(s) of real work succeed", len(t.Synthetic)), nil
}
