package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// app is the running server.
type app struct {
	log       *slog.Logger
	cfg       settings
	started   time.Time
	behaviour *behaviour
	faults    *faultSet
	store     store // set before anything is served
	front     *front
	mcp       *mcp.Server
}

func newApp(log *slog.Logger, cfg settings) *app {
	a := &app{log: log, cfg: cfg, started: time.Now(), behaviour: &behaviour{}}
	a.faults = newFaultSet(a.kinds())
	a.mcp = a.newMCPServer()
	return a
}

// handler is everything that the server's own port answers, with or without the admin API.
func (a *app) handler(admin bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health/status", func(w http.ResponseWriter, r *http.Request) {
		// 200 whatever the status is, as in the real contract.
		writeJSON(w, http.StatusOK, shape(a.behaviour.healthVariant(), a.check(r.Context())))
	})
	mux.HandleFunc("POST /search", a.serveSearch)
	mux.HandleFunc("POST /documents", a.serveAdd)
	mux.Handle("/mcp", mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return a.mcp }, nil))
	mux.Handle("GET /metrics", a.metrics())
	if admin {
		mux.HandleFunc("POST /admin/pool/resize", a.serveResize)
	}
	return a.behaviour.misbehave(mux)
}

func (a *app) serveSearch(w http.ResponseWriter, r *http.Request) {
	ask := searchInput{}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&ask); err != nil {
		badRequest(w, "the body must be {\"query\": TEXT, \"limit\": NUMBER}: %v", err)
		return
	}
	out, err := a.search(r.Context(), ask)
	if err != nil {
		writeJSON(w, http.StatusServiceUnavailable, object{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, out)
}

// serveAdd answers 201 only when the document is committed.
func (a *app) serveAdd(w http.ResponseWriter, r *http.Request) {
	var d document
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&d); err != nil {
		badRequest(w, "the body must be {\"title\": TEXT, \"body\": TEXT}: %v", err)
		return
	}
	id, err := a.store.add(r.Context(), d.Title, d.Body)
	if err != nil {
		writeJSON(w, http.StatusServiceUnavailable, object{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusCreated, object{"id": id})
}

// metrics serves a few of the names that the real server's documents promise.
func (a *app) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	gauge := func(name, help string, get func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, get))
	}
	gauge("codebase_mcp_pool_connections_total", "Connections open now.", func() float64 { return float64(a.store.stats().size) })
	gauge("codebase_mcp_pool_connections_idle", "Connections idle now.", func() float64 { return float64(a.store.stats().free) })
	gauge("codebase_mcp_uptime_seconds", "Seconds since the start.", func() float64 { return a.uptime().Seconds() })
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

// controlHandler is what the control endpoint answers.
func (a *app) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		p := a.store.stats()
		writeJSON(w, http.StatusOK, object{
			"pid": os.Getpid(), "started": a.started, "faults": a.faults.list(),
			"pool": object{"size": p.size, "min_size": p.min, "max_size": p.max, "free": p.free},
		})
	})
	mux.HandleFunc("POST /faults/{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := a.faults.set(r.PathValue("name"), r.URL.Query()); err != nil {
			badRequest(w, "%v", err)
			return
		}
		a.log.Warn("fault switched on", "fault", r.PathValue("name"), "parameters", r.URL.RawQuery)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /faults/{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := a.faults.clear(r.PathValue("name")); err != nil {
			badRequest(w, "%v", err)
			return
		}
		a.log.Warn("fault switched off", "fault", r.PathValue("name"))
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) {
		a.faults.clearAll()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error here means that the client has left
}
