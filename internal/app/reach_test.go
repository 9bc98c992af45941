package app

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/internal/setup/host"
)

func TestAVendorThatTheUnitDoesNotReachIsSaidOnceAndUntilItIsMended(t *testing.T) {
	load := func(more string) *config.Config {
		file := filepath.Join(t.TempDir(), "recoveryd.yaml")
		require.NoError(t, os.WriteFile(file, []byte("version: 1\ntargets:\n  - {name: web, kind: plain, platform: none, check: {type: http, url: \"http://127.0.0.1:9/x\"}}\n"+more), 0o600))
		c, err := config.Load(file, Known())
		require.NoError(t, err)
		return c
	}
	unit := setup.Sandbox{Unit: "recoveryd.service", Deny: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	own := func(context.Context) (setup.Sandbox, error) { return unit, nil }
	core, logs := observer.New(zap.DebugLevel)
	log := zap.New(core)
	var r reach

	calm := load("notifiers: [{name: hook, type: webhook, url: \"http://127.0.0.1:9/hook\"}]\ntracing: {endpoint: \"http://127.0.0.1:4318\"}\n")
	r.look(t.Context(), calm, log, own)
	require.Empty(t, r.warnings())

	remote := load("notifiers: [{name: hook, type: webhook, url: \"https://192.0.2.7/hook\"}]\ntracing: {endpoint: \"http://192.0.2.8:4318\"}\n")
	for range 2 {
		r.look(t.Context(), remote, log, own)
	}
	require.Equal(t, []string{"recoveryd.service keeps recoveryd from notifier hook (its address: IPAddressDeny=), tracing.endpoint (192.0.2.8: IPAddressDeny=). " +
		"To mend it: recoveryd setup --apply && systemctl restart recoveryd.service"}, r.warnings())
	require.Equal(t, 1, logs.FilterLevelExact(zap.WarnLevel).Len(), "it is said once")
	require.Equal(t, setup.Mend, logs.FilterLevelExact(zap.WarnLevel).All()[0].ContextMap()["mend"])

	r.look(t.Context(), remote, log, func(context.Context) (setup.Sandbox, error) { return setup.Sandbox{}, host.ErrNoService })
	require.Len(t, r.warnings(), 1, "what cannot be told changes nothing")
	unit.Allow = unit.Deny
	r.look(t.Context(), remote, log, own)
	require.Empty(t, r.warnings())
}
