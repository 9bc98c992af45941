package app

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/recoveryd/recoveryd/internal/tracing"
)

func TestTheDaemonTracesAnIncidentWithTheTimesOfItsJournal(t *testing.T) {
	traces := make(chan []*tracepb.Span, 10)
	otlp := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(r.Body)
		}
		b, _ := io.ReadAll(body)
		var m collector.ExportTraceServiceRequest
		if proto.Unmarshal(b, &m) == nil && len(m.ResourceSpans) > 0 {
			traces <- m.ResourceSpans[0].ScopeSpans[0].Spans
		}
	}))
	defer otlp.Close()
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer hook.Close()
	var moved atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if moved.Load() {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"status":"healthy","database_status":"connected","connection_pool":{"size":2,"min_size":2,"max_size":10,"free":2}}`)
	}))
	defer srv.Close()
	moved.Store(true) // the page is not there: people are told, and it comes back
	a, _, _ := running(t, fmt.Sprintf(`
targets: [{name: svc, kind: service, platform: none, interval: 3s, health: [{url: "%s/health", timeout: 2900ms}]}]
classes: [{class: misconfigured, looks: 1, for: 0s}]
probation: 1s
notifiers: [{name: hook, type: webhook, url: "%s"}]
tracing: {endpoint: "%s"}
`, srv.URL, hook.URL, otlp.URL))
	require.Eventually(t, func() bool { return len(a.engine.State().Incidents) == 1 }, time.Minute, 20*time.Millisecond, "an incident")
	moved.Store(false)
	var spans []*tracepb.Span
	select {
	case spans = <-traces:
	case <-time.After(60 * time.Second): // an incident, its probation and its last notice take a few seconds
		require.FailNow(t, "no trace came")
	}
	list, err := (&History{a.journal}).Incidents(t.Context(), false, 1)
	require.NoError(t, err)
	i := list[0]
	told, err := a.journal.Notices(t.Context(), i.ID)
	require.NoError(t, err)
	byName := map[string][]*tracepb.Span{}
	for _, s := range spans {
		byName[s.Name] = append(byName[s.Name], s)
	}
	detect := byName[tracing.SpanDetect][0]
	require.Equal(t, i.Since.UnixNano(), int64(detect.StartTimeUnixNano))
	require.Equal(t, i.Opened.UnixNano(), int64(detect.EndTimeUnixNano))
	require.Equal(t, i.Closed.UnixNano(), int64(byName[tracing.SpanProbation][0].EndTimeUnixNano))
	require.Len(t, byName[tracing.SpanNotify], len(told))
	for n, q := range told {
		require.Equal(t, q.Settled.UnixNano(), int64(byName[tracing.SpanNotify][n].EndTimeUnixNano), "%s was accepted then", q.Kind)
	}
	require.Equal(t, tracepb.Status_STATUS_CODE_ERROR, byName[tracing.SpanIncident][0].Status.GetCode(), "people were told")
}
