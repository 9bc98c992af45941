// Package alertmanager raises notices as alerts of a Prometheus Alertmanager, by its v2 API.
//
// It decides the labels that make an alert, which stay the same from trigger to resolve because
// the receipt carries them: an alert is its labels, and a changed one would be a second alert. A
// firing alert carries an end in the future (Hold), so that an alert does not outlive a daemon
// that died; the receipt says when it wants to be repeated (notice.ReceiptResend), and the outbox does. Every Alertmanager of a
// cluster is told, and one that took it is enough. It never retries.
//
// Start reading at [Config], then [Notifier.Notify].
package alertmanager

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// DefaultHold is how long an alert fires without being repeated. It is repeated after a third of it,
// so that an alert ends by itself a day after recoveryd was switched off for good.
const DefaultHold = 24 * time.Hour

// Config is a channel's section.
type Config struct {
	// URLs are the Alertmanagers of one cluster, such as http://127.0.0.1:9093.
	URLs []string `yaml:"urls" example:"[http://127.0.0.1:9093]"`
	// Username and Password are for basic authentication; Token is a bearer token instead.
	Username string `yaml:"username" example:"recoveryd"`
	// Password of the basic authentication.
	Password string `yaml:"password" secret:"true"`
	// Token is a bearer token, in place of username and password.
	Token string `yaml:"token" secret:"true"`
	// Labels are added to every alert, for Alertmanager's routes.
	Labels map[string]string `yaml:"labels" example:"{team: platform}"`
	// Hold is how long an alert fires without being repeated. 0: 24h.
	Hold time.Duration `yaml:"hold" shown:"24h" example:"24h"`
	// Templates overrides texts: title is the annotation summary, text is description.
	Templates notice.Templates `yaml:"templates"`
	// HTTP says how Alertmanager is reached.
	HTTP wire.Config `yaml:"http"`
}

// Keys of the receipt.
const (
	receiptLabels = "labels" // JSON of the labels that the alert has
	receiptStart  = "starts_at"
)

// maxText bounds an annotation, in bytes: Alertmanager has no limit, what it feeds has.
const maxText = 16_000

// Notifier tells one cluster. It is immutable and safe for concurrent use.
type Notifier struct {
	client   *wire.Client
	urls     []*url.URL
	auth     wire.Secret // value of the Authorization header, "" for none
	labels   map[string]string
	hold     time.Duration
	messages *notice.Messages
}

var (
	_ notice.Notifier  = (*Notifier)(nil)
	_ notice.Previewer = (*Notifier)(nil)
)

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// New makes a notifier from its decoded section. The error names every problem.
func New(decode func(any) error) (notice.Notifier, error) {
	var cfg Config
	if err := decode(&cfg); err != nil {
		return nil, err
	}
	n := &Notifier{labels: maps.Clone(cfg.Labels), hold: cfg.Hold}
	var errs []error
	if len(cfg.URLs) == 0 {
		errs = append(errs, errors.New("urls: missing; name every Alertmanager of the cluster, such as http://127.0.0.1:9093"))
	}
	secrets := []string{cfg.Password, cfg.Token}
	for i, s := range cfg.URLs {
		u, err := url.Parse(strings.TrimSuffix(s, "/"))
		if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") {
			errs = append(errs, fmt.Errorf("urls[%d]: not a URL such as http://127.0.0.1:9093 (a login goes to username and password)", i))
			continue
		}
		n.urls = append(n.urls, u.JoinPath("api", "v2", "alerts"))
	}
	switch basic := cfg.Username != "" || cfg.Password != ""; {
	case basic && cfg.Token != "":
		errs = append(errs, errors.New("token: set either this, or username and password"))
	case basic && (cfg.Username == "" || cfg.Password == ""):
		errs = append(errs, errors.New("username: a login needs both username and password"))
	case basic:
		pair := base64.StdEncoding.EncodeToString([]byte(cfg.Username + ":" + cfg.Password))
		secrets = append(secrets, pair)
		n.auth = wire.NewSecret("Basic " + pair)
	case cfg.Token != "":
		n.auth = wire.NewSecret("Bearer " + cfg.Token)
	}
	for name := range cfg.Labels {
		if !labelName.MatchString(name) {
			errs = append(errs, fmt.Errorf("labels: %q cannot be the name of a label", name))
		}
	}
	switch {
	case cfg.Hold == 0:
		n.hold = DefaultHold
	case cfg.Hold < time.Minute:
		errs = append(errs, errors.New("hold: at least 1m, or an alert ends before it can be repeated"))
	}
	var err error
	n.messages, err = notice.NewMessages(cfg.Templates)
	errs = append(errs, err)
	n.client, err = wire.New("alertmanager", cfg.HTTP, n.urls, secrets...)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return n, nil
}

// alert is one element of the body of POST /api/v2/alerts.
type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations,omitzero"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitzero"`
}

// Notify implements notice.Notifier. A change is not told: it is no alert.
func (n *Notifier) Notify(ctx context.Context, d notice.Delivery) (notice.Receipt, error) {
	if d.Notice.Kind == notice.Change {
		return maps.Clone(d.Prior), nil
	}
	alerts := n.alerts(d)
	body, err := json.Marshal(alerts)
	if err != nil {
		return nil, n.client.Final(notice.ReasonRejected, err)
	}
	// Every member is told, as Prometheus does; the first one that took it makes it a success,
	// since the members tell each other.
	var errs []error
	took := false
	for _, u := range n.urls {
		if err := n.post(ctx, u, body); err != nil {
			errs = append(errs, err)
			continue
		}
		took = true
	}
	if !took {
		for _, err := range errs {
			if _, ok := errors.AsType[*notice.RetryError](err); ok {
				return nil, err
			}
		}
		return nil, errs[0]
	}
	labels, err := json.Marshal(alerts[0].Labels)
	if err != nil {
		return nil, n.client.Final(notice.ReasonRejected, err)
	}
	r := notice.Receipt{receiptLabels: string(labels), receiptStart: alerts[0].StartsAt.Format(time.RFC3339Nano)}
	if d.Notice.Kind != notice.Resolve {
		r[notice.ReceiptResend] = alerts[0].EndsAt.Add(-n.hold + n.hold/3).Format(time.RFC3339)
	}
	return r, nil
}

func (n *Notifier) post(ctx context.Context, u *url.URL, body []byte) error {
	req, err := http.NewRequest(http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return n.client.Final(notice.ReasonConfig, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if a := n.auth.Reveal(); a != "" {
		req.Header.Set("Authorization", a)
	}
	reply, err := n.client.Do(ctx, req)
	if err != nil {
		return err
	}
	if err := n.client.Verdict(u, reply, wire.Rules{Accept: []int{http.StatusOK}}); err != nil {
		return err
	}
	return n.client.Accept(u, reply, wire.Acceptance{}) // the real one says nothing at all
}

// Preview implements notice.Previewer.
func (n *Notifier) Preview(d notice.Delivery) ([]byte, error) {
	if d.Notice.Kind == notice.Change {
		return []byte("(nothing: a change is no alert)\n"), nil
	}
	return json.MarshalIndent(n.alerts(d), "", "  ")
}

// alerts renders d: the alert, and before a change of labels the end of the old one.
func (n *Notifier) alerts(d notice.Delivery) []alert {
	no := d.Notice
	at := no.At.UTC()
	if at.Year() < 1970 { // a zero time would mean "now" there, for the start and for the end
		at = time.Now().UTC()
	}
	from := at // a page that was delivered late fires all the same
	if now := time.Now().UTC(); now.Sub(at) > n.hold/3 {
		from = now
	}
	a := alert{Labels: n.labelsOf(no), StartsAt: no.Since.UTC(), EndsAt: from.Add(n.hold)}
	if a.StartsAt.Year() < 1970 || a.StartsAt.After(at) {
		a.StartsAt = at // an end before the start is refused
	}
	var was map[string]string
	if json.Unmarshal([]byte(d.Prior[receiptLabels]), &was) != nil || len(was) == 0 {
		was = nil
	}
	if start, err := time.Parse(time.RFC3339Nano, d.Prior[receiptStart]); err == nil && was != nil && start.Before(a.StartsAt) {
		a.StartsAt = start
	}
	a.Annotations = map[string]string{
		"summary":     notice.CutBytes(n.messages.Title(no), maxText/4),
		"description": notice.CutBytes(n.messages.Text(no), maxText),
		"status":      text(string(no.Status)), "incident": text(no.Incident), "next": text(no.Next),
	}
	if u, err := url.Parse(no.Link); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
		a.GeneratorURL = u.String()
	}
	if no.Runbook != "" {
		a.Annotations["runbook_url"] = text(no.Runbook) // as rules of Prometheus name it; receivers' templates ask for it
	}
	if no.Kind == notice.Resolve {
		a.EndsAt = at
		if was != nil {
			a.Labels = was // whatever the configuration says by now
		}
		return []alert{a}
	}
	if was != nil && !maps.Equal(was, a.Labels) {
		return []alert{a, {Labels: was, StartsAt: a.StartsAt, EndsAt: at}}
	}
	return []alert{a}
}

// labelsOf are what Alertmanager groups and routes by. Texts that change belong to the annotations.
func (n *Notifier) labelsOf(no notice.Notice) map[string]string {
	labels := map[string]string{
		"alertname": "RecoverydIncident", "recoveryd_key": text(no.Key), "incident": text(no.Incident),
		"target": text(no.Target), "class": text(no.Class), "instance": text(no.Host),
		"severity": text(string(no.Severity)), "priority": text(no.Priority),
	}
	if no.Test {
		labels["test"] = "true"
	}
	maps.Copy(labels, n.labels)
	maps.DeleteFunc(labels, func(_, v string) bool { return v == "" }) // an empty label is none
	return labels
}

func text(s string) string { return notice.Cut(notice.OneLine(s), 1000) }
