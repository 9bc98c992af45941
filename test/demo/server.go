package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/test/target/control"
)

// server is one demonstration MCP server, as recoveryd is told to run it.
type server struct {
	Name     string
	Program  string // path of mcp-target
	Addr     string // host:port of health and MCP
	Control  string // where its faults are switched
	Faults   string // file of the faults that are on from its next start on
	Database string // DATABASE_URL; "" = a simulated database

	faults *control.Client
	client *http.Client
}

// newServer prepares a server; recoveryd starts it.
func newServer(dir, program, name, database string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s := &server{Name: name, Program: program, Addr: addr, Database: database,
		Control: "unix:" + filepath.Join(dir, name+".sock"), Faults: filepath.Join(dir, name+".faults"),
		// A connection of its own for each question: the process may be another one each time.
		client: &http.Client{Timeout: 1200 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}}
	s.faults = control.New(s.Control, nil)
	return s, s.nextStart("")
}

// nextStart sets the faults that are on from the next start on; "" for none.
func (s *server) nextStart(faults string) error { return os.WriteFile(s.Faults, []byte(faults), 0o644) }

// healthy asks the server itself, past recoveryd.
func (s *server) healthy(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+"/health/status", nil)
	if err != nil {
		return false
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close() //nolint:errcheck // nothing depends on it
	var h struct{ Status string }
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(&h) == nil && h.Status == "healthy"
}

// recovery watches when servers answer that they are healthy again after a fault.
type recovery struct {
	wg   sync.WaitGroup
	stop context.CancelFunc

	mu sync.Mutex // guards what follows
	at map[string]time.Time
}

// watchRecovery asks each server every few milliseconds until it is healthy. It is begun when the
// fault has taken hold, so the first healthy answer is the end of the trouble as a client sees it.
func watchRecovery(ctx context.Context, servers []*server) *recovery {
	ctx, stop := context.WithCancel(ctx)
	r := &recovery{stop: stop, at: map[string]time.Time{}}
	for _, s := range servers {
		r.wg.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil {
				if s.healthy(ctx) {
					r.mu.Lock()
					r.at[s.Name] = time.Now()
					r.mu.Unlock()
					return
				}
				select {
				case <-ctx.Done():
				case <-tick.C:
				}
			}
		})
	}
	return r
}

// seen returns when each server was first healthy again.
func (r *recovery) seen() map[string]time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]time.Time{}
	for k, v := range r.at {
		out[k] = v
	}
	return out
}

func (r *recovery) end() {
	r.stop()
	r.wg.Wait()
}
