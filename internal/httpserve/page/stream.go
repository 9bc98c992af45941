package page

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/httpserve/live"
)

// gather is how long changes are collected before they are sent: targets are looked at together,
// and a page that changes more often than this cannot be read.
const gather = 400 * time.Millisecond

func (p *Page) stream(w http.ResponseWriter, r *http.Request) {
	span, _ := live.SpanNamed(r.URL.Query().Get("span"))
	p.follow(w, r, "", p.overviewBoard(span))
}

func (p *Page) incidentStream(w http.ResponseWriter, r *http.Request) {
	p.follow(w, r, r.PathValue("id"), p.incidentBoard(r.PathValue("id")))
}

// follow sends "region" events with the parts that changed, "say" with one sentence for screen
// readers when something was decided (only of one incident, when one is named), and "beat" when
// all is quiet, so that the page can tell silence from a broken connection.
func (p *Page) follow(w http.ResponseWriter, r *http.Request, only string, b board) {
	f, err := p.o.Feed.Follow()
	if err != nil {
		w.Header().Set("Retry-After", "10")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer f.Stop()
	st, err := live.OpenStream(w)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s := sender{st: st, board: b, sent: map[string]string{}}
	if err := s.update(r.Context(), time.Now()); err != nil {
		p.ended(err)
		return
	}
	beat := time.NewTicker(live.Ping)
	defer beat.Stop()
	soon := time.NewTimer(0)
	soon.Stop()
	waiting := false
	for {
		select {
		case <-r.Context().Done():
			return
		case ev, more := <-f.Events():
			if !more {
				return
			}
			if !waiting {
				waiting = true
				soon.Reset(gather)
			}
			if d := ev.Decision; d != nil && d.From != d.To && (only == "" || d.Incident == only) {
				who := ev.Target
				if who != "" {
					who += ": "
				}
				err = s.say(who + phaseWords(d.To) + ". " + d.Sentence)
			}
		case <-soon.C:
			waiting = false
			err = s.update(r.Context(), time.Now())
		case <-beat.C:
			err = s.update(r.Context(), time.Now()) // the curves move on even when nothing is seen
		}
		if err != nil {
			p.ended(err)
			return
		}
	}
}

// ended notes why a stream is over: nearly always because the reader went away.
func (p *Page) ended(err error) { p.o.Logger.Debug("status stream ended", zap.Error(err)) }

// sender knows what a client has.
type sender struct {
	st    *live.Stream
	board board
	sent  map[string]string
}

// beat is the last event of every update.
type beat struct {
	Now    time.Time `json:"now"`
	Layout string    `json:"layout"`
}

func (s *sender) update(ctx context.Context, now time.Time) error {
	regions, layout, err := s.board(ctx, now)
	if err != nil {
		return err
	}
	for _, r := range regions {
		same := r.same()
		if s.sent[r.id] == same {
			continue
		}
		s.sent[r.id] = same
		if err := s.send("region", map[string]string{"id": r.id, "html": string(r.html)}); err != nil {
			return err
		}
	}
	return s.send("beat", beat{now, layout})
}

func (s *sender) say(text string) error { return s.send("say", map[string]string{"text": text}) }

func (s *sender) send(event string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.st.Send(event, b)
}
