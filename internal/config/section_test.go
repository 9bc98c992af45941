package config

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// wire is a part that several notifiers share.
type wire struct {
	Timeout time.Duration `yaml:"timeout"`
	CAFile  string        `yaml:"ca_file"`
}

// pager is what a notifier's own struct looks like: plain fields and yaml tags, and nothing from
// this package.
type pager struct {
	Key      string            `yaml:"key" secret:"true"`
	Keys     []named           `yaml:"keys"`
	Channel  string            `yaml:"channel"`
	Changes  *bool             `yaml:"changes"`
	Retries  int               `yaml:"retries"`
	Weight   float64           `yaml:"weight"`
	Port     uint16            `yaml:"port"`
	To       []string          `yaml:"to"`
	Labels   map[string]string `yaml:"labels"`
	Relay    netip.Addr        `yaml:"relay"`
	Kept     string            `yaml:"kept"`
	Anything any               `yaml:"anything"`
	HTTP     wire              `yaml:"http"`
	More     *wire             `yaml:"more"`
	Inlined  `yaml:",inline"`
}

type named struct {
	Name string `yaml:"name"`
	Key  string `yaml:"key" secret:"true"`
}

// Inlined is embedded, so its keys stand among those of the struct.
type Inlined struct {
	Quiet bool `yaml:"quiet"`
}

func notifier(t *testing.T, keys string) Notifier {
	t.Helper()
	calm(t)
	c, err := Parse("f.yaml", []byte("version: 1\ntargets: [{name: a, kind: plain, platform: none, check: {type: tcp, address: \"127.0.0.1:1\"}}]\n"+
		"notifiers:\n  - name: pd\n    type: pagerduty\n"+keys), known())
	require.NoError(t, err)
	return c.Notifiers[0]
}

func TestNotifierReadsItsOwnKeys(t *testing.T) {
	path := secretAt(t, canary+"\n", 0o600)
	n := notifier(t, `    key_file: `+path+`
    keys: [{name: old, key_env: RECOVERYD_TEST_KEY}, {name: new, key: hunter2}]
    channel: "#ops"
    changes: false
    retries: 3
    weight: 2
    port: 8080
    to: [a@example.org, b@example.org]
    labels: {Team: Databases, X-Y.Z: "1"}
    relay: 127.0.0.1
    anything: [1, {A: b}, null, 1.5, true]
    http: {timeout: 2d, ca_file: /etc/ssl/ca.pem}
    more: {timeout: 3s}
    quiet: true
`)
	got := pager{Kept: "default"}
	require.NoError(t, n.Decode(&got))
	require.Equal(t, pager{
		Key: canary, Keys: []named{{"old", canary}, {"new", canary}}, Channel: "#ops", Changes: new(false), Retries: 3, Weight: 2, Port: 8080,
		To: []string{"a@example.org", "b@example.org"}, Labels: map[string]string{"Team": "Databases", "X-Y.Z": "1"},
		Relay: netip.MustParseAddr("127.0.0.1"), Kept: "default", Anything: []any{uint64(1), map[string]any{"A": "b"}, nil, 1.5, true},
		HTTP: wire{48 * time.Hour, "/etc/ssl/ca.pem"}, More: &wire{Timeout: 3 * time.Second}, Inlined: Inlined{true},
	}, got)
}

func TestNotifierWithoutKeysKeepsItsDefaults(t *testing.T) {
	got := pager{Kept: "default", Retries: 5}
	require.NoError(t, notifier(t, "").Decode(&got))
	require.Equal(t, pager{Kept: "default", Retries: 5}, got)
	require.NoError(t, Notifier{}.Decode(&got), "the zero value has no keys")
}

func TestNotifierMistakesHavePlaces(t *testing.T) {
	n := notifier(t, `    kee: x
    keys: {}
    retries: many
    port: 70000
    http: {timout: 5s, timeout: 5}
    key: hunter2
    key_env: RECOVERYD_TEST_KEY
    relay: hunter2
    labels: [hunter2]
    channel: [hunter2]
`)
	var got pager
	err := n.Decode(&got)
	_, ok := errors.AsType[*strictyaml.ProblemsError](err)
	require.True(t, ok)
	require.Equal(t, `f.yaml:6:5: notifiers[pd].kee: unknown key; did you mean "key"?
f.yaml:7:11: notifiers[pd].keys: is of the wrong type (got a mapping, want a list); write [one, two], or one item a line after a hyphen
f.yaml:8:14: notifiers[pd].retries: is of the wrong type (got text, want a whole number)
f.yaml:9:11: notifiers[pd].port: cannot be read (got 70000, want a smaller whole number)
f.yaml:10:12: notifiers[pd].http.timout: unknown key; did you mean "timeout"?
f.yaml:10:33: notifiers[pd].http.timeout: has no unit (got 5, want a duration such as 500ms, 30s, 1h30m or 2d); write 5s for seconds
f.yaml:12:14: notifiers[pd].key: is given twice, also as key_env; keep one of them
f.yaml:13:12: notifiers[pd].relay: cannot be read (got text)
f.yaml:14:13: notifiers[pd].labels: is of the wrong type (got a list, want a mapping)
f.yaml:15:14: notifiers[pd].channel: is of the wrong type (got a list, want text); write one text, without brackets or hyphens`, err.Error())
	require.Equal(t, pager{}, got, "nothing is filled in after a mistake")
}

func TestNotifierSecretThatCannotBeHadIsAProblem(t *testing.T) {
	var got pager
	err := notifier(t, "    key_file: /nonexistent/key\n").Decode(&got)
	require.EqualError(t, err, "f.yaml:6:15: notifiers[pd].key_file: secret file /nonexistent/key does not exist; create it with mode 0640, group recoveryd")
}

func TestNotifierSecretInTheFileIsARisk(t *testing.T) {
	var got pager
	warnings, err := notifier(t, "    key: hunter2\n    channel: \"#ops\"\n").Section.DecodeWarn(&got)
	require.NoError(t, err)
	require.Equal(t, "f.yaml:6:10: notifiers[pd].key: a secret stands in this file; put it into a file of its own and name that with key_file\n", lines(warnings))
}

func TestNotifierMayReportWhatItFindsItself(t *testing.T) {
	s := notifier(t, "    key: short\n").Section
	require.True(t, s.Has("key"))
	require.False(t, s.Has("name"), "name and type are not the notifier's own")
	require.Equal(t, "f.yaml:6:10: notifiers[pd].key: must have 32 characters", s.Problem("key", "must have 32 characters").String())
	require.Equal(t, "f.yaml:4:5: notifiers[pd].channel: is missing", s.Problem("channel", "is missing").String())
	require.Equal(t, "f.yaml:4:5: notifiers[pd]: is odd", s.Problem("", "is odd").String())
}

func TestDecodeRefusesWhatIsNoStruct(t *testing.T) {
	n := notifier(t, "    key: a\n")
	var text string
	for _, into := range []any{nil, pager{}, &text} {
		require.ErrorContains(t, n.Decode(into), "want a pointer to a struct")
	}
	var odd struct {
		Key chan int `yaml:"key"`
	}
	require.ErrorContains(t, n.Decode(&odd), "cannot be configured")
}

func TestWhatTheStructDoesNotHaveIsRefusedOnceMore(t *testing.T) {
	_, err := decode([]byte("x"), func([]byte) (map[string]any, error) { return map[string]any{"colour": "red"}, nil })
	require.ErrorContains(t, err, "colour")
}
