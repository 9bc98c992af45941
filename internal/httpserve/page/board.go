package page

import (
	"context"
	"fmt"
	"regexp"
	"time"

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
		v := p.view(ctx, now, span)
		var out []region
		add := func(id, template string, data any) error {
			b, err := p.render(template, data)
			if err != nil {
				return fmt.Errorf("render %s: %w", id, err)
			}
			out = append(out, region{id, b})
			return nil
		}
		for _, name := range []string{"head", "open", "graph", "holds", "past"} {
			if err := add(name, name, v); err != nil {
				return nil, "", err
			}
		}
		for _, t := range v.Targets {
			if err := add(t.Anchor, "target", stamped{v.Now, t}); err != nil {
				return nil, "", err
			}
		}
		return out, v.Layout, nil
	}
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
