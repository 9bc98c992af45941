package page

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
)

// region is one part of a page that is replaced as a whole when it changes.
type region struct {
	id   string
	html []byte
}

// ages are written for those without JavaScript; page.js counts them on by itself, so they are no
// reason to send a region again.
var ages = regexp.MustCompile(`(<time class="age"[^>]*>)[^<]*(</time>)`)

// same is a region's HTML without what changes by the mere passing of time.
func (r region) same() string { return string(ages.ReplaceAll(r.html, []byte("$1$2"))) }

// board renders the regions of one page.
type board func(ctx context.Context, now time.Time) ([]region, string, error)

// overviewBoard renders the overview; its second result is the layout.
func (p *Page) overviewBoard(span live.Span) board {
	return func(ctx context.Context, now time.Time) ([]region, string, error) {
		v, g := p.view(ctx, now, span)
		var out []region
		for _, name := range []string{"head", "open", "runs", "graph", "holds", "past"} {
			b, err := p.render(name, v)
			if err != nil {
				return nil, "", fmt.Errorf("render %s: %w", name, err)
			}
			out = append(out, region{name, b})
		}
		for _, t := range g.status.Targets {
			b, err := p.drawn.target(p, t, g, span, v.Now)
			if err != nil {
				return nil, "", fmt.Errorf("render %s: %w", t.Name, err)
			}
			out = append(out, region{anchor(t.Name), b})
		}
		return out, v.Layout, nil
	}
}

// drawn remembers how each target was rendered, for all who follow: of a hundred targets only
// those that were looked at are drawn anew.
type drawn struct {
	mu   sync.Mutex // guards what follows
	html map[string]drawing
}

// drawing is one rendered target, and all that it depends on.
type drawing struct {
	versions      [2]uint64
	slot          time.Time // the curves move on with the slots
	stalled, held bool
	html          []byte
}

func (d *drawn) target(p *Page, t httpserve.Target, g glance, span live.Span, now time.Time) ([]byte, error) {
	is := drawing{versions: g.versions[t.Name], slot: now.Truncate(span.Slot), stalled: g.stalled[t.Name], held: standing(t.Hold, now)}
	key := span.Name + " " + t.Name
	d.mu.Lock()
	was, ok := d.html[key]
	d.mu.Unlock()
	if ok && was.same(is) {
		return was.html, nil
	}
	b, err := p.render("target", stamped{now, p.target(t, g.state, span, is.stalled, now)})
	if err != nil {
		return nil, err
	}
	is.html = b
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.html == nil || len(d.html) > 4*len(g.status.Targets)+16 { // reloads have left targets behind
		d.html = map[string]drawing{}
	}
	d.html[key] = is
	return b, nil
}

func (d drawing) same(o drawing) bool {
	return d.versions == o.versions && d.slot.Equal(o.slot) && d.stalled == o.stalled && d.held == o.held
}

// incidentBoard renders the page of one incident.
func (p *Page) incidentBoard(id string) board {
	return func(ctx context.Context, now time.Time) ([]region, string, error) {
		v, err := p.detail(ctx, id, now)
		if err != nil {
			return nil, "", err
		}
		b, err := p.render("detail", v)
		return []region{{"detail", b}}, v.Layout, err
	}
}
