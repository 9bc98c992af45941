// Package webhook posts notices to any HTTP receiver: signed, as JSON, as the shape that Grafana
// OnCall and its kin take, or as a template of the operator.
//
// It decides the body, signs it together with a timestamp (a recorded request cannot be replayed
// later), and names each notice by an Idempotency-Key so that the receiver can recognise a
// repetition. A 2xx is success, but for a web page and a body that says no; see [wire.Acceptance].
// It never retries and never follows a redirect.
//
// Start reading at [Config], then [Sign] and [Verify], which a receiver may use.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// Formats of the body.
const (
	FormatJSON     = "json"     // the notice, with title and text
	FormatAlert    = "alert"    // Grafana OnCall's formatted webhook: alert_uid, title, state, message
	FormatTemplate = "template" // the operator's own
)

// Config is a channel's section.
type Config struct {
	// URL receives the notices; it may hold a credential and is treated as a secret.
	URL string `yaml:"url" secret:"true"`
	// Method is POST (when empty) or PUT.
	Method string `yaml:"method" enum:"POST|PUT" shown:"POST" example:"PUT"`
	// Secret signs every request with HMAC-SHA256; empty sends unsigned ones.
	Secret string `yaml:"secret" secret:"true"`
	// Format is json (when empty), alert or template.
	Format string `yaml:"format" enum:"json|alert|template" shown:"json" example:"alert"`
	// Body is the text/template of the format template; see notice.Templates for its data and
	// functions, to which "json" is added: it writes any value as JSON.
	Body string `yaml:"body"`
	// ContentType of the format template. Empty: application/json.
	ContentType string `yaml:"content_type" shown:"application/json" example:"text/plain"`
	// Headers are added to every request.
	Headers []Header `yaml:"headers" example:"[{name: Authorization, value_file: /etc/recoveryd/hook.auth}]"`
	// Accept is a regular expression that the body of an acceptance must match, beside a status of
	// 2xx. Empty: any body but a web page, or one that says that it was refused ({"ok":false}, an error).
	Accept string `yaml:"accept" example:"^done$"`
	// Kinds are the kinds that are sent: trigger, update, resolve, change. Empty: all.
	Kinds []string `yaml:"kinds" enum:"trigger|update|resolve|change" shown:"all" example:"[trigger, resolve]"`
	// Templates overrides texts.
	Templates notice.Templates `yaml:"templates"`
	// HTTP says how the receiver is reached.
	HTTP wire.Config `yaml:"http"`
}

// Header is one header; its value may be a credential.
type Header struct {
	// Name of the header.
	Name string `yaml:"name" example:"Authorization"`
	// Value of the header.
	Value string `yaml:"value" secret:"true"`
}

// Notifier posts to one receiver. It is immutable and safe for concurrent use.
type Notifier struct {
	client      *wire.Client
	url         wire.Secret
	method      string
	secret      wire.Secret
	contentType string
	headers     []header
	kinds       []string
	accept      wire.Acceptance
	body        func(notice.Notice) ([]byte, error)
	now         func() time.Time
}

type header struct {
	name  string
	value wire.Secret
}

var (
	_ notice.Notifier  = (*Notifier)(nil)
	_ notice.Previewer = (*Notifier)(nil)
)

// New makes a notifier from its decoded section. The error names every problem.
func New(decode func(any) error) (notice.Notifier, error) {
	var cfg Config
	if err := decode(&cfg); err != nil {
		return nil, err
	}
	n := &Notifier{
		url: wire.NewSecret(cfg.URL), secret: wire.NewSecret(cfg.Secret), method: cfg.Method,
		contentType: cfg.ContentType, kinds: cfg.Kinds, now: time.Now,
	}
	var errs []error
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		errs = append(errs, errors.New("url: missing, or not a URL such as https://receiver.example/hook"))
		u = new(url.URL)
	}
	switch n.method {
	case "":
		n.method = http.MethodPost
	case http.MethodPost, http.MethodPut:
	default:
		errs = append(errs, fmt.Errorf("method: want POST or PUT (got %q)", n.method))
	}
	if n.contentType == "" {
		n.contentType = "application/json"
	}
	secrets := []string{cfg.Secret, cfg.URL, u.RequestURI()}
	if p, ok := u.User.Password(); ok {
		secrets = append(secrets, p)
	}
	for _, values := range u.Query() {
		secrets = append(secrets, values...)
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		if len(part) >= 16 { // a token in the path, as Slack, Discord and Teams have it
			secrets = append(secrets, part)
		}
	}
	for i, h := range cfg.Headers {
		name := textproto.CanonicalMIMEHeaderKey(h.Name)
		if name == "" || strings.ContainsAny(h.Name, " :\r\n") || strings.ContainsAny(h.Value, "\r\n") {
			errs = append(errs, fmt.Errorf("headers[%d]: %q cannot be a header", i, h.Name))
			continue
		}
		n.headers = append(n.headers, header{name, wire.NewSecret(h.Value)})
		secrets = append(secrets, h.Value)
		if scheme, token, ok := strings.Cut(h.Value, " "); ok && scheme != "" {
			secrets = append(secrets, token) // "Bearer x": x alone is as secret
		}
	}
	for i, k := range cfg.Kinds {
		if !slices.Contains([]string{"trigger", "update", "resolve", "change"}, k) {
			errs = append(errs, fmt.Errorf("kinds[%d]: want trigger, update, resolve or change (got %q)", i, k))
		}
	}
	n.accept, err = wire.NewAcceptance(cfg.Accept)
	errs = append(errs, err)
	n.body, err = bodyOf(cfg)
	errs = append(errs, err)
	n.client, err = wire.New("webhook", cfg.HTTP, []*url.URL{u}, secrets...)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return n, nil
}

// Notify implements notice.Notifier. The receipt is nil: a receiver gives nothing back.
func (n *Notifier) Notify(ctx context.Context, d notice.Delivery) (notice.Receipt, error) {
	if !n.wants(d.Notice.Kind) {
		return nil, nil
	}
	body, err := n.body(d.Notice)
	if err != nil {
		// Not ReasonConfig: the template has rendered other notices, and those need not wait.
		return nil, n.client.Final(notice.ReasonRejected, fmt.Errorf("body: %w", err))
	}
	req, err := http.NewRequest(n.method, n.url.Reveal(), bytes.NewReader(body))
	if err != nil {
		return nil, n.client.Final(notice.ReasonConfig, err)
	}
	req.Header.Set("Content-Type", n.contentType)
	req.Header.Set("Idempotency-Key", wordOf(d.Notice.ID))
	req.Header.Set("X-Recoveryd-Kind", wordOf(string(d.Notice.Kind)))
	if s := n.secret.Reveal(); s != "" {
		Sign(req.Header, s, body, n.now())
	}
	for _, h := range n.headers {
		req.Header.Set(h.name, h.value.Reveal())
	}
	reply, err := n.client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	return nil, n.client.Accept(req.URL, reply, n.accept)
}

// Preview implements notice.Previewer.
func (n *Notifier) Preview(d notice.Delivery) ([]byte, error) {
	if !n.wants(d.Notice.Kind) {
		return []byte("(nothing: kinds leaves out " + string(d.Notice.Kind) + ")\n"), nil
	}
	body, err := n.body(d.Notice)
	return []byte(n.client.Redact(string(body))), err
}

func (n *Notifier) wants(k notice.Kind) bool {
	return len(n.kinds) == 0 || slices.Contains(n.kinds, string(k))
}

// wordOf makes a text fit for a header: printable ASCII, the rest escaped.
func wordOf(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
		s = url.QueryEscape(s)
	}
	if len(s) > 512 {
		s = s[:512]
	}
	return s
}
