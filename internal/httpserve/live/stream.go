package live

import (
	"bytes"
	"fmt"
	"net/http"
	"time"
)

// Stream writes server-sent events to one client.
type Stream struct {
	w http.ResponseWriter
	c *http.ResponseController
}

// writeLimit is how long a client may take to accept one event before its connection is given
// up.
const writeLimit = 10 * time.Second

// Ping is how often a stream says that it is alive when there is nothing else to say. Proxies
// close what is silent for a minute or less.
const Ping = 10 * time.Second

// OpenStream begins the answer. The server's own deadlines are for short requests and are lifted
// for this one: otherwise the stream would end after the server's ReadTimeout.
func OpenStream(w http.ResponseWriter) (*Stream, error) {
	s := &Stream{w, http.NewResponseController(w)}
	if err := s.c.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("this connection cannot stream: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	return s, nil
}

// Send writes one event. The data may have several lines. An error means that the client is gone.
func (s *Stream) Send(event string, data []byte) error {
	if err := s.c.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", event)
	for line := range bytes.Lines(data) {
		fmt.Fprintf(&b, "data: %s\n", bytes.TrimRight(line, "\r\n"))
	}
	b.WriteByte('\n')
	if _, err := s.w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	return s.c.Flush()
}
