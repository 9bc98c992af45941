package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// wrongReplies are the answers of a server that is not the one we think, or is not well.
func wrongReplies() map[string]http.HandlerFunc {
	text := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	return map[string]http.HandlerFunc{
		// The bodies of not-found and rate-limited are those of task-mcp-http.
		"not-found": func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, http.StatusNotFound, object{
				"message": "Route " + r.Method + ":" + r.URL.Path + " not found", "error": "Not Found", "statusCode": 404,
			})
		},
		"rate-limited": func(w http.ResponseWriter, _ *http.Request) { rateLimited(w, 59*time.Second) },
		"html":         text(http.StatusOK, "text/html; charset=utf-8", "<!DOCTYPE html><html><body><h1>Welcome to nginx!</h1></body></html>\n"),
		"garbage":      text(http.StatusOK, "application/json", "\x00\xff not json at all {{{"),
		"truncated": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "400") // more than follows: the connection is cut
			_, _ = io.WriteString(w, `{"status":"healthy","database_status":"conn`)
		},
		"empty":        text(http.StatusOK, "application/json", ""),
		"unauthorized": text(http.StatusUnauthorized, "application/json", `{"error":"missing token"}`),
		"forbidden":    text(http.StatusForbidden, "application/json", `{"error":"not allowed"}`),
		"redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://login.invalid/")
			w.WriteHeader(http.StatusFound)
		},
		"server-error": text(http.StatusInternalServerError, "text/plain", "Internal Server Error\n"),
		"too-large":    text(http.StatusOK, "application/json", `{"status":"healthy","filler":"`+strings.Repeat("x", 8<<20)+`"}`),
		"reset": func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler) // net/http closes the connection without an answer
		},
	}
}

func replyKinds() []string { return slices.Sorted(maps.Keys(wrongReplies())) }

// rateLimited answers as task-mcp-http does: 500 and not 429, hint and all.
func rateLimited(w http.ResponseWriter, after time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	w.Header().Set("X-RateLimit-Remaining", "0")
	writeJSON(w, http.StatusInternalServerError, object{
		"code": "RATE_LIMIT_EXCEEDED", "message": "Rate limit exceeded",
		"hint": "Try again in NaN seconds", "retryAfter": "1 minute",
	})
}

// limiter counts requests in fixed windows.
type limiter struct {
	requests int
	window   time.Duration

	mu    sync.Mutex
	since time.Time
	used  int
}

func newLimiter(requests int, window time.Duration) *limiter {
	return &limiter{requests: requests, window: window}
}

// take returns 0 when a request is within the limit, else how long to wait.
func (l *limiter) take(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= l.window {
		l.since, l.used = now, 0
	}
	l.used++
	if l.used <= l.requests {
		return 0
	}
	return l.since.Add(l.window).Sub(now)
}

// misbehave puts the faults of answering before the real routes.
func (b *behaviour) misbehave(next http.Handler) http.Handler {
	wrong := wrongReplies()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wedge := b.wedge(); wedge != nil {
			select {
			case <-wedge: // switched off: answer after all
			case <-r.Context().Done(): // the client has left
				panic(http.ErrAbortHandler)
			}
		}
		wait(r.Context(), b.replyDelay())
		if f := b.replyFault(); f != nil && strings.HasPrefix(r.URL.Path, f.path) {
			wrong[f.kind](w, r)
			return
		}
		if l := b.rateLimiter(); l != nil {
			if after := l.take(time.Now()); after > 0 {
				rateLimited(w, after)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func badRequest(w http.ResponseWriter, format string, args ...any) {
	writeJSON(w, http.StatusBadRequest, object{"error": fmt.Sprintf(format, args...)})
}
