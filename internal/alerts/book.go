package alerts

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Entry says how one alert is understood.
type Entry struct {
	Name   string // its label alertname
	Target string // the target that it speaks of; "" = the one named by Label
	Label  string
	Class  detect.Class
	Keep   time.Duration // how long it counts when it is neither repeated nor resolved
}

// maxKept bounds how many firing alerts are kept of one target: the rest says the same again.
const maxKept = 64

// Book keeps which alerts fire about which target. It is safe for concurrent use.
type Book struct {
	mu      sync.Mutex // guards what follows
	entries []Entry
	known   []string // names of all targets
	firing  map[string]map[string]firing
}

// firing is one alert that fires.
type firing struct {
	name         string
	class        detect.Class
	since, until time.Time
}

// Taken says what came of one webhook.
type Taken struct {
	Taken   int      `json:"taken"`   // alerts that an entry of the configuration matches
	Ignored int      `json:"ignored"` // alerts that none matches
	Targets []string `json:"targets"` // about which something changed
}

// NewBook makes an empty Book.
func NewBook() *Book { return &Book{firing: map[string]map[string]firing{}} }

// Configure replaces the entries. What fires and is still configured stays.
func (b *Book) Configure(entries []Entry, targets []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries, b.known = slices.Clone(entries), slices.Clone(targets)
	for target, list := range b.firing {
		for key, f := range list {
			still := slices.ContainsFunc(entries, func(e Entry) bool {
				return e.Name == f.name && e.Class == f.class && (e.Target == target || e.Label != "")
			})
			if !still || !slices.Contains(targets, target) {
				delete(list, key)
			}
		}
	}
}

// Take takes note of a webhook.
func (b *Book) Take(w Webhook, now time.Time) Taken {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := Taken{Targets: []string{}}
	for _, a := range w.Alerts {
		matched := false
		for _, e := range b.entries {
			target, ok := b.about(e, a)
			if !ok {
				continue
			}
			matched = true
			if b.note(e, target, a, now) && !slices.Contains(t.Targets, target) {
				t.Targets = append(t.Targets, target)
			}
		}
		if matched {
			t.Taken++
		} else {
			t.Ignored++
		}
	}
	slices.Sort(t.Targets)
	return t
}

// about names the target of which an alert speaks, by one entry.
func (b *Book) about(e Entry, a Alert) (string, bool) {
	if a.Labels[name] != e.Name {
		return "", false
	}
	target := e.Target
	if target == "" {
		target = a.Labels[e.Label]
	}
	return target, slices.Contains(b.known, target)
}

// note keeps or forgets one alert, and reports whether that changed anything.
func (b *Book) note(e Entry, target string, a Alert, now time.Time) bool {
	list := b.firing[target]
	if list == nil {
		list = map[string]firing{}
		b.firing[target] = list
	}
	key := keyOf(a)
	_, had := list[key]
	if a.Status == Resolved || !a.EndsAt.IsZero() && !a.EndsAt.After(now) {
		delete(list, key)
		return had
	}
	if !had && len(list) >= maxKept {
		return false
	}
	f := firing{name: e.Name, class: e.Class, since: a.StartsAt, until: now.Add(e.Keep)}
	if a.EndsAt.After(now) && a.EndsAt.Before(f.until) {
		f.until = a.EndsAt
	}
	list[key] = f
	return !had
}

// keyOf identifies an alert by its labels: old versions of Alertmanager send no fingerprint.
func keyOf(a Alert) string {
	if a.Fingerprint != "" {
		return a.Fingerprint
	}
	key, err := json.Marshal(a.Labels) // the keys of a map are written in order
	if err != nil {
		return a.Labels[name] // strings can always be written
	}
	return string(key)
}

// Facts are what fires about a target now: the alert that has fired longest. Nil when none does.
func (b *Book) Facts(target string, now time.Time) detect.Facts {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []firing
	for key, f := range b.firing[target] {
		if !now.Before(f.until) {
			delete(b.firing[target], key)
			continue
		}
		list = append(list, f)
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b firing) int {
		return cmp.Or(a.since.Compare(b.since), strings.Compare(a.name, b.name), strings.Compare(string(a.class), string(b.class)))
	})
	return detect.Facts{detect.AlertFiring: detect.Word(list[0].name), detect.AlertClass: detect.Word(string(list[0].class))}
}
