package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// kinds builds the table of faults described at the top of faults.go.
func (a *app) kinds() map[string]kind {
	b := a.behaviour
	delay := func(fallback string, field *time.Duration) kind {
		return kind{defaults: map[string]string{"delay": fallback}, start: func(p params) (func(), error) {
			d := p.duration("delay")
			if p.err != nil {
				return nil, p.err
			}
			return b.change(func() { *field = d }, func() { *field = 0 }), nil
		}}
	}
	return map[string]kind{
		"wedge": {start: func(params) (func(), error) {
			return b.change(func() { b.wedged = make(chan struct{}) }, func() { close(b.wedged); b.wedged = nil }), nil
		}},
		"ignore-term": {start: func(params) (func(), error) {
			return b.change(func() { b.ignoreTerm = true }, func() { b.ignoreTerm = false }), nil
		}},
		"latency":          delay("3s", &b.latency),
		"database-latency": delay("400ms", &b.dbLatency),
		"start-delay":      delay("5s", &b.beginDelay),
		"reply": {defaults: map[string]string{"kind": "html", "path": "/"}, start: func(p params) (func(), error) {
			r := &replyFault{kind: p.oneOf("kind", replyKinds()...), path: p.text("path")}
			if p.err != nil {
				return nil, p.err
			}
			return b.change(func() { b.reply = r }, func() { b.reply = nil }), nil
		}},
		"rate-limit": {defaults: map[string]string{"requests": "60", "window": "1m"}, start: func(p params) (func(), error) {
			l := newLimiter(p.number("requests", 0, 1_000_000), p.duration("window"))
			if p.err != nil {
				return nil, p.err
			}
			return b.change(func() { b.limiter = l }, func() { b.limiter = nil }), nil
		}},
		"variant": {defaults: map[string]string{"name": "A"}, start: func(p params) (func(), error) {
			name := p.oneOf("name", "A", "B", "C", "D", "E", "F", "G")
			if p.err != nil {
				return nil, p.err
			}
			return b.change(func() { b.variant = name }, func() { b.variant = "" }), nil
		}},
		"status": {defaults: map[string]string{"value": "unhealthy"}, start: func(p params) (func(), error) {
			return b.change(func() { b.status = p.text("value") }, func() { b.status = "" }), nil
		}},
		"database": {defaults: map[string]string{"state": "stopped"}, running: true, start: func(p params) (func(), error) {
			if _, ok := a.store.(*simulatedStore); !ok {
				return nil, errors.New("only a simulated database has this fault: stop or freeze the real one")
			}
			state := p.oneOf("state", "stopped", "frozen")
			if p.err != nil {
				return nil, p.err
			}
			return b.change(func() { b.simulated = state }, func() { b.simulated = "" }), nil
		}},
		"pool-leak": {
			defaults: map[string]string{"count": "10", "mode": string(holdIdle), "stuck": "false"}, running: true,
			start: func(p params) (func(), error) {
				count, mode := p.number("count", 1, 1000), p.text("mode")
				p.oneOf("stuck", "true", "false")
				if p.err != nil {
					return nil, p.err
				}
				how, err := parseHoldMode(mode)
				if err != nil {
					return nil, err
				}
				return a.store.hold(count, how)
			},
		},
		"close-listener": {running: true, start: func(params) (func(), error) { return a.front.closeListener() }},
		"memory-leak": {defaults: map[string]string{"rate": "16", "limit": "128"}, start: func(p params) (func(), error) {
			rate, limit := p.number("rate", 1, 1<<16), p.number("limit", 1, 1<<20)
			if p.err != nil {
				return nil, p.err
			}
			return leakMemory(rate, limit, func(err error) { a.log.Error("the leak ended early", "err", err) }), nil
		}},
		"file-leak": {defaults: map[string]string{"count": "100"}, start: func(p params) (func(), error) {
			count := p.number("count", 1, 1<<20)
			if p.err != nil {
				return nil, p.err
			}
			return leakFiles(count)
		}},
		"crash": {
			defaults: map[string]string{"how": "exit", "code": "3", "delay": "0s"}, running: true,
			start: func(p params) (func(), error) { return a.crash(p) },
		},
	}
}

// crash ends the process after the delay, in the background, so that the control endpoint can answer.
func (a *app) crash(p params) (func(), error) {
	how := p.oneOf("how", "exit", "clean", "kill", "abort", "term")
	code, delay := p.number("code", 0, 255), p.duration("delay")
	if p.err != nil {
		return nil, p.err
	}
	// Even at once leaves time for the answer of the control endpoint to be written.
	timer := time.AfterFunc(max(delay, 20*time.Millisecond), func() {
		a.log.Error("crashing: a fault is switched on", "how", how, "code", code)
		switch how {
		case "exit":
			os.Exit(code)
		case "clean":
			os.Exit(0)
		}
		sig := map[string]syscall.Signal{"kill": syscall.SIGKILL, "abort": syscall.SIGABRT, "term": syscall.SIGTERM}[how]
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			panic(fmt.Sprintf("cannot signal myself: %v", err))
		}
	})
	return func() { timer.Stop() }, nil
}
