// Package tracing tells an OpenTelemetry collector how each incident went: one trace per incident,
// with spans for finding it, holding back, acting, proving and telling people.
//
// It decides nothing and nothing waits for it. A trace is made when an incident is closed, from its
// journaled records and the rows of its outbox, so that the times of its spans are those of the
// decisions and deliveries themselves. The id of the trace follows from the id of the incident: who
// has the one finds the other, and a trace that is sent twice is one. Traces are not evidence and no
// page: when the collector does not take one, that is logged, and the journal still has everything.
//
// Start reading at [Build]; [Tracer] carries traces to the collector.
package tracing
