package probe

import (
	"context"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// HTTPHealth asks a service for its health over HTTP and decodes the reply with ReadHealth.
//
// Each look uses a new connection. Redirects are not followed and proxies of the environment are
// not used. After a rate-limit answer it stays silent for as long as it was asked to (at most five
// minutes, or until a new process runs) and reports http.outcome as not measured.
type HTTPHealth struct {
	exchange *exchange
	terms    Terms
	hold     hold
}

var (
	_ Heir   = (*HTTPHealth)(nil)
	_ Prompt = (*HTTPHealth)(nil)
)

// NewHTTPHealth makes the witness. It fails on an endpoint that can never be asked.
func NewHTTPHealth(e Endpoint) (*HTTPHealth, error) {
	x, err := newExchange(e)
	if err != nil {
		return nil, err
	}
	return &HTTPHealth{exchange: x, terms: e.Terms, hold: hold{asks: x.identity()}}, nil
}

// Name is "http".
func (h *HTTPHealth) Name() string { return "http" }

// Leads names the fact that says whether it could look.
func (h *HTTPHealth) Leads() string { return detect.HTTPOutcome }

// Inherit implements Heir.
func (h *HTTPHealth) Inherit(from Witness) {
	if old, ok := from.(*HTTPHealth); ok {
		h.hold.inherit(&old.hold)
	}
}

// Begin implements Prompt: nothing is left to do.
func (h *HTTPHealth) Begin(ctx context.Context, by time.Time, unit detect.Facts) (detect.Facts, func(context.Context) detect.Facts) {
	return h.look(ctx, by, unit), nil
}

// Look asks once.
func (h *HTTPHealth) Look(ctx context.Context, unit detect.Facts) detect.Facts {
	return h.look(ctx, time.Time{}, unit)
}

func (h *HTTPHealth) look(ctx context.Context, by time.Time, unit detect.Facts) detect.Facts {
	if left := h.hold.left(unit, time.Now()); left > 0 {
		return h.hold.facts(left)
	}
	var f detect.Facts
	h.exchange.do(ctx, by, func(r Reply, _ error) {
		r.Terms = h.terms
		f = ReadHealth(r)
	})
	h.hold.note(f, unit, time.Now())
	return f
}
