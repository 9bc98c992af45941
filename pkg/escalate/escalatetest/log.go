package escalatetest

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Verdicts of an [Entry].
const (
	Accepted = "accepted" // the vendor took it and it had its effect
	Rejected = "rejected" // the vendor refused it and told so
	Dropped  = "dropped"  // the vendor said yes and did nothing: the silent failures of a contract
)

// Entry is one request (or mail) that a fake received, and what became of it.
type Entry struct {
	Seq     int         `json:"seq"`
	At      time.Time   `json:"at"`
	Vendor  string      `json:"vendor"`
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Header  http.Header `json:"header,omitzero"`
	Body    string      `json:"body"`
	Status  int         `json:"status"` // HTTP status or SMTP code; 0 when nothing was answered
	Verdict string      `json:"verdict"`
	Why     string      `json:"why"`           // what happened, in a few words: "opened", "deduplicated", "invalid routing_key"
	Key     string      `json:"key,omitzero"`  // the vendor's idea of which alert it was about
	Kind    string      `json:"kind,omitzero"` // trigger, resolve, postMessage, update, mail, create...
	Fault   string      `json:"fault,omitzero"`
	Pages   bool        `json:"pages,omitzero"` // a person was notified because of it
}

// Log keeps what fakes received, in order. One log may be shared by several fakes. The zero
// value is ready; it is safe for concurrent use.
type Log struct {
	mu      sync.Mutex
	entries []Entry
}

func (l *Log) add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Seq = len(l.entries) + 1
	l.entries = append(l.entries, e)
}

// Entries returns a copy of everything received so far, in order.
func (l *Log) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}

// Select returns the entries for which keep is true.
func (l *Log) Select(keep func(Entry) bool) []Entry {
	return slices.DeleteFunc(l.Entries(), func(e Entry) bool { return !keep(e) })
}

// Reset forgets everything received so far.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}

// ServeHTTP answers GET with the entries as a JSON list (?vendor= keeps one vendor's) and DELETE
// by forgetting them.
func (l *Log) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodDelete:
		l.Reset()
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet:
		vendor := r.URL.Query().Get("vendor")
		list := l.Select(func(e Entry) bool { return vendor == "" || e.Vendor == vendor })
		if list == nil {
			list = []Entry{}
		}
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		_ = enc.Encode(list) // the reader has gone: nothing to tell anybody
	default:
		http.Error(w, "GET or DELETE", http.StatusMethodNotAllowed)
	}
}
