package escalatetest

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// maxRequest bounds a request's body, in bytes: above every vendor's own limit, so that the
// fake's limit is what refuses.
const maxRequest = 32 << 20

// answer is what a fake decided about one request.
type answer struct {
	status  int
	header  map[string]string
	body    string
	verdict string
	why     string
	key     string
	kind    string
	pages   bool
}

// vendor is the common half of every HTTP fake: it applies faults, calls the contract and logs.
type vendor struct {
	faults
	*Log
	name string
	// now is the fake's clock, replaced in tests of its rate limit.
	now func() time.Time
	// handle decides; it is called with the whole body and only when the request takes effect.
	handle func(r *http.Request, body []byte) answer
}

func newVendor(name string, log *Log) vendor {
	if log == nil {
		log = new(Log)
	}
	return vendor{name: name, Log: log, now: time.Now}
}

// SetClock replaces the fake's clock, by which it counts its rate limit and stamps its log. It is
// called before the fake serves.
func (v *vendor) SetClock(now func() time.Time) { v.now = now }

// ServeHTTP implements http.Handler.
func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/__log" {
		v.Log.ServeHTTP(w, r)
		return
	}
	if r.URL.Path == "/__fault" {
		FaultHandler(map[string]func(Fault){v.name: v.Set}).ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, "body: "+err.Error(), http.StatusBadRequest)
		return
	}
	fault := v.take()
	e := Entry{
		At: v.now(), Vendor: v.name, Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header.Clone(),
		Body: string(body), Fault: fault.Mode, Verdict: Rejected,
	}
	switch fault.Mode {
	case FaultDown:
		e.Why = "fault: connection reset"
		v.add(e)
		reset(w)
		return
	case FaultHang:
		e.Why = "fault: no answer"
		v.add(e)
		<-r.Context().Done()
		return
	case FaultStatus, FaultRateLimit, FaultGarbage:
		a := answer{status: fault.Status, header: map[string]string{}, body: "fault injected\n"}
		switch fault.Mode {
		case FaultRateLimit:
			a.status = http.StatusTooManyRequests
		case FaultGarbage:
			a.status, a.body = http.StatusOK, "<!doctype html><title>Welcome to the hotel network</title>"
			a.header["Content-Type"] = "text/html"
		}
		if fault.RetryAfter != "" {
			a.header["Retry-After"] = fault.RetryAfter
		}
		e.Status, e.Why = a.status, "fault: "+fault.Mode
		v.add(e)
		a.write(w)
		return
	}
	a := v.handle(r, body)
	e.Status, e.Verdict, e.Why, e.Key, e.Kind, e.Pages = a.status, a.verdict, a.why, a.key, a.kind, a.pages
	switch fault.Mode {
	case FaultHangAfterAccept:
		e.Status = 0
		v.add(e)
		<-r.Context().Done()
	case FaultTruncate:
		e.Status = 0
		v.add(e)
		// Promise more than is sent, then break the connection.
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)+100))
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body[:len(a.body)/2])
		_ = http.NewResponseController(w).Flush()
		reset(w)
	case FaultSlow:
		v.add(e)
		select {
		case <-time.After(time.Duration(fault.DelaySeconds * float64(time.Second))):
			a.write(w)
		case <-r.Context().Done():
		}
	default:
		v.add(e)
		a.write(w)
	}
}

func (a answer) write(w http.ResponseWriter) {
	for k, val := range a.header {
		w.Header().Set(k, val)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body) // the client has gone: its own business
}

// reset breaks the connection so that the client sees an error and not an end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2, or already answered: the server closes it
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset instead of a clean end
	}
	_ = conn.Close()
}

// Serve runs a fake (or any handler) on a loopback port until the test ends and returns its URL.
func Serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections() // hanging requests end here
		s.Close()
	})
	return s.URL
}

// window counts requests in a sliding minute (or whatever span).
type window struct {
	span  time.Duration
	limit int // 0: none
	at    []time.Time
}

// take reports whether one more request fits now, and otherwise after how long it will.
func (w *window) take(now time.Time) (wait time.Duration, ok bool) {
	if w.limit <= 0 {
		return 0, true
	}
	keep := w.at[:0]
	for _, t := range w.at {
		if now.Sub(t) < w.span {
			keep = append(keep, t)
		}
	}
	w.at = keep
	if len(w.at) >= w.limit {
		return w.span - now.Sub(w.at[0]), false
	}
	w.at = append(w.at, now)
	return 0, true
}
