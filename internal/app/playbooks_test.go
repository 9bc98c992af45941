package app

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func shippedPlaybooks(t *testing.T) *config.Config {
	known := Known()
	known.WithoutSecrets = true
	c, err := config.Load("../../configs/playbooks.yaml", known)
	require.NoError(t, err)
	require.Empty(t, c.Warnings, "an example has no risks in it")
	return c
}

func stepNames(b strategy.Playbook) (out []string) {
	for _, s := range b.Steps {
		out = append(out, s.Name)
	}
	return out
}

func TestTheShippedPlaybooksAreThoseOfTheRunbook(t *testing.T) {
	c := shippedPlaybooks(t)
	p, err := PolicyOf(c)
	require.NoError(t, err)
	full, ok := p.Playbook("full-recovery")
	require.True(t, ok)
	require.Equal(t, []string{"there is room on the disk of the database", "stop codebase-mcp", "stop workflow-mcp", "clean /var/cache/mcp", "ensure postgres",
		"start workflow-mcp", "wait workflow-mcp", "start codebase-mcp", "wait codebase-mcp", "smoke test of workflow-mcp", "smoke test of codebase-mcp"}, stepNames(full))
	require.False(t, full.NeedsApproval())
	require.Equal(t, []string{"codebase-mcp", "workflow-mcp", "postgres"}, full.Targets())
	require.Equal(t, "playbook:full-recovery", slices.Concat(p.Ladder("codebase-mcp", "down"))[3])
	for _, s := range full.Steps {
		require.Positive(t, s.Timeout, s.Name)
		require.Equal(t, s.Do == strategy.StepStop, s.Disrupts(), "only the servers are stopped, the database is never: %s", s.Name)
	}

	data, ok := p.Playbook("data-recovery")
	require.True(t, ok)
	require.True(t, data.NeedsApproval())
	require.True(t, data.Keep, "a half restored database must not be served")
	names := stepNames(data)
	dump, restore := slices.Index(names, "dump what is there"), slices.Index(names, "restore the last known good backup")
	require.Positive(t, dump)
	require.Less(t, dump, restore, "dumps first")
	require.False(t, data.Steps[dump].GoOn, "without a good dump nothing goes on")
	require.True(t, data.Steps[restore].Approval)
	require.False(t, data.Steps[restore].Again, "never repeated when nobody knows how it ended")
	_, err = strategy.RunPlaybook(data).Plan(strategy.Input{Target: targetOf(c.Targets[1])})
	require.ErrorIs(t, err, strategy.ErrNotApplicable, "no ladder ever runs it")
}

func TestWhatPlaybooksMayDoOnTheHostIsListedToTheLetter(t *testing.T) {
	o := allowedOnHost(shippedPlaybooks(t), zap.NewNop())
	require.Equal(t, []string{"/var/cache/mcp"}, o.CacheDirs)
	require.Len(t, o.Commands, 3)
	require.Equal(t, "data-recovery/4", o.Commands[0].Name)
	require.True(t, o.Commands[0].Unit)
	require.Contains(t, o.Commands[0].Properties, "User=postgres")
}

func TestChecksOfAPlaybookAskOnceAndChangeNothing(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/sick":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	c, err := config.Parse("x.yaml", []byte(`
version: 1
targets:
  - name: good
    kind: service
    unit: good.service
    health: [{url: "`+srv.URL+`"}]
    synthetic: [{name: call, url: "`+srv.URL+`/"}]
  - name: sick
    kind: service
    unit: sick.service
    health: [{url: "`+srv.URL+`"}]
    synthetic: [{name: call, url: "`+srv.URL+`/sick"}]
`), Known())
	require.NoError(t, err)
	tests := []struct {
		name string
		act  strategy.Action
		want platform.Result
		says string
	}{
		{"an address that answers", strategy.Action{Verb: strategy.CheckHTTP, Object: srv.URL + "/", Args: map[string]string{strategy.ArgStatus: "200"}}, platform.Done, "HTTP 200"},
		{"another status than wanted", strategy.Action{Verb: strategy.CheckHTTP, Object: srv.URL + "/sick", Args: map[string]string{strategy.ArgStatus: "200"}}, platform.Failed, "HTTP 503, and 200"},
		{"a redirect is not followed", strategy.Action{Verb: strategy.CheckHTTP, Object: srv.URL + "/moved", Args: map[string]string{strategy.ArgStatus: "200"}}, platform.Failed, "HTTP 302"},
		{"nobody there", strategy.Action{Verb: strategy.CheckHTTP, Object: "http://127.0.0.1:1/", Args: map[string]string{strategy.ArgStatus: "200"}}, platform.Failed, "does not answer"},
		{"room on a disk", strategy.Action{Verb: strategy.CheckDisk, Object: t.TempDir(), Args: map[string]string{strategy.ArgBytes: "1"}}, platform.Done, "MiB are free"},
		{"no room on it", strategy.Action{Verb: strategy.CheckDisk, Object: t.TempDir(), Args: map[string]string{strategy.ArgBytes: "9223372036854775807"}}, platform.Failed, "were wanted"},
		{"no such directory", strategy.Action{Verb: strategy.CheckDisk, Object: "/nonexistent", Args: map[string]string{strategy.ArgBytes: "1"}}, platform.Failed, "cannot be asked"},
		{"real work succeeds", strategy.Action{Verb: strategy.CheckWork, Object: "good"}, platform.Done, "1 call(s) of real work succeed"},
		{"real work fails", strategy.Action{Verb: strategy.CheckWork, Object: "sick"}, platform.Failed, "call fails"},
		{"a target without any", strategy.Action{Verb: strategy.CheckWork, Object: "other"}, platform.Failed, "no calls of real work"},
		{"another verb", strategy.Action{Verb: strategy.Stop, Object: "x"}, platform.Failed, "nothing was asked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.act.Timeout = 10 * time.Second
			rep, err := checks{c}.Do(t.Context(), tt.act)
			require.Equal(t, tt.want, rep.Result, rep.Detail)
			require.Equal(t, tt.want == platform.Done, err == nil)
			require.Contains(t, rep.Detail, tt.says)
		})
	}
}
