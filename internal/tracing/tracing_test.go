package tracing

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/protobuf/proto"

	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// receiver is an OTLP/HTTP collector that keeps what it gets.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	got     []*collector.ExportTraceServiceRequest
	headers []http.Header
	answer  func(n int) int // status of the n-th call; nil = 200
	came    chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{came: make(chan struct{}, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var body io.Reader = req.Body
		if req.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(req.Body)
		}
		b, err := io.ReadAll(body)
		var m collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(b, &m)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil || req.URL.Path != "/v1/traces" || req.Header.Get("Content-Type") != "application/x-protobuf" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.got, r.headers = append(r.got, &m), append(r.headers, req.Header)
		if r.answer != nil {
			w.WriteHeader(r.answer(len(r.got)))
		}
		out, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
		_, _ = w.Write(out)
		r.came <- struct{}{}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) await(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-r.came:
		case <-time.After(40 * time.Second): // far beyond settle and every retry here
			require.FailNow(t, "no trace came")
		}
	}
}

// spans are those of the n-th request, by name.
func (r *receiver) spans(n int) map[string][]*tracepb.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string][]*tracepb.Span{}
	for _, s := range r.got[n].ResourceSpans[0].ScopeSpans[0].Spans {
		out[s.Name] = append(out[s.Name], s)
	}
	return out
}

func text(list []*commonpb.KeyValue, key string) string {
	for _, kv := range list {
		if kv.Key == key {
			return kv.Value.GetStringValue()
		}
	}
	return ""
}

// journal is the source of a story that the core told.
type journal struct {
	*hosttest.Host
	mu   sync.Mutex
	told []queue.Queued
	asks int
	err  error
}

func (j *journal) Notices(context.Context, string) ([]queue.Queued, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asks++
	return append([]queue.Queued(nil), j.told...), j.err
}

// ended is a night whose first incident was a crash: the record that closed it, and the source.
func ended(t *testing.T) (incident.Record, *journal) {
	t.Helper()
	var last incident.Record
	h := hosttest.Night(t, time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC), func(r incident.Record) {
		if r.Incident != nil && !r.Incident.Open() && r.Incident.Target == "workflow-mcp" {
			last = r
		}
	})
	require.NotNil(t, last.Incident)
	i := last.Incident
	return last, &journal{Host: h, told: []queue.Queued{{Channel: "pager", Kind: notice.Change, Key: i.ID + "/t0", Enqueued: i.Closed,
		Settled: i.Closed.Add(340 * time.Millisecond), State: queue.Delivered, Attempts: 2}}}
}

func start(t *testing.T, s *Settings, j *journal, log *zap.Logger) (*Tracer, func()) {
	t.Helper()
	tr, err := New(Options{Settings: func() Settings { return *s }, Source: j, Host: func() string { return "db1" }, Version: "v1", Logger: log})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	return tr, func() { cancel(); require.NoError(t, <-done) }
}

func TestATraceHasTheTimesOfTheRecordsAndDeliveries(t *testing.T) {
	rec, j := ended(t)
	r := newReceiver(t)
	tr, stop := start(t, &Settings{Endpoint: r.URL, Authorization: "Bearer s3cret", Timeout: 5 * time.Second}, j, zap.NewNop())
	defer stop()
	tr.Decided(rec)
	r.await(t, 1)
	require.Equal(t, "Bearer s3cret", r.headers[0].Get("Authorization"))
	res := r.got[0].ResourceSpans[0].Resource.Attributes
	require.Equal(t, "recoveryd", text(res, "service.name"))
	require.Equal(t, "db1", text(res, "host.name"))

	i := rec.Incident
	spans := r.spans(0)
	between := func(name string, n int, from, to time.Time) *tracepb.Span {
		t.Helper()
		require.Greater(t, len(spans[name]), n, "no span %s: %v", name, spans)
		s := spans[name][n]
		require.Equal(t, from.UTC(), time.Unix(0, int64(s.StartTimeUnixNano)).UTC(), "begin of %s", name)
		require.Equal(t, to.UTC(), time.Unix(0, int64(s.EndTimeUnixNano)).UTC(), "end of %s", name)
		return s
	}
	root := between(SpanIncident, 0, i.Since, i.Closed.Add(340*time.Millisecond))
	require.Empty(t, root.ParentSpanId)
	require.Equal(t, i.ID, text(root.Attributes, "recoveryd.incident"))
	require.Equal(t, TraceID(i.ID), hex.EncodeToString(root.TraceId))
	require.Equal(t, tracepb.Status_STATUS_CODE_UNSET, root.Status.GetCode(), "it was cured and nobody was woken")
	between(SpanDetect, 0, i.Since, i.Opened)
	a := i.Attempts[len(i.Attempts)-1]
	act := between(SpanAct, len(i.Attempts)-1, a.At, a.Ended)
	require.Equal(t, "done", text(act.Attributes, "recoveryd.result"))
	require.NotEmpty(t, text(act.Attributes, "recoveryd.strategy"))
	verify := spans[SpanVerify][len(spans[SpanVerify])-1]
	require.Equal(t, "verified", text(verify.Attributes, "recoveryd.then"))
	require.GreaterOrEqual(t, verify.StartTimeUnixNano, act.EndTimeUnixNano)
	probation := spans[SpanProbation][0]
	require.Equal(t, verify.EndTimeUnixNano, probation.StartTimeUnixNano, "one phase ends where the next begins")
	require.Equal(t, i.Closed.UnixNano(), int64(probation.EndTimeUnixNano))
	between(SpanNotify, 0, i.Closed, i.Closed.Add(340*time.Millisecond))

	_, recs, err := j.Incident(t.Context(), i.ID)
	require.NoError(t, err)
	require.NotEmpty(t, root.Events)
	at := map[int64]bool{}
	for _, x := range recs {
		at[x.At.UnixNano()] = true
	}
	for _, e := range root.Events {
		require.True(t, at[int64(e.TimeUnixNano)], "%s is at no record's time", e.Name)
	}
	ids := map[string]bool{}
	for _, list := range spans {
		for _, s := range list {
			require.False(t, ids[string(s.SpanId)], "two spans with one id")
			ids[string(s.SpanId)] = true
			if s != root {
				require.Equal(t, root.SpanId, s.ParentSpanId, s.Name)
			}
			require.Equal(t, root.TraceId, s.TraceId)
			require.LessOrEqual(t, root.StartTimeUnixNano, s.StartTimeUnixNano)
			require.GreaterOrEqual(t, root.EndTimeUnixNano, s.EndTimeUnixNano)
		}
	}
}

func TestWhatFailedIsMarkedInTheTrace(t *testing.T) {
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	i := incident.Incident{ID: "x-1", Target: "x", Class: "down", Since: at, Opened: at.Add(time.Second), Closed: at.Add(time.Minute), Paged: at.Add(9 * time.Second), PagedWhy: incident.LadderEnded,
		Attempts: []incident.Attempt{{ID: "x-1/a1", At: at.Add(2 * time.Second), Ended: at.Add(5 * time.Second), Result: incident.ResultTimedOut, Detail: "no end in 3s"}}}
	recs := []incident.Record{
		{At: at.Add(2 * time.Second), Target: "x", From: incident.Suspect, To: incident.Held, Reason: incident.HoldBackoff},
		{At: at.Add(3 * time.Second), Target: "other", From: incident.Watching, To: incident.Held, Reason: incident.HoldDependency},
		{At: at.Add(4 * time.Second), Target: "x", From: incident.Held, To: incident.Escalated, Reason: incident.LadderEnded},
	}
	told := []queue.Queued{{Channel: "a", Enqueued: at.Add(9 * time.Second), Settled: at.Add(10 * time.Second), State: queue.Refused, Why: "the key is wrong"},
		{Channel: "b", Enqueued: at.Add(9 * time.Second), State: queue.Waiting, LastError: "connection refused"}}
	byName := map[string][]Span{}
	for _, s := range Build(i, recs, told) {
		byName[s.Name] = append(byName[s.Name], s)
	}
	require.Equal(t, "people were told: ladder-ended", byName[SpanIncident][0].Failed)
	require.Equal(t, "the action ended as timed-out: no end in 3s", byName[SpanAct][0].Failed)
	require.Equal(t, "refused: the key is wrong", byName[SpanNotify][0].Failed)
	require.Equal(t, "not accepted yet: connection refused", byName[SpanNotify][1].Failed)
	require.Len(t, byName[SpanHold], 1, "what a dependent does is none of the culprit's phases")
	require.Equal(t, at.Add(2*time.Second), byName[SpanHold][0].Start)
	require.Equal(t, at.Add(4*time.Second), byName[SpanHold][0].End)
	require.Equal(t, at.Add(time.Minute), byName[SpanPeople][0].End)
}

func TestNothingIsSentWithoutAnEndpointOrBeforeTheEnd(t *testing.T) {
	rec, j := ended(t)
	s := &Settings{}
	tr, err := New(Options{Settings: func() Settings { return *s }, Source: j, Host: func() string { return "" }, Logger: zap.NewNop()})
	require.NoError(t, err)
	tr.Decided(rec)
	require.Empty(t, tr.closed, "it is off")
	s.Endpoint = "http://127.0.0.1:1"
	open := *rec.Incident
	open.Closed = time.Time{}
	tr.Decided(incident.Record{Incident: &open})
	require.Empty(t, tr.closed, "it is not over")
	for range waiting + 5 {
		tr.Decided(rec) // nobody takes them: the decision loop must not wait
	}
	require.Len(t, tr.closed, waiting)
}

func TestATraceWaitsForTheLastNoticesAndABusyCollectorIsAskedAgain(t *testing.T) {
	rec, j := ended(t)
	j.told[0].State, j.told[0].Settled = queue.Waiting, time.Time{}
	r := newReceiver(t)
	r.answer = func(n int) int {
		if n == 1 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	}
	tr, stop := start(t, &Settings{Endpoint: r.URL, Timeout: 5 * time.Second}, j, zap.NewNop())
	defer stop()
	tr.Decided(rec)
	require.Eventually(t, func() bool { j.mu.Lock(); defer j.mu.Unlock(); return j.asks > 0 }, 30*time.Second, 10*time.Millisecond)
	require.Empty(t, r.came, "it was sent although a notice is on its way")
	j.mu.Lock()
	j.told[0].State, j.told[0].Settled = queue.Delivered, rec.Incident.Closed.Add(2*time.Second)
	j.mu.Unlock()
	r.await(t, 2)
	require.Equal(t, rec.Incident.Closed.Add(2*time.Second).UnixNano(), int64(r.spans(1)[SpanNotify][0].EndTimeUnixNano))
	require.True(t, proto.Equal(r.got[0], r.got[1]), "the same trace twice has the same ids")
}

func TestATraceThatIsNotTakenIsLoggedWithoutItsSecretAndHoldsNothingUp(t *testing.T) {
	rec, j := ended(t)
	r := newReceiver(t)
	r.answer = func(int) int { return http.StatusUnauthorized }
	core, logs := observer.New(zap.WarnLevel)
	tr, stop := start(t, &Settings{Endpoint: r.URL, Authorization: "Bearer s3cret", Timeout: 5 * time.Second}, j, zap.New(core))
	tr.Decided(rec)
	r.await(t, 1)
	stop()
	require.Equal(t, 1, logs.Len())
	e := logs.All()[0]
	require.Equal(t, "incident is not traced", e.Message)
	require.Contains(t, e.ContextMap()["error"], "401")
	require.NotContains(t, e.ContextMap()["error"], "s3cret")

	j.err = errors.New("journal broken")
	tr, stop = start(t, &Settings{Endpoint: r.URL, Timeout: time.Second}, j, zap.New(core))
	tr.Decided(rec)
	stop() // what waits is tried at an orderly end
	require.Contains(t, logs.All()[1].ContextMap()["error"], "journal broken")
}
