// Package command hands notices to a program on this host.
//
// The program is started without a shell, with a small environment of its own, gets the notice
// as JSON on standard input, and says by its exit status what became of it: 0 delivered, see
// [Config] for the others. What it prints may be a receipt, which it gets back with the next
// notice of the same key. It runs in a process group of its own, which is killed as a whole when
// its time is over. It is never retried here.
//
// Start reading at [Config], then [Notifier.Notify].
package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/recoveryd/recoveryd/pkg/capture"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// Defaults and bounds.
const (
	DefaultTimeout = 30 * time.Second
	maxOutput      = 64 << 10 // bytes kept of what the program prints
	maxReceipt     = 2 << 10  // bytes of a receipt; it is stored with every alert
)

// Config is a channel's section.
//
// Exit status: 0 delivered. 64 (usage), 65 (data): this notice will never be taken. 77
// (permission), 78 (configuration), 126, 127: the channel is broken. Anything else, 75 among it,
// and a signal: try again.
type Config struct {
	// Argv is the program, by an absolute path, and its arguments.
	Argv []string `yaml:"argv" example:"[/usr/local/bin/tell, --urgent]"`
	// Env are environment variables for it, beside PATH and RECOVERYD_*; nothing is inherited.
	Env []Variable `yaml:"env" example:"[{name: TEAM, value: platform}]"`
	// Timeout bounds one run. 0: 30s.
	Timeout time.Duration `yaml:"timeout" shown:"30s" example:"1m"`
	// Kinds are the kinds that are handed over: trigger, update, resolve, change. Empty: all.
	Kinds []string `yaml:"kinds" enum:"trigger|update|resolve|change" example:"[trigger, resolve]"`
	// Templates overrides texts.
	Templates notice.Templates `yaml:"templates"`
}

// Variable is one environment variable; its value may be a credential.
type Variable struct {
	// Name of the variable.
	Name string `yaml:"name" example:"TEAM"`
	// Value of the variable.
	Value string `yaml:"value" secret:"true"`
}

// Input is what the program reads from standard input.
type Input struct {
	Notice  notice.Notice  `json:"notice"`
	Title   string         `json:"title"`
	Text    string         `json:"text"`
	Receipt notice.Receipt `json:"receipt"` // what it printed for the last notice of this key
	Attempt int            `json:"attempt"`
	Cut     bool           `json:"cut,omitzero"` // something was left out of a notice that was too long
}

// Notifier runs one program. It is immutable and safe for concurrent use.
type Notifier struct {
	client   *wire.Client // classes and redacts errors; no HTTP here
	argv     []string
	env      []wire.Secret // "NAME=value"
	timeout  time.Duration
	kinds    []string
	messages *notice.Messages
}

var (
	_ notice.Notifier  = (*Notifier)(nil)
	_ notice.Previewer = (*Notifier)(nil)
)

// New makes a notifier from its decoded section. The error names every problem. Whether the
// program exists is seen when it runs: a missing pager script must not keep the daemon from
// starting.
func New(decode func(any) error) (notice.Notifier, error) {
	var cfg Config
	if err := decode(&cfg); err != nil {
		return nil, err
	}
	n := &Notifier{argv: slices.Clone(cfg.Argv), timeout: cfg.Timeout, kinds: cfg.Kinds}
	var errs []error
	switch {
	case len(cfg.Argv) == 0:
		errs = append(errs, errors.New("argv: missing; a list such as [/usr/local/bin/page, --urgent]"))
	case !filepath.IsAbs(cfg.Argv[0]):
		errs = append(errs, fmt.Errorf("argv[0]: want an absolute path (got %q); there is no shell that would search for it", cfg.Argv[0]))
	}
	var secrets []string
	for i, v := range cfg.Env {
		if v.Name == "" || strings.ContainsAny(v.Name, "=\x00") || strings.Contains(v.Value, "\x00") {
			errs = append(errs, fmt.Errorf("env[%d]: %q cannot be a variable", i, v.Name))
			continue
		}
		n.env = append(n.env, wire.NewSecret(v.Name+"="+v.Value))
		secrets = append(secrets, v.Value)
	}
	for i, k := range cfg.Kinds {
		if !slices.Contains([]string{"trigger", "update", "resolve", "change"}, k) {
			errs = append(errs, fmt.Errorf("kinds[%d]: want trigger, update, resolve or change (got %q)", i, k))
		}
	}
	switch {
	case n.timeout < 0:
		errs = append(errs, errors.New("timeout: must not be negative"))
	case n.timeout == 0:
		n.timeout = DefaultTimeout
	}
	var err error
	n.messages, err = notice.NewMessages(cfg.Templates)
	errs = append(errs, err)
	n.client, err = wire.New("command", wire.Config{}, nil, secrets...)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return n, nil
}

var errTimeout = errors.New("did not end in time and was killed")

// Notify implements notice.Notifier. A JSON object of strings on standard output is the receipt.
func (n *Notifier) Notify(ctx context.Context, d notice.Delivery) (notice.Receipt, error) {
	if !n.wants(d.Notice.Kind) {
		return nil, nil
	}
	in, err := n.input(d)
	if err != nil {
		return nil, n.client.Final(notice.ReasonRejected, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, n.timeout, errTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.argv[0], n.argv[1:]...)
	var out, errOut capped
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errOut
	cmd.Dir = "/"
	cmd.Env = n.environment(d.Notice)
	// A group of its own: what the program has started is killed with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for a notice that is not read: a child left behind may hold the other end
	err = capture.Run(cmd)
	if errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success() {
		err = nil // it has delivered, and did not want to know more
	}
	if err != nil {
		return nil, n.classify(ctx, err, errOut.String()+" "+out.String())
	}
	return n.receipt(out.String()), nil
}

// environment is all that the program sees: the daemon's own variables may hold secrets.
func (n *Notifier) environment(no notice.Notice) []string {
	word := func(s string) string { return notice.Cut(notice.OneLine(s), 1000) }
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
		"RECOVERYD_KIND=" + word(string(no.Kind)), "RECOVERYD_KEY=" + word(no.Key), "RECOVERYD_INCIDENT=" + word(no.Incident),
		"RECOVERYD_PRIORITY=" + word(no.Priority), "RECOVERYD_TARGET=" + word(no.Target),
	}
	for _, v := range n.env {
		env = append(env, v.Reveal())
	}
	return env
}

func (n *Notifier) input(d notice.Delivery) ([]byte, error) {
	short, cut := notice.Shorten(d.Notice)
	in := Input{Notice: short, Title: n.messages.Title(short), Text: n.messages.Text(short), Receipt: d.Prior, Attempt: d.Attempt, Cut: cut}
	b, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encode notice: %w", err)
	}
	return append(b, '\n'), nil
}

// classify says what an exit means; see [Config].
func (n *Notifier) classify(ctx context.Context, err error, said string) error {
	name := filepath.Base(n.argv[0])
	if cause := context.Cause(ctx); errors.Is(cause, errTimeout) {
		return n.client.Retry(notice.ReasonTimeout, 0, fmt.Errorf("%s %w (%s)", name, errTimeout, n.timeout))
	} else if cause != nil {
		reason := notice.ReasonNetwork
		if errors.Is(cause, context.DeadlineExceeded) {
			reason = notice.ReasonTimeout
		}
		return n.client.Retry(reason, 0, fmt.Errorf("%s was given up: %w", name, cause))
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOEXEC) {
			return n.client.Final(notice.ReasonConfig, fmt.Errorf("start %s: %w", name, err))
		}
		return n.client.Retry(notice.ReasonServer, 0, fmt.Errorf("run %s: %w", name, err))
	}
	wrapped := fmt.Errorf("%s ended with %w: %q", name, exit, n.client.Snippet([]byte(said)))
	switch exit.ExitCode() {
	case 64, 65: // EX_USAGE, EX_DATAERR of sysexits(3)
		return n.client.Final(notice.ReasonRejected, wrapped)
	case 77: // EX_NOPERM
		return n.client.Final(notice.ReasonAuth, wrapped)
	case 78, 126, 127: // EX_CONFIG; a shell's "cannot execute" and "not found"
		return n.client.Final(notice.ReasonConfig, wrapped)
	}
	return n.client.Retry(notice.ReasonServer, 0, wrapped)
}

// receipt reads what the program printed; anything but a small object of strings is no receipt.
func (n *Notifier) receipt(out string) notice.Receipt {
	out = strings.TrimSpace(out)
	var r notice.Receipt
	if len(out) > maxReceipt || json.Unmarshal([]byte(out), &r) != nil {
		return nil
	}
	for k, v := range r {
		if n.client.Redact(k+v) != k+v {
			return nil // a receipt is stored, and must hold no secret
		}
	}
	return r
}

// Preview implements notice.Previewer: what the program would read.
func (n *Notifier) Preview(d notice.Delivery) ([]byte, error) {
	if !n.wants(d.Notice.Kind) {
		return []byte("(nothing: kinds leaves out " + string(d.Notice.Kind) + ")\n"), nil
	}
	return n.input(d)
}

func (n *Notifier) wants(k notice.Kind) bool {
	return len(n.kinds) == 0 || slices.Contains(n.kinds, string(k))
}

// capped keeps the first bytes that are written to it and lets the rest pass.
type capped struct{ b bytes.Buffer }

// Write implements io.Writer.
func (c *capped) Write(p []byte) (int, error) {
	c.b.Write(p[:min(len(p), maxOutput-c.b.Len())])
	return len(p), nil
}

// String returns what was kept.
func (c *capped) String() string { return c.b.String() }
