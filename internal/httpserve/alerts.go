package httpserve

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"
)

// maxWebhook bounds the body of POST /api/v1/alerts.
const maxWebhook = 1 << 20

// alerts takes the webhook of Alertmanager. What it says is evidence and never a command, but whoever
// could lie here could put words into a page that somebody reads at night: so it is taken from this host
// only, and not from a web page that a browser on this host shows (those cannot send JSON without asking).
func (s *Server) alerts(w http.ResponseWriter, r *http.Request) {
	if !fromHere(r) {
		refuse(w, http.StatusForbidden, "alerts are taken from this host only, under a loopback name and not through a proxy: let Alertmanager send them to http://127.0.0.1:PORT itself")
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "want Content-Type: application/json")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), waitedFor)
	defer cancel()
	if s.bodies.Acquire(ctx, 1) != nil {
		busy(w)
		return
	}
	defer s.bodies.Release(1)
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyLimit)) // without it the server's own holds
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWebhook))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		refuse(w, http.StatusRequestEntityTooLarge, "the webhook has more than %d bytes (set max_alerts in Alertmanager)", maxWebhook)
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "the webhook was not read to its end: %v", err)
		return
	}
	taken, err := s.o.Alerts(body)
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	reply(w, taken)
}
