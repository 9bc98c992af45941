package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/internal/config"
)

// fileCheck compares the configuration in force with the file that it came from. What differs is what the
// next start would do otherwise, and perhaps not do at all.
type fileCheck struct {
	path  string
	force func() *generation

	mu      sync.Mutex // guards what follows
	seen    fileStamp  // of the file when it was read last
	digest  string
	err     error
	refused error // why the last reload was refused; nil when it was not
	at      time.Time
}

// fileStamp changes with the file.
type fileStamp struct {
	size     int64
	modified time.Time
	info     fs.FileInfo // to see that the name stands for another file
}

// verdict notes how a reload ended.
func (f *fileCheck) verdict(err error, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused, f.at = err, at
}

// read returns the digest of the file, which is read again only when it has changed. The lock is held.
func (f *fileCheck) read() (string, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		f.seen = fileStamp{}
		return "", err
	}
	if f.seen.info == nil || !os.SameFile(f.seen.info, info) || f.seen.size != info.Size() || !f.seen.modified.Equal(info.ModTime()) {
		f.digest, f.err = config.DigestOf(f.path)
		f.seen = fileStamp{info.Size(), info.ModTime(), info}
	}
	return f.digest, f.err
}

// warnings say how the file and the configuration in force differ; none while they are the same, or
// where the configuration is no file.
func (f *fileCheck) warnings() []string {
	if f.path == "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.force()
	since := g.read.Format("2 Jan 15:04")
	if f.refused != nil {
		lines := strings.Split(f.refused.Error(), "\n")
		more := ""
		if len(lines) > 1 {
			more = fmt.Sprintf(" (and %d more)", len(lines)-1)
		}
		return []string{fmt.Sprintf("the configuration in force is that of %s: the reload at %s was refused, and a restart would fail: %s%s. Find all: recoveryd validate; then: sudo systemctl reload recoveryd",
			since, f.at.Format("2 Jan 15:04"), lines[0], more)}
	}
	switch digest, err := f.read(); {
	case errors.Is(err, fs.ErrNotExist):
		return []string{fmt.Sprintf("the configuration in force is that of %s: %s is gone, and a restart would fail", since, f.path)}
	case err != nil:
		return []string{fmt.Sprintf("the configuration in force is that of %s: whether %s differs cannot be told (%v), and a restart may fail", since, f.path, err)}
	case digest != g.config.Digest():
		return []string{fmt.Sprintf("the configuration in force is that of %s: %s was changed at %s and is not in force. recoveryd validate; then: sudo systemctl reload recoveryd",
			since, f.path, f.seen.modified.Format("2 Jan 15:04"))}
	}
	return nil
}

// differs reports whether a restart would not lead to the configuration in force.
func (f *fileCheck) differs() bool { return len(f.warnings()) > 0 }

// reloadOrder asks Run for a reload and gets the verdict.
type reloadOrder struct{ verdict chan error }

// Reloaded is what a reload led to.
type Reloaded struct {
	Config   string   `json:"config"` // path of the file
	Targets  int      `json:"targets"`
	Warnings []string `json:"warnings"` // what is legal but risky in it
}

// Reload reads the configuration anew and returns when the new one is in force, or why it is not.
func (a *App) Reload(ctx context.Context) (Reloaded, error) {
	o := reloadOrder{make(chan error, 1)}
	select {
	case a.orders <- o:
	case <-ctx.Done():
		return Reloaded{}, fmt.Errorf("recoveryd is busy or being stopped: %w", context.Cause(ctx))
	}
	select {
	case err := <-o.verdict:
		if err != nil {
			return Reloaded{}, err
		}
	case <-ctx.Done():
		return Reloaded{}, fmt.Errorf("no verdict in time: %w", context.Cause(ctx))
	}
	c := a.Config()
	r := Reloaded{Config: a.o.ConfigPath, Targets: len(c.Targets), Warnings: []string{}}
	for _, w := range Warnings(c, time.Now()) {
		r.Warnings = append(r.Warnings, w.String())
	}
	return r, nil
}
