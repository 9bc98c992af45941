// Command fakevendors runs fake PagerDuty, Slack, Statuspage, Alertmanager, webhook and mail
// servers beside a daemon, for acceptance tests and demonstrations.
//
// It enforces the vendors' documented contracts (package escalatetest), keeps everything it
// receives, and fails on demand:
//
//	fakevendors -control 127.0.0.1:9100 -pagerduty 127.0.0.1:9101 -slack 127.0.0.1:9102
//	curl -s 127.0.0.1:9100/__log?vendor=pagerduty
//	curl -s 127.0.0.1:9100/__fault -d '{"vendor":"slack","mode":"rate-limit","retry_after":"30"}'
//
// A vendor whose flag is empty does not run; "127.0.0.1:0" takes a free port. When all listen,
// one line of JSON with the addresses is printed. It ends on SIGINT or SIGTERM. It must never be
// reachable from other hosts and refuses to listen on anything but loopback.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fakevendors:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	control, pagerduty, slack, statuspage, alertmanager, webhook, smtp string

	perMinute, perSecond, pagePerMinute int
	smtpTLS                             string
	smtpAuth, unsigned                  bool
	certFile                            string
}

func flags(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("fakevendors", flag.ContinueOnError)
	f.StringVar(&o.control, "control", "127.0.0.1:9100", "address of GET /__log, DELETE /__log, POST /__fault, GET /__state, POST /__ack")
	f.StringVar(&o.pagerduty, "pagerduty", "", "address of the fake Events API v2; routing keys: any 32 letters and digits")
	f.StringVar(&o.slack, "slack", "", "address of the fake Slack; api_url is http://ADDR/api, the token "+escalatetest.SlackToken+", the channel "+escalatetest.SlackChannelName+", the webhook http://ADDR"+escalatetest.SlackHookPath)
	f.StringVar(&o.statuspage, "statuspage", "", "address of the fake Statuspage; api_key "+escalatetest.StatuspageKey+", page_id "+escalatetest.StatuspageID)
	f.StringVar(&o.alertmanager, "alertmanager", "", "address of the fake Alertmanager")
	f.StringVar(&o.webhook, "webhook", "", "address of the fake receiver of signed webhooks; secret "+escalatetest.WebhookSecret)
	f.StringVar(&o.smtp, "smtp", "", "address of the fake mail server; login "+escalatetest.SMTPUser+" / "+escalatetest.SMTPPassword)
	f.IntVar(&o.perMinute, "pagerduty-per-minute", 120, "rate limit per routing key; 0 for none")
	f.IntVar(&o.perSecond, "slack-per-second", 0, "rate limit per channel; 0 for none")
	f.IntVar(&o.pagePerMinute, "statuspage-per-minute", 60, "rate limit of the page; 0 for none")
	f.StringVar(&o.smtpTLS, "smtp-tls", "", "empty, starttls or implicit")
	f.BoolVar(&o.smtpAuth, "smtp-auth", false, "want authentication")
	f.StringVar(&o.certFile, "smtp-cert", "", "write the mail server's certificate to this file")
	f.BoolVar(&o.unsigned, "webhook-unsigned", false, "take unsigned webhooks too")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := flags(args)
	if err != nil {
		return err
	}
	log := new(escalatetest.Log)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	addresses := map[string]string{}
	set := map[string]func(escalatetest.Fault){}

	serve := func(name, addr string, h http.Handler) error {
		l, err := listen(addr)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		addresses[name] = l.Addr().String()
		s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
		g.Go(func() error {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			return s.Close()
		})
		return nil
	}

	pd := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{PerMinute: o.perMinute, Log: log})
	sl := escalatetest.NewSlack(escalatetest.SlackOptions{PerSecond: o.perSecond, Log: log})
	sp := escalatetest.NewStatuspage(escalatetest.StatuspageOptions{PerMinute: o.pagePerMinute, Log: log})
	am := escalatetest.NewAlertmanager(escalatetest.AlertmanagerOptions{Log: log})
	wh := escalatetest.NewWebhook(escalatetest.WebhookOptions{Unsigned: o.unsigned, Log: log})
	mx, err := escalatetest.NewSMTP(escalatetest.SMTPOptions{TLS: o.smtpTLS, Auth: o.smtpAuth, Log: log})
	if err != nil {
		return err
	}
	if o.certFile != "" {
		if err := os.WriteFile(o.certFile, mx.CertPEM(), 0o644); err != nil {
			return fmt.Errorf("write certificate: %w", err)
		}
	}
	start := func() error {
		for _, v := range []struct {
			name, addr string
			h          http.Handler
			set        func(escalatetest.Fault)
		}{
			{"pagerduty", o.pagerduty, pd, pd.Set},
			{"slack", o.slack, sl, sl.Set},
			{"statuspage", o.statuspage, sp, sp.Set},
			{"alertmanager", o.alertmanager, am, am.Set},
			{"webhook", o.webhook, wh, wh.Set},
		} {
			if v.addr == "" {
				continue
			}
			set[v.name] = v.set
			if err := serve(v.name, v.addr, v.h); err != nil {
				return err
			}
		}
		if o.smtp != "" {
			l, err := listen(o.smtp)
			if err != nil {
				return fmt.Errorf("smtp: %w", err)
			}
			addresses["smtp"], set["smtp"] = l.Addr().String(), mx.Set
			g.Go(func() error {
				if err := mx.Serve(l); ctx.Err() == nil {
					return fmt.Errorf("smtp: %w", err)
				}
				return nil
			})
			g.Go(func() error {
				<-ctx.Done()
				return l.Close()
			})
		}
		control := http.NewServeMux()
		control.Handle("/__log", log)
		control.Handle("/__fault", escalatetest.FaultHandler(set))
		control.HandleFunc("GET /__state", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{ // a reader that has gone: nothing to do
				"pagerduty": pd.Alerts(), "changes": pd.Changes(), "slack": sl.Messages(), "statuspage": sp.Incidents(),
				"alertmanager": am.Alerts(), "smtp": mx.Mails(), "webhook": wh.Received(),
			})
		})
		control.HandleFunc("POST /__ack", func(w http.ResponseWriter, r *http.Request) {
			if !pd.Acknowledge(r.FormValue("dedup_key")) {
				http.Error(w, "no triggered PagerDuty alert with this dedup_key", http.StatusNotFound)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
		return serve("control", o.control, control)
	}
	if err := start(); err != nil {
		cancel()
		return errors.Join(err, g.Wait())
	}
	if err := json.NewEncoder(out).Encode(addresses); err != nil {
		return err
	}
	return g.Wait()
}

// listen listens on a loopback address only: the fakes know no access control.
func listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%s is not a loopback address", addr)
	}
	return net.Listen("tcp", addr)
}
