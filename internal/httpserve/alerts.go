package httpserve

import (
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
)

// maxWebhook bounds the body of POST /api/v1/alerts.
const maxWebhook = 1 << 20

// alerts takes the webhook of Alertmanager. What it says is evidence and never a command, but whoever
// could lie here could put words into a page that somebody reads at night: so it is taken from this host
// only, and not from a web page that a browser on this host shows (those cannot send JSON without asking).
func (s *Server) alerts(w http.ResponseWriter, r *http.Request) {
	if !fromHere(r) {
		refuse(w, http.StatusForbidden, "alerts are taken from this host only: let Alertmanager send them to a proxy here, or to the control socket")
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "want Content-Type: application/json")
		return
	}
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

// fromHere reports whether a request came from this host: over loopback, or over the control socket,
// which asks the kernel itself who is on the other end.
func fromHere(r *http.Request) bool {
	if r.Context().Value(peerKey{}) != nil {
		return true
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
