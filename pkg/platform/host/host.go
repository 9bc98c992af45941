// Package host performs the actions that need neither a unit manager nor a database: asking a
// service to enlarge its pool (http.pool-resize), emptying a cache directory (cache.clean), and
// running a command of the operator's (command.run).
//
// It does only what its lists allow: these URLs, these directories, these command lines, each to
// the letter. It never uses a shell, never follows a link out of a directory, and never retries.
//
// Start reading at [Adapter.Do]; http.go, cache.go and command.go hold one verb each.
package host

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Pool is a service's admin API for the size of its pool.
type Pool struct {
	URL   string // receives POST {"max_size": N}
	Token string // sent as a bearer token when not empty; a secret
}

// Command is a command that may be run.
type Command struct {
	Name string   // what the action's object must be; "" = anything
	Argv []string // program by absolute path, and its arguments: to the letter what the action says
	Dir  string   // working directory; "" = /
	Env  []string // KEY=value, besides a plain PATH
	// Unit runs it as a unit of systemd with these properties (NAME=VALUE) instead of as a child: then
	// its user and its sandbox are its own, and systemd ends it when Timeout is up, whatever becomes of
	// this process. The unit must be installed (see UnitName and UnitText).
	Unit       bool
	Properties []string
	Timeout    time.Duration // of its unit; 0 = a minute
	Keep       int           // bytes of the end of its output that are kept; 0 = 8 KiB
}

// Options says what is allowed. The zero value allows nothing.
type Options struct {
	Pools     []Pool
	CacheDirs []string // absolute, at least two levels below /
	Commands  []Command
	// Said is told what a command printed, cut to its end; nil = nobody. It must not block.
	Said func(name string, output []byte)
}

// defaultTimeout bounds an action that carries no timeout.
const defaultTimeout = time.Minute

// Adapter performs the actions. It is safe for concurrent use.
type Adapter struct {
	pools    map[string]Pool
	dirs     []string
	commands []Command
	said     func(string, []byte)
}

var _ platform.Adapter = (*Adapter)(nil)

// New checks the lists and reports everything that is wrong with them.
func New(opt Options) (*Adapter, error) {
	a := &Adapter{pools: map[string]Pool{}, commands: slices.Clone(opt.Commands), said: opt.Said}
	var problems []error
	for _, p := range opt.Pools {
		u, err := url.Parse(p.URL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
			problems = append(problems, errors.New("a pool URL is not a plain http or https URL (credentials belong in the token)"))
			continue
		}
		a.pools[p.URL] = p
	}
	for _, d := range opt.CacheDirs {
		if !filepath.IsAbs(d) || filepath.Clean(d) != d || strings.Count(d, "/") < 2 {
			problems = append(problems, fmt.Errorf("cache directory %q: want a plain absolute path at least two levels below /", d))
			continue
		}
		a.dirs = append(a.dirs, d)
	}
	for _, c := range opt.Commands {
		if len(c.Argv) == 0 || !filepath.IsAbs(c.Argv[0]) {
			problems = append(problems, fmt.Errorf("command %q: want a program by its absolute path", c.Argv))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("host platform: %w", err)
	}
	return a, nil
}

// Verbs implements [platform.Adapter]: the verbs for which something is allowed.
func (a *Adapter) Verbs() (verbs []strategy.Verb) {
	if len(a.pools) > 0 {
		verbs = append(verbs, strategy.HTTPPoolResize)
	}
	if len(a.dirs) > 0 {
		verbs = append(verbs, strategy.CacheClean)
	}
	if len(a.commands) > 0 {
		verbs = append(verbs, strategy.CommandRun)
	}
	return verbs
}

// Inspect implements [platform.Adapter]. There are no units here.
func (a *Adapter) Inspect(context.Context, string) (detect.Facts, error) { return detect.Facts{}, nil }

var errActionTimeout = errors.New("the action's time is up")

// Do implements [platform.Adapter].
func (a *Adapter) Do(ctx context.Context, act strategy.Action) (platform.Report, error) {
	if !platform.Supports(a, act.Verb) {
		return failed(act, "nothing was done: nothing is allowed for this verb here", platform.ErrUnsupported)
	}
	if err := context.Cause(ctx); err != nil {
		return failed(act, "nothing was done: its context had ended", err)
	}
	limit := act.Timeout
	if limit <= 0 {
		limit = defaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errActionTimeout)
	defer cancel()
	switch act.Verb {
	case strategy.HTTPPoolResize:
		return a.resizePool(ctx, act)
	case strategy.CacheClean:
		return a.cleanCache(ctx, act)
	default:
		return a.run(ctx, act)
	}
}

func failed(act strategy.Action, detail string, err error) (platform.Report, error) {
	return platform.Report{Result: platform.Failed, Detail: detail}, fmt.Errorf("%s %s: %w", act.Verb, act.Object, err)
}

// interrupted reports an action whose context ended in its middle.
func interrupted(ctx context.Context, act strategy.Action, detail string) (platform.Report, error) {
	if context.Cause(ctx) == errActionTimeout {
		return platform.Report{Result: platform.TimedOut, Detail: detail}, fmt.Errorf("%s %s: %w", act.Verb, act.Object, errActionTimeout)
	}
	return platform.Report{Result: platform.Unknown, Detail: detail}, fmt.Errorf("%s %s: %w", act.Verb, act.Object, context.Cause(ctx))
}
