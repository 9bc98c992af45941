package page

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
)

//go:embed templates static
var files embed.FS

// Options of [New]. Daemon, Feed and Logger are required.
type Options struct {
	Daemon  httpserve.Daemon
	Feed    *live.Feed
	Host    func() string                // name of this host; nil = none is shown
	Stalled func(now time.Time) []string // targets that were not looked at for too long; nil = not known
	Logger  *zap.Logger
	Zone    *time.Location // of the times shown; nil = the host's
}

// Page answers every GET that no other route takes. Safe for concurrent use.
type Page struct {
	o      Options
	mux    *http.ServeMux
	html   *template.Template
	static map[string]asset
	past   history
	drawn  drawn
}

// asset is one embedded file; its address has its sum, so that browsers may keep it for ever.
type asset struct {
	body []byte
	kind string
	sum  string
}

// contentTypes are those of the embedded files. The standard library would read the system's table of
// types, half a megabyte kept for three entries, and answer differently on another host.
var contentTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// policy allows nothing but what this server itself sends: no inline script, no inline style, no
// frame, no form, no other host.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// New builds the page. An error says that the embedded files are broken, which a test excludes.
func New(o Options) (*Page, error) {
	if o.Daemon == nil || o.Feed == nil || o.Logger == nil {
		return nil, errors.New("page: Daemon, Feed and Logger are required")
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	p := &Page{o: o, mux: http.NewServeMux(), static: map[string]asset{}}
	err := fs.WalkDir(files, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if contentTypes[path.Ext(name)] == "" {
			return fmt.Errorf("%s: a file of unknown type is embedded", name)
		}
		sum := sha256.Sum256(body)
		p.static[path.Base(name)] = asset{body, contentTypes[path.Ext(name)], hex.EncodeToString(sum[:6])}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if p.html, err = template.New("page").Funcs(p.functions()).ParseFS(files, "templates/*.html"); err != nil {
		return nil, err
	}
	p.mux.HandleFunc("GET /{$}", p.overview)
	p.mux.HandleFunc("GET /incidents", p.incidents)
	p.mux.HandleFunc("GET /incidents/{id}", p.incident)
	p.mux.HandleFunc("GET /stream", p.stream)
	p.mux.HandleFunc("GET /incidents/{id}/stream", p.incidentStream)
	p.mux.HandleFunc("GET /static/{name}", p.file)
	p.mux.HandleFunc("GET /", p.missing)
	return p, nil
}

// ServeHTTP answers with the page.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	p.mux.ServeHTTP(w, r)
}

func (p *Page) overview(w http.ResponseWriter, r *http.Request) {
	span, _ := live.SpanNamed(r.URL.Query().Get("span")) // an unknown one is the default: old links go on working
	v, g := p.view(r.Context(), time.Now(), span)
	for _, t := range g.status.Targets {
		v.Targets = append(v.Targets, p.target(t, g.state, span, g.stalled[t.Name], v.Now))
	}
	p.write(w, http.StatusOK, "overview", v)
}

// allIncidents is how many the history page shows at most.
const allIncidents = 500

func (p *Page) incidents(w http.ResponseWriter, r *http.Request) {
	v := pastView{frame: p.frame("", time.Now())}
	list, err := p.o.Daemon.Incidents(r.Context(), false, allIncidents)
	v.Past, v.PastTrouble = p.pastOf(list), trouble(err)
	v.Title = "All incidents"
	p.write(w, http.StatusOK, "incidents", v)
}

func (p *Page) incident(w http.ResponseWriter, r *http.Request) {
	v, err := p.detail(r.Context(), r.PathValue("id"), time.Now())
	if err != nil {
		p.lost(w, r, "There is no such incident", err.Error())
		return
	}
	p.write(w, http.StatusOK, "incident", v)
}

func (p *Page) missing(w http.ResponseWriter, r *http.Request) {
	p.lost(w, r, "There is nothing here", "The status page is at the root of this server.")
}

// lost answers a wrong address, however deep: the way back is relative, since a proxy may serve
// this page below a prefix of its own.
func (p *Page) lost(w http.ResponseWriter, r *http.Request, title, text string) {
	root := strings.Repeat("../", max(0, strings.Count(r.URL.EscapedPath(), "/")-1))
	v := lostView{frame: p.frame(root, time.Now()), Text: text}
	v.Title = title
	p.write(w, http.StatusNotFound, "lost", v)
}

func (p *Page) file(w http.ResponseWriter, r *http.Request) {
	a, ok := p.static[r.PathValue("name")]
	if !ok {
		p.missing(w, r)
		return
	}
	if r.URL.Query().Get("v") == a.sum {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Header().Set("Content-Type", a.kind)
	_, _ = w.Write(a.body) // the client is gone: nobody is left to tell
}

// write renders first and answers then, so that a broken template is an error and not half a
// page.
func (p *Page) write(w http.ResponseWriter, code int, name string, v any) {
	b, err := p.render(name, v)
	if err != nil {
		p.o.Logger.Error("status page cannot be rendered", zap.String("template", name), zap.Error(err))
		http.Error(w, "the page cannot be rendered, see the log of recoveryd; recoveryd status and /api/v1/status still tell", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b) // the client is gone: nobody is left to tell
}

func (p *Page) render(name string, v any) ([]byte, error) {
	var b bytes.Buffer
	if err := p.html.ExecuteTemplate(&b, name, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// readLimit bounds what one page may ask of the journal: the page must answer on a bad day too.
const readLimit = 3 * time.Second

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, readLimit)
}

func trouble(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
