package evidence

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSecretsOfEveryFormAreHidden(t *testing.T) {
	const canary = "s3cr3t-Canary/9"
	for _, c := range []struct{ name, text, want string }{
		{"a password in a URL", "connect to postgres://mcp:s3cr3t-Canary/9@db:5432/x failed", "connect to postgres://<secret>@db:5432/x failed"},
		{"a variable of libpq", "PGPASSWORD=s3cr3t-Canary/9 psql -h db", "PGPASSWORD=<secret> psql -h db"},
		{"a keyword of a DSN", "host=db password='s3cr3t-Canary/9 x' user=mcp", "host=db password=<secret> user=mcp"},
		{"a keyword that was cut off", "host=db password='s3cr3t-Canary/9", "host=db password=<secret>"},
		{"a header", "> Authorization: Bearer s3cr3t-Canary/9\n> Host: x", "> Authorization: <secret>\n> Host: x"},
		{"a header in JSON", `{"headers":{"authorization":"Basic s3cr3t-Canary/9","host":"x"}}`, `{"headers":{"authorization":<secret>,"host":"x"}}`},
		{"a cookie", "Set-Cookie: sid=s3cr3t-Canary/9; Path=/", "Set-Cookie: <secret>"},
		{"JSON", `{"api_key": "s3cr3t-Canary/9", "n": 1}`, `{"api_key": <secret>, "n": 1}`},
		{"JSON in a string of JSON", `{"msg":"{\"db_password\":\"s3cr3t-Canary/9\"}"}`, `{"msg":"{\"db_password\":<secret>}"}`},
		{"a flag", "server --port 80 --auth-token s3cr3t-Canary/9 --verbose", "server --port 80 --auth-token <secret> --verbose"},
		{"a flag with an equals sign", "server --password=s3cr3t-Canary/9 -v", "server --password=<secret> -v"},
		{"SQL", "ALTER ROLE mcp PASSWORD 's3cr3t-Canary/9';", "ALTER ROLE mcp PASSWORD <secret>;"},
		{"YAML", "client_secret: s3cr3t-Canary/9\nport: 1", "client_secret: <secret>\nport: 1"},
		{"a bearer without a header", `curl -H "bearer s3cr3t-Canary/9"`, `curl -H "bearer <secret>"`},
		{"a web token", "token is eyJhbGciOiJI.eyJzdWIiOiIx.s3cr3t-Canary", "token is <secret>"},
		{"a private key", "x\n-----BEGIN RSA PRIVATE KEY-----\ns3cr3t-Canary/9\n-----END RSA PRIVATE KEY-----\ny", "x\n<secret>\ny"},
		{"a private key that was cut off", "x\n-----BEGIN PRIVATE KEY-----\ns3cr3t-Canary/9", "x\n<secret>"},
		{"a Slack hook", "POST https://hooks.slack.com/services/T0/B0/s3cr3t-Canary/9", "POST https://hooks.slack.com/<secret>"},
		{"what is no secret", "pool 95 % full, keys: 12 tokens, GET /health 503, user=mcp", "pool 95 % full, keys: 12 tokens, GET /health 503, user=mcp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Redactor{}.Text(c.text)
			require.Equal(t, c.want, got)
			require.NotContains(t, got, canary)
			require.Equal(t, got, Redactor{}.Text(got), "a text without secrets stays as it is")
		})
	}
}

func TestKnownSecretsAreHiddenHoweverTheyAreWritten(t *testing.T) {
	r := NewRedactor([]string{`pä"ss w/rd`, "postgres://u:inner-Pass@db/x", "host=db password='it''s' user=x", "tokenOfAlice1,tokenOfBobby22", "abc"})
	for _, text := range []string{`pä"ss w/rd`, `p\u00e4`[:1] + "", url.QueryEscape(`pä"ss w/rd`), url.PathEscape(`pä"ss w/rd`), "inner-Pass", "tokenOfBobby22"} {
		if len(text) > 3 {
			require.Equal(t, "x "+masked+" y", r.Text("x "+text+" y"))
		}
	}
	quoted, err := json.Marshal(`pä"ss w/rd`)
	require.NoError(t, err)
	require.Equal(t, `"`+masked+`"`, r.Text(string(quoted)))
	require.Equal(t, "abc stays: it is too short to be searched for", r.Text("abc stays: it is too short to be searched for"))
}

func TestASecretThatIsCutAtTheEndIsHiddenToo(t *testing.T) {
	r := NewRedactor([]string{"correct-horse-battery"})
	require.Equal(t, "SELECT "+masked, r.Ended("SELECT correct-horse-b"))
	require.Equal(t, "SELECT corre", r.Ended("SELECT corre"), "too short to be told from a word")
	require.Equal(t, "SELECT <secr…", r.Short("SELECT correct-horse-battery staple", 13), "cut after it was hidden")
}

// TestNoKnownSecretSurvives puts secrets at random places of random texts, cut at random ends.
func TestNoKnownSecretSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Za-z0-9/+"'=&%{}:_-]{10,40}`).Draw(t, "secret")
		around := rapid.StringMatching(`[ a-z0-9="':/@{}\n-]{0,40}`)
		text := around.Draw(t, "before") + secret + around.Draw(t, "after")
		cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
		r := NewRedactor([]string{secret})
		require.NotContains(t, r.Text(text), secret)
		ended := r.Ended(text[:cut])
		for n := minPart; n <= len(secret); n++ {
			require.False(t, strings.HasSuffix(ended, secret[:n]), "%q of %q is left at the end of %q", secret[:n], secret, ended)
		}
	})
}

func FuzzRedactor(f *testing.F) {
	for _, s := range []string{"PGPASSWORD=x", `{"token":"a\"b"}`, "postgres://u:p@h/d?password=q", "-----BEGIN PRIVATE KEY-----", "Authorization: Basic eA==", "password 'a''b'"} {
		f.Add(s, "a-known-secret")
	}
	f.Fuzz(func(t *testing.T, text, secret string) {
		r := NewRedactor([]string{secret})
		out := r.Text(text)
		if s := strings.TrimSpace(secret); len(s) >= minSecret && !strings.Contains(masked, s) {
			// Hiding one thing may join what stood around it to a new occurrence only when the secret
			// itself contains the mask's signs.
			if !strings.ContainsAny(s, "<>") {
				require.NotContains(t, out, s)
			}
		}
		_ = r.Ended(text)
		require.LessOrEqual(t, len([]rune(r.Short(text, 80))), 80)
	})
}
