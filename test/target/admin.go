package main

import (
	"encoding/json"
	"net"
	"net/http"
)

// maxPoolSize is the most that the real server's POOL_MAX_SIZE may be.
const maxPoolSize = 100

// serveResize changes the size of the pool while the server runs: POST {"max_size": N}, answered with
// the size that is in force then. It is no part of the real servers: they have no such page, and neither
// has this one without -admin. Like the fault switches it is for this machine only. The fault reply with
// path=/admin makes it refuse.
func (a *app) serveResize(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !net.ParseIP(host).IsLoopback() {
		writeJSON(w, http.StatusForbidden, object{"error": "only from this machine"})
		return
	}
	var ask struct {
		MaxSize int `json:"max_size"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&ask); err != nil || ask.MaxSize < 1 || ask.MaxSize > maxPoolSize {
		badRequest(w, "the body must be {\"max_size\": NUMBER}, from 1 to %d", maxPoolSize)
		return
	}
	before := a.store.stats().max
	if err := a.store.resize(r.Context(), ask.MaxSize); err != nil {
		a.log.Error("the pool keeps its size", "max_size", before, "err", err)
		writeJSON(w, http.StatusServiceUnavailable, object{"error": err.Error(), "max_size": before})
		return
	}
	p := a.store.stats()
	a.log.Warn("the pool has another size", "before", before, "max_size", p.max)
	writeJSON(w, http.StatusOK, object{"max_size": p.max, "size": p.size, "free": p.free})
}
