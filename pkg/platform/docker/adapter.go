package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// DefaultSocket is where Docker listens.
const DefaultSocket = "/run/docker.sock"

// RawSocketAccept is the value of raw_socket that accepts a socket which admits everything.
const RawSocketAccept = "accept"

// Options configures an adapter.
type Options struct {
	// Socket is the absolute path of the socket of Docker, Podman or of a proxy before one; "" = [DefaultSocket].
	Socket string
	// RawSocket is "" or [RawSocketAccept]. Without it a socket that admits everything, of a runtime that is root,
	// is not used.
	RawSocket string
	// Relist is the time between two looks at everything that is watched; 0 = 30 s.
	Relist time.Duration
	// Logger receives the ends and beginnings of the connection; nil logs nothing.
	Logger *zap.Logger
}

// Adapter is the adapter of one container runtime. All methods are safe for concurrent use.
type Adapter struct {
	opt    Options
	log    *zap.Logger
	client *client.Client
	gate   gate
	past   history
	podman atomic.Bool // its answers say that it is Podman

	mu       sync.Mutex // guards everything that follows
	turns    map[string]chan struct{}
	watching map[string]int // live watches of an object
	was      map[string]identity
}

// identity is the container that an object was last seen to be.
type identity struct {
	id      string
	changed time.Time // when another one took its place, or it went; zero = never
	before  string    // the one before
}

var (
	_ platform.Adapter  = (*Adapter)(nil)
	_ platform.Watcher  = (*Adapter)(nil)
	_ platform.Finisher = (*Adapter)(nil)
	_ platform.Heir     = (*Adapter)(nil)
)

const (
	// askTimeout bounds one question. The runtime answers in milliseconds; it may hold a lock while it stops something.
	askTimeout = 5 * time.Second
	// recallTries and recallPause bound how long an event of this moment is waited for: it comes within milliseconds.
	recallTries = 10
	recallPause = 30 * time.Millisecond
	// atWork is how long a container that was removed or made anew means that somebody is at work: compose takes seconds.
	atWork = time.Minute
)

// New makes an adapter; it connects to nothing.
func New(opt Options) (*Adapter, error) {
	if opt.Socket == "" {
		opt.Socket = DefaultSocket
	}
	if !filepath.IsAbs(opt.Socket) {
		return nil, fmt.Errorf("docker: socket: %q is no absolute path, such as %s", opt.Socket, DefaultSocket)
	}
	if opt.RawSocket != "" && opt.RawSocket != RawSocketAccept {
		return nil, fmt.Errorf("docker: raw_socket: %q is not known: leave it out, or write %s", opt.RawSocket, RawSocketAccept)
	}
	if opt.Relist <= 0 {
		opt.Relist = 30 * time.Second
	}
	if opt.Logger == nil {
		opt.Logger = zap.NewNop()
	}
	a := &Adapter{opt: opt, log: opt.Logger, gate: gate{accept: opt.RawSocket == RawSocketAccept},
		past:  history{containers: map[string]*memory{}},
		turns: map[string]chan struct{}{}, watching: map[string]int{}, was: map[string]identity{}}
	c, err := newClient(opt.Socket, func(r *http.Response) {
		if r.Header.Get("Libpod-Api-Version") != "" {
			a.podman.Store(true)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("docker: %s: %w", opt.Socket, err)
	}
	a.client = c
	return a, nil
}

// Close ends kept connections. Watches end with their own contexts.
func (a *Adapter) Close() error { return a.client.Close() }

// Inherit implements [platform.Heir]. An action that is under way there counts as ours until its limit.
func (a *Adapter) Inherit(other platform.Adapter) {
	from, ok := other.(*Adapter)
	if !ok || from.opt.Socket != a.opt.Socket {
		return
	}
	a.past.inherit(&from.past)
	from.mu.Lock()
	was := maps.Clone(from.was)
	from.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.Copy(a.was, was)
}

// Check asks the runtime what its socket admits. The error says why it is not used, or why it cannot be asked.
func (a *Adapter) Check(ctx context.Context) error { return a.gate.pass(ctx, a.client, a.opt.Socket) }

// Verbs implements [platform.Adapter].
func (a *Adapter) Verbs() []strategy.Verb {
	return []strategy.Verb{strategy.Start, strategy.Stop, strategy.Restart, strategy.Kill, strategy.SetMemory}
}

// Inspect implements [platform.Adapter]. A runtime that cannot be asked makes the state not measured, never down.
func (a *Adapter) Inspect(ctx context.Context, name string) (detect.Facts, error) {
	f, _, err := a.look(ctx, name)
	if err != nil {
		f = a.notAsked(err)
	}
	f[detect.WorkloadWatched] = detect.Flag(err == nil && a.isWatched(name))
	return f, nil
}

func (a *Adapter) notAsked(err error) detect.Facts {
	why := clean(err.Error())
	f := detect.Facts{
		detect.WorkloadNoun: detect.Word(noun), detect.WorkloadManager: detect.Word(manager),
		detect.WorkloadState: detect.NotMeasured(why), detect.WorkloadError: detect.Word(why),
	}
	if errors.Is(err, platform.ErrPermission) || refused(err) {
		f[detect.WorkloadPermission] = detect.Word(why)
	}
	return f
}

// look asks the runtime; the container is nil when there is none.
func (a *Adapter) look(ctx context.Context, name string) (detect.Facts, *container.InspectResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	o, err := parseObject(name)
	if err != nil {
		return nil, nil, err
	}
	c, err := a.find(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	who := a.identify(name, c)
	if c == nil {
		f := missing(name, o)
		if who.before != "" {
			f[detect.WorkloadNote] = detect.Word("its container " + shortID(who.before) + " was removed")
		}
		a.addAtWork(f, who)
		return f, nil, nil
	}
	f := a.factsNow(ctx, name, *c)
	a.addAtWork(f, who)
	return f, c, nil
}

// find returns the container of an object, nil when there is none.
func (a *Adapter) find(ctx context.Context, o object) (*container.InspectResponse, error) {
	if err := a.gate.pass(ctx, a.client, a.opt.Socket); err != nil {
		return nil, err
	}
	id := o.name
	if o.compose() {
		list, err := a.client.ContainerList(ctx, client.ContainerListOptions{All: true,
			Filters: client.Filters{}.Add("label", labelProject+"="+o.project, labelService+"="+o.service)})
		if err != nil {
			return nil, fmt.Errorf("list the containers of %s/%s: %w", o.project, o.service, err)
		}
		if id, err = o.pick(list.Items); id == "" || err != nil {
			return nil, err
		}
	}
	got, err := a.client.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		return nil, nil //nolint:nilnil // there is none, and that is no error
	case err != nil:
		return nil, fmt.Errorf("inspect container %s: %w", id, err)
	}
	var labels map[string]string
	if got.Container.Config != nil {
		labels = got.Container.Config.Labels
	}
	if !o.matches(got.Container.Name, labels) {
		return nil, nil //nolint:nilnil // the runtime takes a name for the beginning of an id, too: that is another container
	}
	return &got.Container, nil
}

// factsNow are the facts of a container that was just asked for, with what the kernel says of its processes.
func (a *Adapter) factsNow(ctx context.Context, name string, c container.InspectResponse) detect.Facts {
	a.recall(ctx, c)
	p := a.past.past(c.ID)
	p.podman = a.podman.Load()
	f := factsOf(name, c, p, time.Now())
	if c.State != nil && c.State.Running && !c.State.Restarting {
		a.addHost(ctx, f, c)
	}
	return f
}

// recall asks the runtime for the events around the end of a run that has not been listened to: it keeps the last 256. Of an end
// of this moment the event may come a little later than the state.
func (a *Adapter) recall(ctx context.Context, c container.InspectResponse) {
	if c.State == nil || c.State.Running && !c.State.Restarting {
		return
	}
	began, ended := instant(c.State.StartedAt), instant(c.State.FinishedAt)
	for range recallTries {
		if ended.IsZero() || !a.past.lacks(c.ID, began, ended) {
			return
		}
		a.remembered(ctx, c.ID, ended.Add(-patience(c)-stopSlack))
		if time.Since(ended) > sameEnd || !a.past.lacks(c.ID, began, ended) || pause(ctx, recallPause) != nil {
			return
		}
	}
}

// remembered takes what the runtime remembers of a container since a time.
func (a *Adapter) remembered(ctx context.Context, id string, since time.Time) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	r := a.client.Events(ctx, client.EventsListOptions{Since: atTime(since), Until: atTime(time.Now()),
		Filters: client.Filters{}.Add("type", "container").Add("container", id)})
	for {
		select {
		case m := <-r.Messages:
			if m.Actor.ID == id && matters(m.Action) {
				a.past.add(m)
			}
		case <-r.Err: // the end of the answer, or of the connection: what has come is known
			return
		}
	}
}

// identify remembers which container an object is.
func (a *Adapter) identify(name string, c *container.InspectResponse) identity {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.was[name]
	now := was
	switch {
	case c == nil && was.id != "":
		now = identity{before: was.id, changed: time.Now()}
	case c != nil && c.ID != was.id:
		now.id = c.ID
		if was.id != "" {
			now.before, now.changed = was.id, time.Now()
		}
	}
	a.was[name] = now
	return now
}

func (a *Adapter) addAtWork(f detect.Facts, who identity) {
	if who.changed.IsZero() || time.Since(who.changed) > atWork {
		return
	}
	what := "container " + shortID(who.before) + " was removed"
	if who.id != "" {
		what = "container " + shortID(who.id) + " took the place of " + shortID(who.before)
	}
	f[detect.WorkloadMaintenance] = detect.Word("recreate: " + what)
}

func (a *Adapter) isWatched(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.watching[name] > 0
}

// turn is held by the action that works on an object.
func (a *Adapter) turn(name string) chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.turns[name] == nil {
		a.turns[name] = make(chan struct{}, 1)
	}
	return a.turns[name]
}
