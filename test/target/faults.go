package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// The faults, their parameters and defaults. The same spelling is used by the control endpoint
// (POST /faults/NAME?key=value) and by FAULTS and FAULTS_FILE ("NAME?key=value NAME ...").
//
//	wedge                                accept, never answer, ignore SIGTERM
//	ignore-term                          ignore SIGTERM and SIGINT
//	latency   delay=3s                   answer every request that much later
//	database-latency delay=400ms         the health query takes that long in the database
//	reply     kind=html path=/health     answer something else; path limits it to a prefix. Kinds:
//	          not-found html garbage truncated empty rate-limited unauthorized forbidden
//	          redirect server-error too-large reset
//	rate-limit requests=60 window=1m     really limit, like task-mcp-http: 500 RATE_LIMIT_EXCEEDED
//	variant   name=A                     another health payload: A B C D E F G (G is ValidationError)
//	status    value=unhealthy            health says that word, still with 200
//	close-listener                       close the listening socket and live on
//	pool-leak count=10 mode=idle stuck=false   hold connections: idle in-tx active lock; stuck ones
//	                                     are not given back on SIGTERM, so that the stop drags on
//	memory-leak rate=16 limit=128        MiB a second, up to a limit in MiB, every page touched
//	file-leak count=100                  open that many files
//	crash     how=exit code=3 delay=0s   end: exit, clean (code 0), kill (SIGKILL), abort (SIGABRT), term
//	database  state=stopped              simulated database only: stopped, frozen
//	start-delay delay=5s                 at start only: sleep before the pool is opened and the port listens

// kind is one fault that can be switched on.
type kind struct {
	defaults map[string]string // every parameter that it takes
	// running says that it needs the pool and the socket, so that at start it waits for them.
	running bool
	// start switches it on and returns how to switch it off; nil when there is nothing to undo.
	start func(p params) (stop func(), err error)
}

// active is a fault that is on.
type active struct {
	values url.Values
	stop   func()
	stuck  bool // stays on when the server drains
}

// faultSet knows all faults and which are on. Safe for concurrent use.
type faultSet struct {
	kinds map[string]kind

	mu       sync.Mutex
	on       map[string]active
	deferred []*url.URL
}

func newFaultSet(kinds map[string]kind) *faultSet {
	return &faultSet{kinds: kinds, on: map[string]active{}}
}

// applyText switches on the faults of FAULTS. Those that need a running server wait for applyDeferred.
func (f *faultSet) applyText(text string) error {
	for _, word := range strings.Fields(text) {
		u, err := url.Parse(word)
		if err != nil {
			return err
		}
		k, ok := f.kinds[u.Path]
		if ok && k.running {
			f.deferred = append(f.deferred, u)
			continue
		}
		if err := f.set(u.Path, u.Query()); err != nil {
			return err
		}
	}
	return nil
}

// applyDeferred switches on the faults of FAULTS that needed a running server.
func (f *faultSet) applyDeferred() error {
	for _, u := range f.deferred {
		if err := f.set(u.Path, u.Query()); err != nil {
			return err
		}
	}
	return nil
}

// set switches a fault on; one that is on already is switched off first.
func (f *faultSet) set(name string, values url.Values) error {
	k, ok := f.kinds[name]
	if !ok {
		return fmt.Errorf("there is no fault %q: choose from %s", name, strings.Join(slices.Sorted(maps.Keys(f.kinds)), ", "))
	}
	p := params{values: url.Values{}}
	for key, value := range k.defaults {
		p.values.Set(key, value)
	}
	for key := range values {
		if _, ok := k.defaults[key]; !ok {
			return fmt.Errorf("fault %s: it has no parameter %q", name, key)
		}
		p.values.Set(key, values.Get(key))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clearLocked(name)
	stop, err := k.start(p)
	if err != nil {
		return fmt.Errorf("fault %s: %w", name, err)
	}
	f.on[name] = active{values: p.values, stop: stop, stuck: p.values.Get("stuck") == "true"}
	return nil
}

// clear switches a fault off. One that is not on is no error.
func (f *faultSet) clear(name string) error {
	if _, ok := f.kinds[name]; !ok {
		return errors.New("there is no fault " + name)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clearLocked(name)
	return nil
}

func (f *faultSet) clearLocked(name string) {
	if a, ok := f.on[name]; ok && a.stop != nil {
		a.stop()
	}
	delete(f.on, name)
}

// clearAll switches every fault off.
func (f *faultSet) clearAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range slices.Collect(maps.Keys(f.on)) {
		f.clearLocked(name)
	}
}

// clearForExit gives back what the faults hold, except what is meant to make the stop drag on.
func (f *faultSet) clearForExit() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, a := range f.on {
		if !a.stuck {
			f.clearLocked(name)
		}
	}
}

// list returns the faults that are on, with their parameters.
func (f *faultSet) list() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	on := map[string]string{}
	for name, a := range f.on {
		on[name] = a.values.Encode()
	}
	return on
}
