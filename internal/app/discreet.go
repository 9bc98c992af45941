package app

import (
	"context"
	"maps"
	"sync"

	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/internal/evidence"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// discreetly lets every look be told without secrets. Servers put them into replies and messages, and what a
// look says goes into the journal, the log, the status page and the pages that people get.
func discreetly(subjects []engine.Subject, r evidence.Redactor) []engine.Subject {
	for i, s := range subjects {
		subjects[i].Looker = &discreet{Looker: s.Looker, redact: r, seen: map[string]string{}}
	}
	return subjects
}

// discreet is a looker whose texts are redacted.
type discreet struct {
	engine.Looker
	redact evidence.Redactor

	mu   sync.Mutex // guards what follows
	seen map[string]string
}

const (
	// wordy is the length of the shortest text in which a secret and what shows that it is one have room.
	wordy = 12
	// remembered is how many texts are kept: those of two looks, which are the same nearly always.
	remembered = 128
)

// Look implements [engine.Looker].
func (l *discreet) Look(ctx context.Context, cause string) detect.Observation {
	o := l.Looker.Look(ctx, cause)
	own := false
	for name, reading := range o.Facts {
		text, failed := l.text(reading.Text), l.text(reading.Err)
		if text == reading.Text && failed == reading.Err {
			continue
		}
		if !own {
			o.Facts, own = maps.Clone(o.Facts), true // a looker may keep its own
		}
		reading.Text, reading.Err = text, failed
		o.Facts[name] = reading
	}
	return o
}

func (l *discreet) text(s string) string {
	if len(s) < wordy {
		return s
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if clean, ok := l.seen[s]; ok {
		return clean
	}
	if len(l.seen) >= remembered {
		clear(l.seen)
	}
	l.seen[s] = l.redact.Text(s)
	return l.seen[s]
}
