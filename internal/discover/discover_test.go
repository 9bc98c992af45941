package discover

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

var update = flag.Bool("update", false, "write the golden files anew")

// full is a host with one of everything, and with names that need care.
func full() Found {
	return Found{Host: "db1", When: "2026-11-22",
		Clusters: []Cluster{
			{Name: "postgresql-15-main", Unit: "postgresql@15-main.service", Port: 5432, Socket: "/run/postgresql", DataDir: "/var/lib/postgresql/15/main", Running: true},
			{Name: "postgresql-16-new", Unit: "postgresql@16-new.service", Port: 5433, Socket: "/tmp"}},
		Plain: []Plain{{Name: "redis-server", Unit: "redis-server.service", Type: "redis", Port: 6379}, {Name: "ollama", Unit: "ollama.service", Type: "ollama", Port: 11434}},
		Services: []Service{
			{Unit: "codebase-mcp.service", Why: "an MCP server by the name of its unit", URL: "http://127.0.0.1:8000/health/status", Says: "healthy, a pool of at most 30 connections", Pool: true,
				Ports: []int{8000, 9000}, Needs: []string{"postgresql-15-main", "ollama"}, MemoryMax: 512 << 20},
			{Unit: `web\x2dmcp.service`, Why: "an MCP server by its command", URL: "http://127.0.0.1:8002/mcp", MCP: true, Says: "degraded", Ports: []int{8002}},
			{Unit: "silent-mcp.service", Why: "an MCP server by its description", Ports: []int{8003, 8004}}},
		Others: []Other{{Unit: "nginx.service", Ports: []int{80, 443}}},
		Notes:  []string{"init was not started as root: it could not see which service listens where."}}
}

func TestWhatWasFoundBecomesAValidConfigurationThatTouchesNothing(t *testing.T) {
	text, err := full().Config()
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile("testdata/full.golden.yaml", []byte(text), 0o644))
	}
	want, err := os.ReadFile("testdata/full.golden.yaml")
	require.NoError(t, err)
	require.Equal(t, string(want), text)
	known := app.Known()
	known.WithoutSecrets = true
	c, err := config.Parse("recoveryd.yaml", []byte(text), known)
	require.NoError(t, err)
	require.NoError(t, app.CheckParts(c))
	require.Len(t, c.Targets, 6)
	for _, x := range c.Targets {
		require.Equal(t, config.Observe, x.Mode)
	}
	web, ok := c.Target("web-x2dmcp")
	require.True(t, ok)
	require.Equal(t, `web\x2dmcp.service`, web.Object)
}

func TestNothingIsWrittenWhereNothingIsUnderstood(t *testing.T) {
	for _, f := range []Found{{}, {Others: full().Others}, {Services: full().Services[2:]}} {
		_, err := f.Config()
		require.ErrorIs(t, err, ErrNothing)
	}
}

func TestAProcessBelongsToTheServiceOfItsControlGroup(t *testing.T) {
	for _, c := range []struct{ name, groups, want string }{
		{"cgroup v2", "0::/system.slice/web.service\n", "web.service"},
		{"a template in a slice of its own", "0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n", "postgresql@15-main.service"},
		{"cgroup v1 and v2", "4:memory:/\n1:name=systemd:/system.slice/web.service\n0::/\n", "web.service"},
		{"a sub-group of the service", "0::/system.slice/web.service/worker\n", "web.service"},
		{"a person's own service", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n", ""},
		{"a session", "0::/user.slice/user-1000.slice/session-1.scope\n", ""},
		{"nothing", "", ""},
	} {
		require.Equal(t, c.want, serviceOf(c.groups), c.name)
	}
}

func TestSocketsAndTheirOwnersAreFoundInProc(t *testing.T) {
	root := t.TempDir()
	put := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	put("proc/net/tcp", `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1
   1: 0500000A:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1
   2: 0100007F:9C40 0100007F:1538 01 00000000:00000000 00:00000000 00000000     0        0 103 1
   3: 0100007F:9C41 0100007F:1538 06 00000000:00000000 00:00000000 00000000     0        0 0 1
`)
	put("proc/net/tcp6", `  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:1F42 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 104 1
   1: 00000000000000000000000001000000:1F43 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 105 1
`)
	put("proc/42/cgroup", "0::/system.slice/web.service\n")
	put("proc/42/comm", "python3\n")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc/42/fd"), 0o755))
	for i, inode := range []string{"101", "102", "103", "104", "105"} {
		require.NoError(t, os.Symlink("socket:["+inode+"]", filepath.Join(root, "proc/42/fd", string(rune('3'+i)))))
	}
	table, err := processes(root)
	require.NoError(t, err)
	socks, err := sockets(root)
	require.NoError(t, err)
	l := looker{table: table, socks: socks}
	require.Equal(t, []int{8000, 8002, 8003}, l.listens("web.service"), "not what listens on another address: 127.0.0.1 does not reach that")
	require.True(t, l.connected("web.service", 5432))
	require.False(t, l.connected("web.service", 6379))
	require.True(t, l.runs("web.service", "python3"))
	require.Empty(t, l.listens("other.service"))
}

func TestMCPServersAreRecognisedByTheWord(t *testing.T) {
	for _, c := range []struct {
		unit, description, command string
		want                       bool
	}{
		{"codebase-mcp.service", "", "", true},
		{"codebase_mcp.service", "", "", true},
		{"web.service", "MCP server of the docs", "", true},
		{"web.service", "", "[/usr/bin/python3 -m mcp.server]", true},
		{"smcpd.service", "multicast routing", "/usr/sbin/smcpd", false},
		{"nginx.service", "web server", "/usr/sbin/nginx", false},
	} {
		got := soundsLikeMCP(sd.UnitStatus{Name: c.unit, Description: c.description}, map[string]any{"ExecStart": [][]any{{"/x", c.command}}})
		require.Equal(t, c.want, got != "", "%+v: %s", c, got)
	}
}

func TestOnlyAHealthReplyCounts(t *testing.T) {
	var s Service
	require.False(t, s.told(detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeReply)}), "a page without a status")
	require.False(t, s.told(detect.Facts{detect.HTTPOutcome: detect.Word("refused"), detect.HealthStatus: detect.Word("healthy")}))
	require.True(t, s.told(detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeReply), detect.HealthStatus: detect.Word("degraded"), detect.PoolMax: detect.Num(30)}))
	require.Equal(t, "degraded, a pool of at most 30 connections", s.Says)
	require.True(t, s.Pool)
}
