package probe

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// What a server asked for outlives the witness that heard it, as long as the same is asked of it.
func TestAPauseIsInheritedByTheSameCheckOnly(t *testing.T) {
	var asked atomic.Int32
	limiter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer limiter.Close()
	other := httptest.NewServer(limiter.Config.Handler)
	defer other.Close()
	type check struct {
		url, token, tool, resource string
		body                       []byte
		match                      Match
		timeout                    time.Duration
	}
	kinds := map[string]func(c check) (Heir, error){
		"http": func(c check) (Heir, error) {
			return NewHTTPHealth(Endpoint{URL: c.url, Bearer: Secret(c.token), Timeout: c.timeout})
		},
		"mcp": func(c check) (Heir, error) {
			return NewMCPHealth(MCPEndpoint{Endpoint: Endpoint{URL: c.url, Bearer: Secret(c.token), Timeout: c.timeout}}, c.resource)
		},
		"synthetic http": func(c check) (Heir, error) {
			return NewSyntheticHTTP(Endpoint{URL: c.url, Bearer: Secret(c.token), Timeout: c.timeout, Body: c.body}, c.match, 0)
		},
		"synthetic mcp": func(c check) (Heir, error) {
			return NewSyntheticMCP(MCPEndpoint{Endpoint: Endpoint{URL: c.url, Bearer: Secret(c.token), Timeout: c.timeout}}, c.tool, nil, c.match, 0)
		},
	}
	base := check{url: limiter.URL, token: "one", tool: "search", timeout: patient}
	with := func(f func(*check)) check { c := base; f(&c); return c }
	for name, c := range map[string]struct {
		after check
		kept  []string // the kinds whose pause outlives the change
	}{
		"nothing changed":      {base, []string{"http", "mcp", "synthetic http", "synthetic mcp"}},
		"another timeout":      {with(func(c *check) { c.timeout = time.Second }), []string{"http", "mcp", "synthetic http", "synthetic mcp"}},
		"another wanted text":  {with(func(c *check) { c.match = Match{Contains: "x"} }), []string{"http", "mcp", "synthetic http", "synthetic mcp"}},
		"another server":       {with(func(c *check) { c.url = other.URL }), nil},
		"a token of its own":   {with(func(c *check) { c.token = "two" }), nil},
		"another resource":     {with(func(c *check) { c.resource = "health://x" }), []string{"http", "synthetic http", "synthetic mcp"}},
		"another tool":         {with(func(c *check) { c.tool = "find" }), []string{"http", "mcp", "synthetic http"}},
		"another request body": {with(func(c *check) { c.body = []byte("{}") }), []string{"http", "mcp", "synthetic mcp"}},
	} {
		for kind, make := range kinds {
			t.Run(kind+", "+name, func(t *testing.T) {
				old, err := make(base)
				require.NoError(t, err)
				old.Look(t.Context(), nil)
				fresh, err := make(c.after)
				require.NoError(t, err)
				for other, make := range kinds { // a witness of another kind has nothing to give
					if w, err := make(base); other != kind && err == nil {
						fresh.Inherit(w)
					}
				}
				fresh.Inherit(old)
				before := asked.Load()
				f := fresh.Look(t.Context(), nil)
				if slices.Contains(c.kept, kind) {
					require.Equal(t, before, asked.Load(), "not asked again: %v", f)
					require.Contains(t, f[fresh.(Leader).Leads()].Err, "wants")
				} else {
					require.Less(t, before, asked.Load(), "%v", f)
				}
			})
		}
	}
}

func TestTheRestAfterAGoodAnswerIsInheritedWithTheWholeCheck(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer s.Close()
	check := func(m Match, every time.Duration) *Synthetic {
		w, err := NewSyntheticHTTP(Endpoint{URL: s.URL, Timeout: patient}, m, every)
		require.NoError(t, err)
		return w
	}
	one := detect.Facts{detect.WorkloadRun: detect.Word("one")}
	old := check(Match{}, time.Hour)
	require.Equal(t, "ok", syntheticWords(old.Look(t.Context(), one)))
	for name, c := range map[string]struct {
		after *Synthetic
		unit  detect.Facts
		asked bool
	}{
		"the same check":                     {check(Match{}, time.Hour), one, false},
		"the same check, and a new process":  {check(Match{}, time.Hour), detect.Facts{detect.WorkloadRun: detect.Word("two")}, true},
		"a check that wants something else":  {check(Match{Excludes: "x"}, time.Hour), one, true},
		"a check that is to be made oftener": {check(Match{}, time.Minute), one, true},
	} {
		t.Run(name, func(t *testing.T) {
			before := asked.Load()
			c.after.Inherit(old)
			c.after.Look(t.Context(), c.unit)
			require.Equal(t, c.asked, asked.Load() > before)
		})
	}
	t.Run("a call that is under way does not delay a reload", func(t *testing.T) {
		old.mu.Lock()
		defer old.mu.Unlock()
		after := check(Match{}, time.Hour)
		after.Inherit(old) // returns
		require.Zero(t, after.goodUntil)
	})
}
