package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/internal/replay"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Fingerprint names a configuration as it takes effect, secrets left out: two files with the same
// fingerprint decide the same.
func Fingerprint(c *config.Config) string {
	sum := sha256.Sum256([]byte(c.Redacted()))
	return hex.EncodeToString(sum[:6])
}

// newRecorder builds what records incidents for recoveryd replay.
func (a *App) newRecorder() (err error) {
	a.recorder, err = replay.New(replay.Options{Logger: a.log,
		Policy: func() *incident.Policy { return a.engine.Policy() },
		Config: func() string { return a.inForce.Load().fingerprint },
		Save: func(ctx context.Context, id, name string, at time.Time, body []byte) error {
			return a.journal.SaveEvidence(ctx, journal.EvidenceRow{Incident: id, Name: name, At: at, Body: body})
		}})
	return err
}

// isRecording tells the recordings from the evidence that people read.
func isRecording(name string) bool { return strings.HasSuffix(name, "/"+replay.Name) }

// Recordings returns what was recorded of an incident, oldest first.
func (h *History) Recordings(ctx context.Context, id string) ([]replay.Tape, error) {
	rows, err := h.j.Evidence(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("recordings of incident %s: %w", id, err)
	}
	var out []replay.Tape
	for _, r := range rows {
		if !isRecording(r.Name) {
			continue
		}
		t, err := replay.Decode(r.Body)
		if err != nil {
			return nil, fmt.Errorf("recording %s of incident %s: %w", r.Name, id, err)
		}
		out = append(out, t)
	}
	return out, nil
}
