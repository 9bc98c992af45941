package app

import (
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/outbox"
)

// Telling is the part of the daemon's status that is about telling people: what each channel does,
// and who watches recoveryd itself.
type Telling struct {
	outbox.Stats
	Heartbeat *HeartbeatStatus `json:"heartbeat,omitzero"` // nil: none is configured
	Canary    *CanaryStatus    `json:"canary,omitzero"`    // nil: none is configured
}

// telling is the present state.
func (a *App) telling() Telling {
	return Telling{Stats: a.outbox.Stats(), Heartbeat: a.beats.status.Load(), Canary: a.canary.status.Load()}
}

// Brief writes a duration without the zeros at its end: "1h", "1m30s".
func Brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
