package config

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// outside is somebody else's struct: fmt reads its unexported fields without asking Secret.
type outside struct {
	Public  strictyaml.Secret
	private strictyaml.Secret
	Pointer *strictyaml.Secret
	List    []strictyaml.Secret
	Map     map[string]strictyaml.Secret
}

func zapped(t *testing.T, encoder zapcore.Encoder, fields ...zap.Field) string {
	t.Helper()
	var b bytes.Buffer
	zap.New(zapcore.NewCore(encoder, zapcore.AddSync(&b), zap.DebugLevel)).Info("message", fields...)
	return b.String()
}

// printed is a value in every way that this program, its libraries and a careless debug line have
// of writing one down.
func printed(t *testing.T, v any) map[string]string {
	t.Helper()
	out := map[string]string{"print": fmt.Sprint(v), "error": fmt.Errorf("dial %v: %w", v, errors.New("refused")).Error()}
	for _, verb := range strings.Split("v,+v,#v,s,q,x,X,d,t,T,p,b,o,c,U,e,g,10s,-10v,.3s", ",") {
		out["%"+verb] = fmt.Sprintf("%"+verb, v)
	}
	if b, err := json.Marshal(v); err == nil {
		out["json"] = string(b)
	}
	if b, err := yaml.Marshal(v); err == nil {
		out["yaml"] = string(b)
	}
	if b, err := xml.Marshal(v); err == nil {
		out["xml"] = string(b)
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v); err == nil {
		out["gob"] = b.String()
	}
	b.Reset()
	require.NoError(t, template.Must(template.New("").Parse("{{.}} {{printf `%v` .}}")).Execute(&b, v))
	out["template"] = b.String()
	b.Reset()
	slog.New(slog.NewJSONHandler(&b, nil)).Info("message", "value", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("message", "value", v)
	out["slog"] = b.String()
	production, console := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig())
	out["zap json"] = zapped(t, production, zap.Any("any", v), zap.Reflect("reflect", v))
	out["zap console"] = zapped(t, console, zap.Any("any", v), zap.Reflect("reflect", v))
	return out
}

func TestSecretPrintsAsSecret(t *testing.T) {
	s := strictyaml.NewSecret(canary)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		require.Equal(t, "<secret>", fmt.Sprintf(verb, s), verb)
	}
	b, err := json.Marshal(map[string]strictyaml.Secret{"dsn": s})
	require.NoError(t, err)
	require.JSONEq(t, `{"dsn": "<secret>"}`, string(b))
	y, err := yaml.Marshal(map[string]strictyaml.Secret{"dsn": s})
	require.NoError(t, err)
	require.Equal(t, "dsn: <secret>\n", string(y))
	require.Contains(t, zapped(t, zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zap.Any("dsn", s)), `"dsn":"<secret>"`)
}

func TestSecretLeaksInNoWayOfPrinting(t *testing.T) {
	s := strictyaml.NewSecret(canary)
	values := map[string]any{
		"the secret itself":            s,
		"a pointer to it":              &s,
		"a struct that has it":         outside{s, s, &s, []strictyaml.Secret{s}, map[string]strictyaml.Secret{"k": s}},
		"a pointer to that struct":     &outside{s, s, &s, []strictyaml.Secret{s}, map[string]strictyaml.Secret{"k": s}},
		"a list of such structs":       []outside{{private: s}},
		"an interface that holds it":   []any{s, &s},
		"a target with its connection": Target{Postgres: &Postgres{DSN: s}, Own: &programKeys{Env: []Variable{{"A", s}}}},
	}
	for what, v := range values {
		for way, text := range printed(t, v) {
			require.NotContains(t, text, canary, "%s, printed by %s", what, way)
			require.NotContains(t, text, fmt.Sprintf("%x", canary), "%s, printed by %s", what, way)
		}
	}
}

func TestRevealIsTheWayOut(t *testing.T) {
	s := strictyaml.NewSecret(canary)
	require.Equal(t, canary, s.Reveal())
	require.True(t, s.IsSet())
	require.True(t, s.Equal(strictyaml.NewSecret(canary)))
	require.False(t, s.Equal(strictyaml.NewSecret("other")))

	var none strictyaml.Secret
	require.Empty(t, none.Reveal())
	require.False(t, none.IsSet())
	require.Empty(t, none.String(), "an unset secret shows that it is not set")
	require.Empty(t, none.Source())
}

// secretive has a secret at every key that takes one, written into the file itself.
const secretive = `version: 1
targets:
  - name: db
    kind: postgres
    unit: postgresql@15-main.service
    postgres: {dsn: "host=/run/postgresql password=hunter2"}
  - name: web
    kind: service
    platform: process
    command: [/usr/bin/web]
    env: [{name: TOKEN, value: hunter2}]
    health: [{url: "http://127.0.0.1/", bearer_token: hunter2, headers: [{name: X-Key, value: hunter2}]}]
    synthetic: [{name: s, url: "http://127.0.0.1/", bearer_token: hunter2}]
  - {name: r, kind: plain, platform: none, check: {type: redis, address: "127.0.0.1:6379", password: hunter2}}
notifiers:
  - {name: pd, type: pagerduty, routing_key: hunter2, nested: {list: [hunter2, {deep: hunter2}]}, number: 7}
`

// TestConfigLeaksNoSecret proves that a whole configuration can be printed, logged and dumped.
func TestConfigLeaksNoSecret(t *testing.T) {
	calm(t)
	c, err := Parse("secretive.yaml", []byte(secretive), known())
	require.NoError(t, err)
	require.Contains(t, c.Targets[0].Postgres.DSN.Reveal(), canary, "the secret is there")
	for _, v := range []any{c, *c, c.Targets, c.Notifiers, c.Notifiers[0].Section} {
		for way, text := range printed(t, v) {
			require.NotContains(t, text, canary, "printed by %s", way)
		}
	}
	dump := c.Redacted()
	require.NotContains(t, dump, canary)
	require.Contains(t, dump, "dsn: <secret>")
	require.Contains(t, dump, "routing_key: <hidden>")
	require.NotContains(t, lines(c.Warnings), canary)
	require.NotEmpty(t, c.Warnings)
}

// TestNoMistakeShowsTheSecret proves that whatever is wrong with a file, the message does not
// quote a secret: not when the key is misspelt, the type is wrong, or the line is not YAML.
func TestNoMistakeShowsTheSecret(t *testing.T) {
	calm(t)
	for what, change := range map[string][2]string{
		"the key is misspelt":                 {"dsn:", "dns:"},
		"the secret is a list":                {`"host=/run/postgresql password=hunter2"`, "[hunter2]"},
		"the secret is a mapping":             {`"host=/run/postgresql password=hunter2"`, "{hunter2: hunter2}"},
		"the secret is no connection string":  {`"host=/run/postgresql password=hunter2"`, "hunter2"},
		"the secret stands at its file":       {"dsn:", "dsn_file:"},
		"the secret stands at its variable":   {"password: hunter2", "password_env: hunter2"},
		"the quote is not closed":             {`password=hunter2"`, "password=hunter2"},
		"the bracket is not closed":           {`password=hunter2"}`, `password=hunter2"`},
		"the secret is given twice":           {"bearer_token: hunter2", "bearer_token: hunter2, bearer_token_env: A"},
		"the same key is given twice":         {"bearer_token: hunter2", "bearer_token: hunter2, bearer_token: hunter2"},
		"the header has two lines":            {"value: hunter2}]}]", `value: "hunter2\nhunter2"}]}]`},
		"a tab is in the indentation":         {"    kind: service", "\tkind: hunter2"},
		"a line is missing its colon":         {"    kind: service", "    hunter2"},
		"the check has no use for a password": {"type: redis", "type: tcp"},
	} {
		t.Run(what, func(t *testing.T) {
			text := strings.Replace(secretive, change[0], change[1], 1)
			require.NotEqual(t, secretive, text)
			_, err := Parse("secretive.yaml", []byte(text), known())
			pe, ok := errors.AsType[*strictyaml.ProblemsError](err)
			require.True(t, ok, "want problems, got %v", err)
			shown := err.Error() + lines(pe.Warnings) + fmt.Sprintf("%+v %#v", pe, pe)
			if what == "the secret is a mapping" || what == "a line is missing its colon" {
				return // there the word is a key, or part of one, and keys are shown
			}
			require.NotContains(t, shown, canary)
		})
	}
}
