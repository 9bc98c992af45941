package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/recoveryd/recoveryd/pkg/egress"
)

// TraceID is the id of an incident's trace, in hexadecimal: the beginning of the SHA-256 of the
// incident's id.
func TraceID(incident string) string { return ids{incident: incident}.trace().String() }

// ids gives the same ids to the same incident every time.
type ids struct {
	incident string
	n        *uint64
}

func (g ids) trace() (id trace.TraceID) {
	sum := sha256.Sum256([]byte(g.incident))
	copy(id[:], sum[:])
	return id
}

// NewIDs implements the SDK's IDGenerator.
func (g ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	return g.trace(), g.NewSpanID(ctx, g.trace())
}

// NewSpanID implements the SDK's IDGenerator.
func (g ids) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	*g.n++
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(g.incident), *g.n))
	copy(id[:], sum[:])
	return id
}

// kept keeps spans as they end, to be sent as one trace.
type kept struct{ spans []sdk.ReadOnlySpan }

func (*kept) OnStart(context.Context, sdk.ReadWriteSpan) {}
func (k *kept) OnEnd(s sdk.ReadOnlySpan)                 { k.spans = append(k.spans, s) }
func (*kept) Shutdown(context.Context) error             { return nil }
func (*kept) ForceFlush(context.Context) error           { return nil }

// finished turns our spans into those of the SDK.
func finished(incident string, spans []Span, host, version string) []sdk.ReadOnlySpan {
	if len(spans) == 0 {
		return nil
	}
	k := &kept{}
	p := sdk.NewTracerProvider(sdk.WithIDGenerator(ids{incident, new(uint64)}), sdk.WithSpanProcessor(k), sdk.WithSampler(sdk.AlwaysSample()),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "recoveryd"), attribute.String("service.version", version),
			attribute.String("host.name", host))))
	tracer := p.Tracer("github.com/recoveryd/recoveryd", trace.WithInstrumentationVersion(version))
	begin := func(ctx context.Context, s Span) (context.Context, trace.Span) {
		ctx, span := tracer.Start(ctx, s.Name, trace.WithTimestamp(s.Start), trace.WithAttributes(s.Attributes...))
		for _, m := range s.Moments {
			span.AddEvent(m.Name, trace.WithTimestamp(m.At), trace.WithAttributes(m.Attributes...))
		}
		if s.Failed != "" {
			span.SetStatus(codes.Error, s.Failed)
		}
		return ctx, span
	}
	ctx, root := begin(context.Background(), spans[0])
	for _, s := range spans[1:] {
		_, span := begin(ctx, s)
		span.End(trace.WithTimestamp(s.End))
	}
	root.End(trace.WithTimestamp(spans[0].End))
	return k.spans
}

// send hands spans to the collector. It tries again while the collector is busy, as long as ctx
// and the exporter's own minute last.
func send(ctx context.Context, s Settings, spans []sdk.ReadOnlySpan) error {
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return fmt.Errorf("tracing.endpoint: %w", err)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces" // where OTLP/HTTP has them
	}
	to, err := egress.NewTransport(egress.Way{ProxyFromEnvironment: true}, u)
	if err != nil {
		return fmt.Errorf("tracing.endpoint: %w", err)
	}
	client := egress.Client(to)
	client.Timeout = s.Timeout
	o := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(u.String()), otlptracehttp.WithHTTPClient(client)}
	if s.Authorization != "" {
		o = append(o, otlptracehttp.WithHeaders(map[string]string{"Authorization": s.Authorization}))
	}
	e, err := otlptracehttp.New(ctx, o...)
	if err != nil {
		return fmt.Errorf("send a trace to %s: %w", u.Redacted(), err)
	}
	defer func() { _ = e.Shutdown(context.WithoutCancel(ctx)) }() // it holds nothing back
	if err := e.ExportSpans(ctx, spans); err != nil {
		return fmt.Errorf("send a trace to %s: %w", u.Redacted(), err)
	}
	return nil
}
