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
		{"a sentence", "the password is 's3cr3t-Canary/9', he said", "the password is <secret>, he said"},
		{"a sentence without quotes", "password is s3cr3t-Canary/9 for mcp", "password is <secret> for mcp"},
		{"a sentence in the past", `Password was "s3cr3t-Canary/9".`, "Password was <secret>."},
		{"a login", "login as mcp with password s3cr3t-Canary/9 failed", "login as mcp with password <secret> failed"},
		{"a login with a word", "connecting with password swordfish", "connecting with password <secret>"},
		{"a token in a sentence", "using token s3cr3t-Canary/9 for api", "using token <secret> for api"},
		{"a shared access signature", "GET /c/x.bak?sv=2024&sig=s3cr3t-Canary/9&se=1 403", "GET /c/x.bak?sv=2024&sig=<secret>&se=1 403"},
		{"a presigned address", "https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Credential=s3cr3t-Canary/9&X-Amz-Signature=s3cr3t-Canary/9", "https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Credential=<secret>&X-Amz-Signature=<secret>"},
		{"an option of mysql", "mysqldump -uroot -ps3cr3t-Canary/9 shop", "mysqldump -uroot -p<secret> shop"},
		{"an option of anything", "tool -h db -ps3cr3t-Canary/9 -v", "tool -h db -p<secret> -v"},
		{"an option of curl", "curl -s -u admin:s3cr3t-Canary/9 http://x/", "curl -s -u admin:<secret> http://x/"},
		{"an option of redis", "redis-cli -h r -a s3cr3t-Canary/9 PING", "redis-cli -h r -a <secret> PING"},
		{"a setting of redis", "requirepass s3cr3t-Canary/9", "requirepass <secret>"},
		{"SQL of MySQL", "CREATE USER a IDENTIFIED BY 's3cr3t-Canary/9'", "CREATE USER a IDENTIFIED BY <secret>"},
		{"a data source of Go", "root:s3cr3t-Canary#9@tcp(10.0.0.1:3306)/shop", "root:<secret>@tcp(10.0.0.1:3306)/shop"},
		{"a connection string of Azure", "AccountName=a;AccountKey=s3cr3t-Canary/9==;EndpointSuffix=x", "AccountName=a;AccountKey=<secret>;EndpointSuffix=x"},
		{"a connection string of ADO", "Server=db;User Id=a;Password=s3cr3t-Canary/9;Encrypt=yes", "Server=db;User Id=a;Password=<secret>;Encrypt=yes"},
		{"a block of YAML", "db_password: |\n  s3cr3t-Canary/9\nport: 1", "db_password: |\n  <secret>\nport: 1"},
		{"a private key whose beginning is cut off", "MIIEvQIBADANBgkqhkiG9w0s3cr3t\nBAQEFAASCBKcwggSjs3cr3t+/x==\n-----END PRIVATE KEY-----\ny", "<secret>\ny"},
		{"a key of AWS", "id ASIAIOSFODNN7EXAMPLE used", "id <secret> used"},
		{"a key of Stripe", "key sk_live_s3cr3tCanary9xx", "key <secret>"},
		{"what programs say of passwords", `FATAL: password authentication failed for user "mcp"`, `FATAL: password authentication failed for user "mcp"`},
		{"what MySQL says of passwords", "Access denied for user 'a'@'h' (using password: YES)", "Access denied for user 'a'@'h' (using password: YES)"},
		{"that a password is wrong", "the password is wrong; password was rejected; password is not set; token is expired; the secret is missing", "the password is wrong; password was rejected; password is not set; token is expired; the secret is missing"},
		{"how somebody logs in", "with password authentication, using password hashing, with token refresh, via credentials helper", "with password authentication, using password hashing, with token refresh, via credentials helper"},
		{"other options", "mkdir -p /var/x; cc -pthread; ssh -p 22 h; ps -p1234; docker run -p8080:80 -p 127.0.0.1:1:1/tcp i; tar -pxf a.tar; cp -pr a b", "mkdir -p /var/x; cc -pthread; ssh -p 22 h; ps -p1234; docker run -p8080:80 -p 127.0.0.1:1:1/tcp i; tar -pxf a.tar; cp -pr a b"},
		{"addresses", "GET /health?key=orders&code=500&page=2 http://10.0.0.1:80/x?state=open", "GET /health?key=orders&code=500&page=2 http://10.0.0.1:80/x?state=open"},
		{"sums and numbers", "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 pid=12 at 2026-03-01T02:10:00Z basic health check", "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 pid=12 at 2026-03-01T02:10:00Z basic health check"},
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
