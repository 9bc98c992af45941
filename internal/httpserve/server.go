package httpserve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/egress"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Daemon is what the server asks of the running daemon. Implementations are safe for concurrent
// use.
type Daemon interface {
	State() incident.State
	Policy() *incident.Policy
	// Ask hands an event to the core and returns what was decided.
	Ask(context.Context, incident.Event) (incident.Record, error)
	// Alive says why the daemon is wedged; nil when it is not.
	Alive(time.Time) error
	// Ready says why the daemon is not of use now; nil when it is.
	Ready(context.Context) error
	// Incidents lists incidents, newest first; Incident returns one and its records.
	Incidents(ctx context.Context, open bool, limit int) ([]incident.Incident, error)
	Incident(ctx context.Context, id string) (incident.Incident, []incident.Record, error)
	// PlaybookRun returns a run of a playbook as it ended, or stands, and its records.
	PlaybookRun(ctx context.Context, id string) (incident.Run, []incident.Record, error)
	// Warnings are what a person should mend about recoveryd itself, while it works all the same.
	Warnings() []string
	// Channels describes the delivery of notices per channel.
	Channels() any
	// Runbook says where the runbook of a class is; "" when it has none.
	Runbook(detect.Class) string
	Version() string
}

// Options configures a Server.
type Options struct {
	Daemon   Daemon
	Gatherer prometheus.Gatherer
	Logger   *zap.Logger
	Listen   string                         // TCP address; "" = none
	WebFile  string                         // exporter-toolkit file with TLS and basic auth; "" = plain
	Names    func() Names                   // under which the TCP server is reached, besides its address; nil = none
	Socket   string                         // path of the control socket; "" = none
	Pages    http.Handler                   // the status page, or nil
	Alerts   func(body []byte) (any, error) // takes a webhook of Alertmanager; nil = it is not served
	Feed     *live.Feed                     // what GET /api/v1/events and /api/v1/history tell; nil = neither is served
	// Drills says why the configuration allows no such drill now; nil = no drill is taken at all.
	Drills func(target string, fault incident.Fault, length time.Duration, now time.Time) error
	// Reload reads the configuration anew and says what came of it, or everything that is wrong with it;
	// nil = not served.
	Reload func(context.Context) (any, error)
	// Notices lists what was told of an incident; nil = not served.
	Notices func(ctx context.Context, incident string) ([]queue.Queued, error)
}

// Server is the TCP and the unix server of one daemon.
type Server struct {
	o    Options
	tcp  *http.Server
	unix *http.Server
	lis  net.Listener
	// bodies are of webhooks, which are read while nobody else waits for them.
	bodies *semaphore.Weighted
}

// New opens the listeners, so that an address in use is an error at start and not a line in a
// log at night.
func New(o Options) (*Server, error) {
	s := &Server{o: o, bodies: semaphore.NewWeighted(webhooks)}
	if o.Listen != "" {
		l, err := net.Listen("tcp", o.Listen)
		if err != nil {
			return nil, fmt.Errorf("listen on http.listen %s: %w (change http.listen, or stop what holds the port)", o.Listen, err)
		}
		s.lis = newCrowd(l, mostOpen, mostOpenEach, address)
		s.tcp = server(s.guard(s.routes(false)))
	}
	if o.Socket != "" {
		if err := s.openSocket(); err != nil {
			if s.lis != nil {
				_ = s.lis.Close() // the first error is the one to report
			}
			return nil, err
		}
	}
	return s, nil
}

// server bounds how long a client may take to ask and to read. Streams set deadlines of their own (live.Stream).
func server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second,
		IdleTimeout:    75 * time.Second, // a scrape comes once a minute, on the connection of the one before
		MaxHeaderBytes: 16 << 10, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 16, MaxReceiveBufferPerConnection: 128 << 10, MaxReceiveBufferPerStream: 64 << 10}}
}

// Addr is the TCP address in use, for tests that listen on port 0; nil without one.
func (s *Server) Addr() net.Addr {
	if s.lis == nil {
		return nil
	}
	return s.lis.Addr()
}

// Serve answers on TCP until Stop. It returns nil after Stop.
func (s *Server) Serve() error {
	if s.tcp == nil {
		return nil
	}
	flags := &web.FlagConfig{WebListenAddresses: &[]string{}, WebSystemdSocket: new(bool), WebConfigFile: &s.o.WebFile}
	err := web.Serve(s.lis, s.tcp, flags, slog.New(slog.DiscardHandler))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("http server on %s: %w", s.o.Listen, err)
}

// Stop ends both servers; requests in flight get until ctx ends.
func (s *Server) Stop(ctx context.Context) error {
	var errs []error
	if s.o.Feed != nil {
		s.o.Feed.Close() // streams never end by themselves
	}
	for _, srv := range []*http.Server{s.tcp, s.unix} {
		if srv != nil {
			errs = append(errs, srv.Shutdown(ctx))
		}
	}
	if s.o.Socket != "" {
		if err := os.Remove(s.o.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// routes lists everything that is answered. Over the control socket nobody waits for what is answered over
// TCP.
func (s *Server) routes(control bool) http.Handler {
	m := http.NewServeMux()
	short := func(h http.Handler) http.Handler { return h }
	if !control {
		short = newTurns().take
	}
	answer := func(pattern string, h http.HandlerFunc) { m.Handle(pattern, short(h)) }
	m.Handle("GET /metrics", short(promhttp.HandlerFor(s.o.Gatherer, promhttp.HandlerOpts{})))
	m.HandleFunc("GET /livez", s.livez)
	answer("GET /readyz", s.readyz)
	answer("GET /api/v1/status", s.status)
	answer("GET /api/v1/incidents", s.incidents)
	answer("GET /api/v1/incidents/{id}", s.incident)
	answer("GET /api/v1/playbooks", s.playbooks)
	answer("GET /api/v1/playbooks/runs/{id}", s.run)
	if s.o.Feed != nil {
		m.HandleFunc("GET /api/v1/events", s.events)
		answer("GET /api/v1/history", s.history)
	}
	if s.o.Alerts != nil {
		m.HandleFunc("POST /api/v1/alerts", s.alerts)
	}
	if control {
		answer("POST /api/v1/command", s.command)
		if s.o.Reload != nil {
			answer("POST /api/v1/reload", s.reload)
		}
		if s.o.Drills != nil {
			answer("POST /api/v1/drill", s.drill)
		}
		if s.o.Notices != nil {
			answer("GET /api/v1/incidents/{id}/notices", s.notices)
		}
	}
	if s.o.Pages != nil {
		m.Handle("GET /", short(s.o.Pages))
		m.Handle("GET /stream", s.o.Pages)
		m.Handle("GET /incidents/{id}/stream", s.o.Pages)
	}
	return m
}

func (s *Server) livez(w http.ResponseWriter, _ *http.Request) {
	if err := s.o.Daemon.Alive(time.Now()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "alive")
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	if err := s.o.Daemon.Ready(ctx); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// reply writes JSON; refuse writes an error that says what to do.
func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the client is gone: nobody is left to tell
}

func refuse(w http.ResponseWriter, code int, format string, args ...any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": fmt.Sprintf(format, args...)})
}

// openSocket makes the control socket. A socket file that nobody answers on is left over from a
// killed daemon and is replaced.
func (s *Server) openSocket() error {
	path := s.o.Socket
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("control socket: %w (set runtime_dir to a directory that recoveryd may write)", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if c, err := egress.Dial(ctx, "unix", path); err == nil {
		_ = c.Close()
		return fmt.Errorf("control socket %s: another recoveryd answers on it (stop it first, or use another runtime_dir)", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("control socket: %w (set runtime_dir to a directory that recoveryd may write)", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	s.unix = server(s.routes(true))
	s.unix.WriteTimeout = 2 * time.Minute // a command may wait for what the daemon is at
	s.unix.ConnContext = rememberPeer
	go func() {
		if err := s.unix.Serve(newCrowd(guarded{l, mayCommand}, mostOpen, mostOpenEach, user)); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.o.Logger.Error("control socket ended", zap.Error(err))
		}
	}()
	return nil
}
