package probe

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// FuzzReadHealth shows that no bytes make the decoder panic or invent a number: every number is
// finite and in its range, and every count of the pool is written somewhere in the body.
func FuzzReadHealth(f *testing.F) {
	files, err := filepath.Glob("testdata/replies/*")
	require.NoError(f, err)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(body, 200, "application/json", "")
		f.Add(body, 503, "text/html", "30")
	}
	f.Add([]byte(`{"status":"healthy"}`), 500, "text/event-stream", "Sun, 22 Nov 2026 10:00:30 GMT")
	f.Fuzz(func(t *testing.T, body []byte, status int, contentType, wait string) {
		r := Reply{Status: status, ContentType: contentType, RetryAfter: wait, Body: body, At: time.Unix(1.8e9, 0)}
		facts := ReadHealth(r)
		checkFacts(t, facts)
		require.NotEmpty(t, facts.Text(detect.HTTPOutcome))
		if facts.Text(detect.HTTPOutcome) != detect.OutcomeReply {
			for name := range facts {
				require.True(t, strings.HasPrefix(name, "http."), "%s without a health reply", name)
			}
		}
		checkWritten(t, body, facts)
	})
}

// limits of every numeric fact that a reply can give.
var limits = map[string][2]float64{
	detect.HTTPStatus: {100, 599}, detect.HTTPLatency: {0, 1e6}, detect.HTTPRetryAfter: {0, 86400},
	detect.HealthUptime: {0, maxUptime}, detect.HealthMemoryShare: {0, 1},
	detect.PoolSize: {0, maxConnections}, detect.PoolMin: {0, maxConnections}, detect.PoolMax: {0, maxConnections},
	detect.PoolFree: {0, maxConnections}, detect.PoolWaiting: {0, maxConnections},
	detect.PoolUtilization: {0, 1}, detect.PoolReported: {0, 1},
}

var words = []string{detect.HTTPOutcome, detect.HTTPError, detect.HealthStatus, detect.HealthDatabase, detect.HealthError, detect.HealthInstead,
	detect.HealthWord, detect.HealthParts, detect.HealthRequired, detect.HealthIgnored}

func checkFacts(t *testing.T, facts detect.Facts) {
	for name, r := range facts {
		for _, s := range []string{r.Text, r.Err} {
			require.True(t, utf8.ValidString(s), name)
			require.LessOrEqual(t, utf8.RuneCountInString(s), maxSentence, name)
			require.NotContains(t, s, "\n", name)
			require.False(t, strings.ContainsFunc(s, unicode.IsControl), name)
		}
		require.False(t, r.Err != "" && (r.Text != "" || r.Value != 0), "%s was not measured and has a value", name)
		if slices.Contains(words, name) {
			require.Zero(t, r.Value, name)
			require.NotEqual(t, r.Text == "", r.Err == "", "%s is a word or was not measured", name)
			continue
		}
		require.Empty(t, r.Text, name)
		lim, known := limits[name]
		require.True(t, known, "%s has no limits", name)
		require.False(t, math.IsNaN(r.Value) || math.IsInf(r.Value, 0) || math.Signbit(r.Value), name)
		require.True(t, r.Value == 0 || (r.Value >= lim[0] && r.Value <= lim[1]), "%s is %v", name, r.Value)
	}
}

var literal = regexp.MustCompile(`[-+]?[0-9]*\.?[0-9]+\.?(?:[eE][-+]?[0-9]+)?`)

// checkWritten fails when a count is not one of the numbers in the body.
func checkWritten(t *testing.T, body []byte, facts detect.Facts) {
	if strings.Contains(string(body), `\`) {
		return // digits may be escaped
	}
	written := map[float64]bool{}
	for _, s := range literal.FindAllString(string(body), -1) {
		if v, err := strconv.ParseFloat(s, 64); err == nil {
			written[v] = true
		}
	}
	for _, name := range []string{detect.PoolSize, detect.PoolMin, detect.PoolMax, detect.PoolFree, detect.PoolWaiting} {
		if v, ok := facts.Num(name); ok {
			require.True(t, written[v], "%s is %v, which is not in the reply", name, v)
		}
	}
	if len(written) == 0 {
		for _, name := range []string{detect.PoolUtilization, detect.PoolReported, detect.HealthUptime, detect.HealthMemoryShare} {
			_, ok := facts.Num(name)
			require.False(t, ok, "%s from a reply without numbers", name)
		}
	}
}

func TestReadHealthNeverShowsACredential(t *testing.T) {
	const secret = "hunter2X"
	for _, text := range []string{
		"postgresql://mcp:" + secret + "@db:5432/code refused",
		"postgresql://mcp:p@ss" + secret + "@db:5432/code refused",
		"password=" + secret, `password: \"` + secret + `\"`, "api_key=" + secret, "PGPASSWORD=" + secret,
		"Authorization: Bearer " + secret + secret, "token=" + secret + "&x=1", "client_secret='" + secret + "'",
	} {
		for _, body := range []string{
			`{"status":"unhealthy","error":"` + text + `"}`,
			`{"status":"unhealthy","details":{"error":"` + text + `"}}`,
			`{"status":"unhealthy","checks":{"database":{"status":"fail","message":"` + text + `"}}}`,
			`{"error":"` + text + `"}`,
			`{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"` + text + `"}}`,
		} {
			for _, status := range []int{200, 401, 404, 429, 500} {
				for name, r := range ReadHealth(Reply{Status: status, Body: []byte(body)}) {
					require.NotContains(t, r.Text+r.Err, secret, "%s of %s", name, body)
				}
			}
		}
	}
}

// BenchmarkReadHealth decodes the real payload of codebase-mcp.
func BenchmarkReadHealth(b *testing.B) {
	body, err := os.ReadFile("testdata/replies/a-healthy.json")
	require.NoError(b, err)
	r := Reply{Status: 200, ContentType: "application/json", Body: body, Latency: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		ReadHealth(r)
	}
}
