package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
)

// receivers stand in for PagerDuty and Slack: they check what arrives against the vendors'
// documented contracts, and keep it in one log.
type receivers struct {
	log              escalatetest.Log
	pagerduty        *escalatetest.PagerDuty
	slack            *escalatetest.Slack
	pdAddr, slackURL string // base addresses
	logURL           string
	servers          []*http.Server
}

func newReceivers() (*receivers, error) {
	r := &receivers{}
	r.pagerduty = escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{Keys: []string{escalatetest.PagerDutyKey}, Log: &r.log})
	r.slack = escalatetest.NewSlack(escalatetest.SlackOptions{Log: &r.log})
	var err error
	for _, x := range []struct {
		url *string
		h   http.Handler
	}{{&r.pdAddr, r.pagerduty}, {&r.slackURL, r.slack}, {&r.logURL, &r.log}} {
		if *x.url, err = r.serve(x.h); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	return r, nil
}

func (r *receivers) serve(h http.Handler) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("local receiver: %w", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	r.servers = append(r.servers, srv)
	go func() { _ = srv.Serve(l) }() // ends with close
	return "http://" + l.Addr().String(), nil
}

func (r *receivers) close() error {
	var errs []error
	for _, s := range r.servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// since returns what arrived after the first n entries.
func (r *receivers) since(n int) []escalatetest.Entry {
	all := r.log.Entries()
	return all[min(n, len(all)):]
}

// count is how much has arrived so far.
func (r *receivers) count() int { return len(r.log.Entries()) }

// freeAddr finds a port that is free now.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	addr := l.Addr().String()
	return addr, l.Close()
}
