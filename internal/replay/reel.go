package replay

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Name is the kind of evidence that a recording is stored as, after the time at which it began.
const Name = "recording"

// chunk is how much is collected before it is compressed. Together the compressed chunks are one gzip
// file, so that no compressor (about 1 MB each) is kept while a recording waits.
const chunk = 128 << 10

// reel is one recording in the making.
type reel struct {
	target    string
	began     time.Time
	around    []string // targets whose events matter to it
	policy    *incident.Policy
	raw       bytes.Buffer // lines not compressed yet
	done      []byte       // compressed
	cut       bool
	incidents []string // of the target, since it began
	saved     time.Time
	dirty     bool
}

// writer owns the reels.
type writer struct {
	o     Options
	reels map[string]*reel
	zip   *gzip.Writer
}

// take writes one step down where it matters.
func (w *writer) take(ctx context.Context, s step) {
	if s.interrupted {
		for _, l := range w.reels {
			w.stop(l, "steps came faster than they could be written down")
		}
	}
	if s.begin && w.running() < maxReels {
		w.begin(s)
	}
	var event, fold []byte // encoded once for all reels
	for _, l := range w.reels {
		switch {
		case l.cut:
		case s.now.Sub(l.began) > maxRecording:
			w.stop(l, fmt.Sprintf("the recording ended after %s", maxRecording))
		case s.policy != l.policy:
			l.policy = s.policy
			w.write(l, encode(Item{Config: s.config}))
			fallthrough
		default:
			if slices.Contains(l.around, s.ev.Target) {
				if event == nil {
					d := DecisionOf(s.rec)
					event = encode(Item{Now: s.now, Event: &s.ev, Got: &d})
				}
				w.write(l, event)
			} else if s.rec.Durable() {
				if fold == nil {
					f := folded(s.rec)
					fold = encode(Item{Fold: &f})
				}
				w.write(l, fold)
			}
		}
	}
	l := w.reels[s.ev.Target]
	if l == nil {
		return
	}
	if i := s.rec.Incident; i != nil && i.Target == l.target && !slices.Contains(l.incidents, i.ID) {
		l.incidents = append(l.incidents, i.ID)
	}
	if s.end {
		delete(w.reels, l.target)
	}
	if s.end || s.rec.Durable() && s.now.Sub(l.saved) >= saveEvery {
		w.save(ctx, l)
		l.saved = s.now
	}
}

// running counts the reels that still record.
func (w *writer) running() (n int) {
	for _, l := range w.reels {
		if !l.cut {
			n++
		}
	}
	return n
}

// begin starts the recording of the event's target.
func (w *writer) begin(s step) {
	l := &reel{target: s.ev.Target, began: s.now, around: around(s.policy, s.ev.Target), policy: s.policy}
	w.reels[l.target] = l
	head := Head{Format: format, Target: l.target, Config: s.config, Began: s.now, State: stateFor(s.before, l.around)}
	body, err := json.Marshal(head)
	if err != nil {
		w.stop(l, "the state could not be written: "+err.Error())
		return
	}
	w.write(l, append(body, '\n'))
}

// write adds a line.
func (w *writer) write(l *reel, line []byte) {
	if line == nil || l.cut {
		return
	}
	l.raw.Write(line)
	l.dirty = true
	if l.raw.Len() < chunk {
		return
	}
	w.pack(l)
	if len(l.done) > maxBytes {
		w.stop(l, "the recording grew too large")
	}
}

// stop ends a recording before its incident.
func (w *writer) stop(l *reel, why string) {
	if l.cut {
		return
	}
	w.write(l, encode(Item{Cut: why}))
	l.cut = true
}

// pack compresses what waits. Several compressed parts in a row are one gzip file.
func (w *writer) pack(l *reel) {
	if l.raw.Len() == 0 {
		return
	}
	var out bytes.Buffer
	if w.zip == nil {
		w.zip, _ = gzip.NewWriterLevel(&out, gzip.BestSpeed) // the level is valid
	} else {
		w.zip.Reset(&out)
	}
	_, _ = w.zip.Write(l.raw.Bytes()) // into memory: it cannot fail
	_ = w.zip.Close()
	l.done = append(l.done, out.Bytes()...)
	l.raw.Reset()
}

// save stores what is recorded so far. A target that was only suspected has no incident, and
// nothing to keep.
func (w *writer) save(ctx context.Context, l *reel) {
	if len(l.incidents) == 0 || !l.dirty {
		return
	}
	w.pack(l)
	l.dirty = false
	// Also at the end of the daemon, which a recording of what led to it must survive.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	name := l.began.UTC().Format("20060102T150405.000Z") + "/" + Name
	for _, id := range l.incidents {
		if err := w.o.Save(ctx, id, name, l.began, l.done); err != nil {
			w.o.Logger.Warn("recording of an incident not stored: it cannot be replayed", zap.String("incident", id), zap.Error(err))
		}
	}
}

func encode(i Item) []byte {
	b, err := json.Marshal(i)
	if err != nil { // a fact that is no number: the replay will show a difference there
		return nil
	}
	return append(b, '\n')
}

// around lists the targets that are connected with one by dependencies, itself included: what is
// decided about it may rest on what is seen of any of them.
func around(p *incident.Policy, target string) []string {
	list := []string{target}
	for i := 0; i < len(list); i++ {
		t, _ := p.Target(list[i])
		for _, n := range slices.Concat(t.DependsOn, p.Dependents(list[i])) {
			if !slices.Contains(list, n) {
				list = append(list, n)
			}
		}
	}
	return list
}

// stateFor is a state without what cannot matter to the named targets.
func stateFor(s incident.State, names []string) State {
	out := State{Targets: map[string]*incident.TargetState{}, Incidents: map[string]*incident.Incident{}, Host: s.Host, Seq: s.Seq}
	for name, t := range s.Targets {
		if slices.Contains(names, name) {
			out.Targets[name] = t
		} else if t.Phase != incident.Watching {
			out.Targets[name] = seenByOthers(t)
		}
	}
	for id, i := range s.Incidents {
		if !slices.Contains(names, i.Target) {
			i = seenOfIncident(i)
		}
		out.Incidents[id] = i
	}
	return out
}

// seenByOthers is what the core looks at of a target that is not connected with the one it decides
// about: whether it is being acted on.
func seenByOthers(t *incident.TargetState) *incident.TargetState {
	return &incident.TargetState{Name: t.Name, Phase: t.Phase, Incident: t.Incident, Plan: t.Plan}
}

// folded is what a decision about an unconnected target leaves behind.
func folded(r incident.Record) incident.Record {
	f := incident.Record{Seq: r.Seq, At: r.At, Target: r.Target, Host: r.Host}
	if r.After != nil {
		f.After = seenByOthers(r.After)
	}
	if i := r.Incident; i != nil {
		f.Incident = seenOfIncident(i)
	}
	return f
}

// seenOfIncident is what the core looks at of an incident of an unconnected target: whether it counts as one of a storm.
func seenOfIncident(i *incident.Incident) *incident.Incident {
	return &incident.Incident{ID: i.ID, Target: i.Target, Opened: i.Opened, Closed: i.Closed, Willed: i.Willed}
}
