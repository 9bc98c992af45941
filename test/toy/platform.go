package toy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// BoxKeys are the keys of a target that stands on the shelf.
type BoxKeys struct {
	// The box; with it the platform is shelf.
	Box string `yaml:"box" form:"box"`
}

// NewDriver is the shelf as a platform.
func NewDriver(s *Shelf) platform.Driver {
	form := platform.Form{Want: "a box such as red-1", Fits: regexp.MustCompile(`^[a-z]+-[0-9]+$`).MatchString}
	return platform.Driver{
		Name: "shelf", Keys: BoxKeys{}, Forms: map[string]platform.Form{"box": form},
		Judge: func(_ platform.Target, keys any) (object string, wrong []platform.Wrong) {
			if object = keys.(*BoxKeys).Box; object == "" {
				wrong = append(wrong, platform.Wrong{Key: "box", What: "is missing", Want: form.Want})
			}
			return object, wrong
		},
		Open: func(context.Context, platform.Options) (platform.Adapter, error) { return s, nil },
	}
}

// Shelf is a platform of one box: a server of a health page that falls, is closed by a person, and can be opened.
type Shelf struct {
	Box, Addr string // what the configuration names, and where it serves
	Locked    bool   // nobody may touch it

	mu        sync.Mutex
	server    *http.Server
	state     string
	departure string
	run       int
}

// Inspect implements [platform.Adapter]: it says what the box is like, in words of the shelf.
func (s *Shelf) Inspect(_ context.Context, box string) (detect.Facts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := detect.Facts{
		detect.WorkloadNoun: detect.Word("box"), detect.WorkloadManager: detect.Word("the shelf"),
		detect.WorkloadState: detect.Word(s.state), detect.WorkloadRun: detect.Word("opening " + strconv.Itoa(s.run)),
		detect.WorkloadDeparture: detect.Word(s.departure), detect.WorkloadPolicy: detect.Word("no"),
	}
	if box != s.Box {
		f[detect.WorkloadMissing], f[detect.WorkloadAdvice] = detect.Word("there is no box "+box+" on the shelf"), detect.Word("put it there")
	}
	if s.Locked {
		f[detect.WorkloadPermission] = detect.Word("the shelf is locked")
	}
	return f, nil
}

// Do implements [platform.Adapter]. Right before it acts it asks whether what was decided is outdated.
func (s *Shelf) Do(ctx context.Context, a strategy.Action) (platform.Report, error) {
	now, err := s.Inspect(ctx, a.Object)
	if err != nil {
		return platform.Report{Result: platform.Unknown, Detail: "the shelf cannot be seen"}, err
	}
	if why := a.Seen.Outdated(a.Verb, now); why != "" {
		return platform.Report{Result: platform.Failed, Detail: "nothing was done: " + why}, platform.ErrOutdated
	}
	s.end(detect.StateStopped, detect.DepartureBySelf)
	if err := s.Open(); err != nil {
		return platform.Report{Result: platform.Failed, Detail: "the box stays closed"}, err
	}
	return platform.Report{Result: platform.Done, Detail: "the box is open"}, nil
}

// Verbs implements [platform.Adapter].
func (s *Shelf) Verbs() []strategy.Verb { return []strategy.Verb{strategy.Start, strategy.Restart} }

// Open opens the box.
func (s *Shelf) Open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := net.Listen("tcp", s.Addr)
	if err != nil {
		return fmt.Errorf("open box %s: %w", s.Box, err)
	}
	s.Addr = l.Addr().String()
	s.server = &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status":"healthy"}`))
	})}
	go func(srv *http.Server) { _ = srv.Serve(l) }(s.server)
	s.state, s.departure = detect.StateRunning, detect.DepartureNone
	s.run++
	return nil
}

// Fall is the box falling off the shelf.
func (s *Shelf) Fall() { s.end(detect.StateFailed, detect.DepartureCrash) }

// Close is a person closing the box.
func (s *Shelf) Close() { s.end(detect.StateStopped, detect.DepartureStopped) }

func (s *Shelf) end(state, departure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		_ = s.server.Close()
	}
	s.server, s.state, s.departure = nil, state, departure
}
