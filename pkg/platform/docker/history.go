package docker

import (
	"slices"
	"sync"
	"time"

	"github.com/moby/moby/api/types/events"
)

// history remembers the last events of each container, and when we acted on it: the runtime does not tell who asked.
// Both have the clock of this host.
type history struct {
	mu         sync.Mutex // guards everything that follows
	containers map[string]*memory
	awayFrom   time.Time
	awayTo     time.Time
	kills      []kill // the last requests to end any container
}

// kill is a request to end a container.
type kill struct {
	id string
	at time.Time
}

type memory struct {
	events []happening
	own    []span
	asked  time.Time // end of the run whose events were asked for, so that it is done once
}

type span struct{ from, until time.Time }

func (s span) covers(at time.Time) bool { return !at.Before(s.from) && !at.After(s.until) }

const (
	// keepEvents is enough for one end of a container with its causes, and for some before it.
	keepEvents = 32
	keepSpans  = 8
	keepKills  = 64
	// keepContainers bounds what is remembered where containers come and go: one target has one or two at a time.
	keepContainers = 2048
)

func (h *history) of(id string) *memory {
	m := h.containers[id]
	if m == nil {
		if len(h.containers) >= keepContainers {
			clear(h.containers) // they are known again by what the runtime remembers
		}
		m = &memory{}
		h.containers[id] = m
	}
	return m
}

// add remembers an event; false = it is known already.
func (h *history) add(m events.Message) bool {
	e := happeningOf(m)
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.of(m.Actor.ID)
	at := len(c.events)
	for at > 0 && c.events[at-1].at.After(e.at) {
		at--
	}
	for i := at - 1; i >= 0 && c.events[i].at.Equal(e.at); i-- {
		if c.events[i].what == e.what {
			return false
		}
	}
	c.events = slices.Insert(c.events, at, e)
	if over := len(c.events) - keepEvents; over > 0 {
		c.events = slices.Delete(c.events, 0, over)
	}
	return true
}

// acting says that an action of ours on a container begins, which may take until limit; the returned function must be
// called when its end was seen.
func (h *history) acting(id string, from, limit time.Time) (over func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.of(id)
	m.own = append(m.own, span{from, limit})
	if n := len(m.own) - keepSpans; n > 0 {
		m.own = slices.Delete(m.own, 0, n)
	}
	return func() {
		now := time.Now()
		h.mu.Lock()
		defer h.mu.Unlock()
		for i := range m.own {
			if m.own[i].from.Equal(from) {
				m.own[i].until = now
			}
		}
	}
}

// past is what is known of a container.
func (h *history) past(id string) past {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := past{awayFrom: h.awayFrom, awayTo: h.awayTo}
	if m := h.containers[id]; m != nil {
		p.events, p.own = slices.Clone(m.events), slices.Clone(m.own)
		for i := range p.events {
			p.events[i].ours = p.acted(p.events[i].at)
		}
	}
	return p
}

// lacks reports whether the end of a run is not known from events, and the runtime should be asked for them: once it was asked, only
// while the event may still be on its way.
func (h *history) lacks(id string, began, ended time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.of(id)
	if dieAt(m.events, began, ended) >= 0 || m.asked.Equal(ended) && time.Since(ended) > sameEnd {
		return false
	}
	m.asked = ended
	return true
}

// wasKilled remembers who was told to end, of all containers.
func (h *history) wasKilled(id string, e happening) {
	if e.what != events.ActionKill || !ends(e.signal) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kills = append(h.kills, kill{id, e.at})
	if over := len(h.kills) - keepKills; over > 0 {
		h.kills = slices.Delete(h.kills, 0, over)
	}
}

const (
	// shutdown is how long before the end of its connections a runtime begins to stop its containers (dockerd: 15 s).
	shutdown = 15 * time.Second
	// together is how far apart the runtime's first requests to its containers lie: 0.1 s is seen.
	together = time.Second
)

// away says that the runtime itself was away. When it ends it stops its containers first, all at once and with the same events as a
// person would: two or more that were told to end together shortly before are its own doing.
func (h *history) away(lost, back time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.awayFrom, h.awayTo = lost, back
	for i, a := range h.kills {
		if a.at.Before(lost.Add(-shutdown)) || a.at.After(lost) {
			continue
		}
		if slices.ContainsFunc(h.kills[i+1:], func(b kill) bool { return b.id != a.id && apart(a.at, b.at) < together }) {
			h.awayFrom = a.at.Add(-together) // a program may have ended before the event of its signal is written
			return
		}
	}
}

// inherit takes over what another history knows.
func (h *history) inherit(from *history) {
	from.mu.Lock()
	defer from.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.awayFrom, h.awayTo, h.kills = from.awayFrom, from.awayTo, slices.Clone(from.kills)
	for id, m := range from.containers {
		h.containers[id] = &memory{events: slices.Clone(m.events), own: slices.Clone(m.own), asked: m.asked}
	}
}
