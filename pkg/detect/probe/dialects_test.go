package probe

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

func TestEveryDialectIsReadAsItsExampleSays(t *testing.T) {
	for _, d := range Dialects() {
		t.Run(d.Name, func(t *testing.T) {
			require.True(t, strings.HasPrefix(d.Source, "https://"))
			f := ReadHealth(Reply{Status: 200, Body: []byte(d.Example)})
			checkFacts(t, f)
			got := f.Text(detect.HealthStatus)
			if got == string(StateHealthy) && f.Text(detect.HealthParts) != "" {
				got = string(StateDegraded) // as a contradiction is judged
			}
			require.Equal(t, string(d.Says), got, "%v", f)
			for state, words := range map[State][]string{StateHealthy: d.Healthy, StateDegraded: d.Degraded, StateUnhealthy: d.Unhealthy} {
				for _, w := range words {
					require.Equal(t, w, plainWord(w), "the table holds words in their plain form")
					for _, body := range []string{`{"status":"` + w + `"}`, `{"Status":"` + strings.ToUpper(strings.ReplaceAll(w, " ", "_")) + `"}`, w + ".\n"} {
						f := ReadHealth(Reply{Status: 200, Body: []byte(body)})
						require.Equal(t, string(state), f.Text(detect.HealthStatus), "%s: %v", body, f)
					}
				}
			}
		})
	}
}

// TestWhatIsNoWordForHealth: what nobody knows is not healthy, and what a page or a program says about something
// else is no verdict.
func TestWhatIsNoWordForHealth(t *testing.T) {
	for body, want := range map[string]string{
		"Hello World": "garbage", "Welcome to nginx!": "garbage", "v1.2.3": "garbage", "[]": "garbage", "null": "garbage", "0": "0",
		`{"message":"Hello World"}`: "garbage", `{"status":"purple"}`: "purple", `{"status":0}`: "0", `{"status":"UNKNOWN"}`: "UNKNOWN",
		`{"data":{"user":{"name":"x","status":"active"}}}`: "garbage", "# HELP up\nup 1\n": "garbage", "ok\n<html>": "garbage",
		"The server is not running": "unhealthy", "Ollama is running": "healthy", "OK, but the database is down": "degraded",
		"Ingester not ready: waiting for 15s after being ready": "unhealthy", `{"error":{"code":503,"message":"Loading model"}}`: "garbage",
	} {
		assert.Equal(t, want, says(Reply{Body: []byte(body)}), body)
	}
	for body, want := range map[string]string{
		"upstream connect error or disconnect/reset before headers": "gateway", "no available server": "gateway", "error code: 521": "gateway",
		"<html><body>ok</body></html>": "gateway", `{"status":503,"error":"Service Unavailable"}`: "http-error", "Unhealthy": "unhealthy",
		`{"status":"error","error":{"database":{"status":"down"}}}`: "unhealthy | parts error.database down", "[-]etcd failed\nhealthz check failed": "unhealthy | parts checks.etcd failed",
		`{"initialized":true,"sealed":true,"standby":true}`: "unhealthy",
	} {
		got := says(Reply{Status: 503, Body: []byte(body)})
		assert.True(t, strings.HasPrefix(got, want), "%s: %s", body, got)
	}
	require.Equal(t, "http-error", says(Reply{Status: 406, Body: []byte(`{"status":"error","message":"Not Acceptable"}`)}), "of the request")
	require.Equal(t, "limited", says(Reply{Status: 429, Body: []byte(`{"status":"healthy"}`)}))
	require.Equal(t, "healthy", says(Reply{Status: 429, Body: []byte(`{"initialized":true,"sealed":false,"standby":true}`)}), "a standby of Vault")
	require.Equal(t, "healthy", says(Reply{Status: 200, NoBody: true}), "the server says that it has no body")
	require.Equal(t, "garbage", says(Reply{Status: 200}), "a body that ends with the connection before it began may be a crash")
	require.Equal(t, "healthy", says(Reply{Status: 204}))
	require.Equal(t, "gateway", says(Reply{Status: 503, NoBody: true}))
}

// TestAWordMeansOneThing: a word with two meanings would depend on the order of the table.
func TestAWordMeansOneThing(t *testing.T) {
	means := map[string]State{}
	for _, d := range Dialects() {
		for state, words := range map[State][]string{StateHealthy: d.Healthy, StateDegraded: d.Degraded, StateUnhealthy: d.Unhealthy, stateNeutral: d.Neutral} {
			for _, w := range words {
				old, known := means[w]
				require.True(t, !known || old == state, "%q is %s and, in %s, %s", w, old, d.Name, state)
				means[w] = state
			}
		}
	}
}

// says renders what a body says: the verdict, and the parts that contradict it.
func says(r Reply) string {
	if r.Status == 0 {
		r.Status = 200
	}
	f := ReadHealth(r)
	s := f.Text(detect.HealthStatus)
	if f.Text(detect.HTTPOutcome) != detect.OutcomeReply {
		s = f.Text(detect.HTTPOutcome)
	}
	for name, mark := range map[string]string{detect.HealthParts: "parts", detect.HealthRequired: "required", detect.HealthIgnored: "ignored"} {
		if p := f.Text(name); p != "" {
			s += " | " + mark + " " + p
		}
		if why := f[name].Err; why != "" {
			s += " | " + mark + " ! " + why
		}
	}
	return s
}

// TestWhichPartsCountAsBad is the rule of what contradicts a good word, both ways.
func TestWhichPartsCountAsBad(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		// what is bad
		{`{"status":"ok","database":"disconnected"}`, "healthy | parts database disconnected"},
		{`{"status":"ok","db":"unreachable"}`, "healthy | parts db unreachable"},
		{`{"status":"ok","database":false}`, "healthy | parts database false"},
		{`{"status":"ok","redis":{"connected":false}}`, "healthy | parts redis false"},
		{`{"status":"ok","db_connected":false}`, "healthy | parts db_connected false"},
		{`{"status":"ok","isDatabaseConnected":false}`, "healthy | parts isDatabaseConnected false"},
		{`{"status":"ok","redis_status":"error"}`, "healthy | parts redis_status error"},
		{`{"status":"ok","checks":{"db":false,"cache":true}}`, "healthy | parts checks.db false"},
		{`{"status":"ok","services":[{"name":"api","status":"up"},{"name":"db","status":"down"}]}`, "healthy | parts services.db down"},
		{`{"status":"ok","dependencies":{"s3":{"healthy":false,"message":"403"}}}`, "healthy | parts dependencies.s3 false (403)"},
		{`{"status":"ok","checks":{"db":"connection refused"}}`, "healthy | parts checks.db connection refused"},
		{`{"status":"ok","database":"Error: connect ECONNREFUSED 127.0.0.1:5432"}`, "healthy | parts database Error: connect ECONNREFUSED 127.0.0.1:5…"},
		{`{"status":"UP","components":{"db":{"status":"UP","components":{"a":{"status":"UP"},"b":{"status":"DOWN"}}}}}`, "healthy | parts components.db.components.b DOWN"},
		{`{"status":"pass","checks":{"pg:connections":[{"status":"fail","output":"full"}]}}`, "healthy | parts checks.pg:connections fail (full)"},
		{`{"status":"healthy","alive":true,"ready":false}`, "healthy | parts ready false"},
		{`{"status":"ok","success":false}`, "healthy | parts success false"},
		{`{"status":"ok","error":"database is gone"}`, "healthy | parts error database is gone"},
		{`{"status":"ok","errors":["db: timeout"]}`, "healthy | parts errors db: timeout"},
		{`{"status":"ok","failures":{"mq":"refused"}}`, "healthy | parts failures.mq failed (refused)"},
		{`{"status":"ok","degraded":true}`, "healthy | parts degraded true"},
		{`{"status":"ok","maintenance":true}`, "healthy | parts maintenance true"},
		{`{"success":true,"data":{"status":"ok","database":"disconnected"}}`, "healthy | parts data.database disconnected"},
		{`{"status":"ok","data":{"database":{"status":"down"}}}`, "healthy | parts data.database down"},
		{`{"status":"ok","mailer":{"status":"down"}}`, "healthy | parts mailer down"},
		{`{"status":"ok","upstreams":{"a":{"status":503}}}`, "healthy | parts upstreams.a 503"},
		// what is not
		{`{"status":"ok","errors":0}`, "healthy"},
		{`{"status":"ok","errors":[]}`, "healthy"},
		{`{"status":"ok","errors":{}}`, "healthy"},
		{`{"status":"ok","error":null}`, "healthy"},
		{`{"status":"ok","error":""}`, "healthy"},
		{`{"status":"ok","error":"none"}`, "healthy"},
		{`{"status":"ok","error":false}`, "healthy"},
		{`{"status":"ok","error":{}}`, "healthy"},
		{`{"status":"ok","last_error":null}`, "healthy"},
		{`{"status":"ok","last_error":"timeout a week ago"}`, "healthy"},
		{`{"status":"ok","debug":false}`, "healthy"},
		{`{"status":"ok","maintenance":false}`, "healthy"},
		{`{"status":"ok","ok":true}`, "healthy"},
		{`{"status":"ok","failed":0,"down":0}`, "healthy"},
		{`{"status":"ok","database":"postgresql","cache":"redis"}`, "healthy"},
		{`{"status":"ok","database":"ok","cache":null}`, "healthy"},
		{`{"status":"ok","cache":false}`, "healthy"},
		{`{"status":"ok","auth":false,"tls":false,"registration":false}`, "healthy"},
		{`{"status":"ok","update_available":false}`, "healthy"},
		{`{"status":"ok","last_job_status":"failed"}`, "healthy"},
		{`{"status":"ok","details":{"leader":false,"cached":false,"log_level":"error"}}`, "healthy"},
		{`{"status":"ok","config":{"redis":{"enabled":false}}}`, "healthy"},
		{`{"status":"ok","redis":{"enabled":false,"connected":false}}`, "healthy"},
		{`{"status":"ok","checks":{"mail":{"status":"down","required":false}}}`, "healthy"},
		{`{"status":"ok","checks":{"mail":{"status":"fail","optional":true}}}`, "healthy"},
		{`{"status":"ok","checks":{"mail":{"status":"down","critical":false}}}`, "healthy"},
		{`{"status":"ok","checks":{"mail":"disabled","sms":"skipped","ldap":"not_configured"}}`, "healthy"},
		{`{"status":"ok","checks":{"db":{"status":"ok","timeout":false,"latency_ms":0}}}`, "healthy"},
		{`{"status":"ok","checks":{"db":{"status":"ok","message":"no errors"}}}`, "healthy"},
		{`{"status":"ok","message":"0 errors, 12 workers"}`, "healthy"},
		{`{"status":"ok","uptime":0,"requests":0}`, "healthy"},
		{`{"status":"UP","components":{"db":{"status":"UP","details":{"database":"PostgreSQL","validationQuery":"isValid()"}},"ping":{"status":"UNKNOWN"}}}`, "healthy"},
		{`{"status":"ok","database_version":"15.4","database_url":"error-tracker.local"}`, "healthy"},
		{`{"status":"ok","circuitBreaker":"CLOSED"}`, "healthy"},
	} {
		assert.Equal(t, c.want, says(Reply{Body: []byte(c.body)}), c.body)
	}
}

// heptiolabs/healthcheck and others like it say of each part "OK" or what is wrong, in any words.
func TestAnErrorAboveAnObjectOfPartsIsAboutThoseThatAreNotOK(t *testing.T) {
	for body, want := range map[string]string{
		`{"database":"OK","disk":"no space left"}`:                          "degraded | parts disk no space left",
		`{"database":"OK","goroutines":"too many goroutines (1200 > 100)"}`: "degraded | parts goroutines too many goroutines (1200 > 100)",
		`{"database":"OK","search":"OK"}`:                                   "healthy",
		`{"name":"svc","database":"OK"}`:                                    "healthy", // what it is called is no part
	} {
		assert.Equal(t, want, says(Reply{Status: 503, ContentType: "application/json", Body: []byte(body)}), body)
	}
}

func TestWhatAnOperatorTeaches(t *testing.T) {
	down := `{"status":"DOWN","components":{"diskSpace":{"status":"DOWN"},"db":{"status":"UP"}}}`
	for _, c := range []struct {
		name, body, want string
		terms            Terms
	}{
		{"a word", `{"status":"grün"}`, "healthy", Terms{Words: map[string]State{"Grün": StateHealthy}}},
		{"a word that has another meaning elsewhere", `{"status":"yellow"}`, "healthy", Terms{Words: map[string]State{"yellow": StateHealthy}}},
		{"a number", `{"status":0}`, "healthy", Terms{Words: map[string]State{"0": StateHealthy}}},
		{"a whole body", `{}`, "healthy", Terms{Words: map[string]State{"{}": StateHealthy}}},
		{"a text", "Welcome to the API", "healthy", Terms{Words: map[string]State{"welcome to the api": StateHealthy}}},
		{"the word of a part", `{"status":"ok","checks":{"db":"schräg"}}`, "healthy | parts checks.db schräg", Terms{Words: map[string]State{"schräg": StateUnhealthy}}},
		{"nothing", `{"status":"grün"}`, "grün", Terms{}},
		{"a part to ignore", down, "healthy | ignored components.diskSpace DOWN", Terms{Ignored: []string{"diskSpace"}}},
		{"a part to ignore, by its path", down, "healthy | ignored components.diskSpace DOWN", Terms{Ignored: []string{"components.diskspace"}}},
		{"another part to ignore", down, "unhealthy | parts components.diskSpace DOWN", Terms{Ignored: []string{"mail"}}},
		{"a required part that is well", down, "unhealthy | parts components.diskSpace DOWN", Terms{Required: []string{"db"}}},
		{"a required part that is bad", `{"status":"ok","redis":false}`, "healthy | parts redis false | required redis false", Terms{Required: []string{"redis"}}},
		{"a required part that the reply calls optional", `{"status":"ok","checks":{"mail":{"status":"down","critical":false}}}`, "healthy | required checks.mail down", Terms{Required: []string{"mail"}}},
		{"a required part that is missing", `{"status":"ok"}`, "healthy | required ! redis is not in the reply", Terms{Required: []string{"redis"}}},
		{"a required part with a word of its own", `{"status":"ok","redis":"hm"}`, `healthy | required ! redis says "hm", which is no known word`, Terms{Required: []string{"redis"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Split(says(Reply{Body: []byte(c.body), Terms: c.terms}), " | ")
			require.ElementsMatch(t, strings.Split(c.want, " | "), got)
		})
	}
}

const dialectsPage = "../../../docs/dialects.md"

func TestDialectsPageIsInStepWithTheTable(t *testing.T) {
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		require.NoError(t, os.WriteFile(dialectsPage, []byte(DialectsPage()), 0o644))
	}
	page, err := os.ReadFile(dialectsPage)
	require.NoError(t, err)
	require.Equal(t, DialectsPage(), string(page), "stale: go test ./pkg/detect/probe -run TestDialectsPage -update")
}
