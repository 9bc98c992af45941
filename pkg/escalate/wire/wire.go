// Package wire makes one bounded HTTP exchange with a vendor and says what its outcome means.
//
// It decides whether a failure is worth another try ([notice.RetryError]) or final
// ([notice.FinalError]), how long the vendor asked to wait, and what of a failure may be
// printed. It never retries, never follows a redirect (a notice and its credentials go to the
// configured host only), never reads more than [MaxReply] bytes and never lets a secret into an
// error. It knows no vendor: what a reply means beyond its status is the notifier's business.
//
// Start reading at [Client.Do], then [Classify].
package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/egress"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// MaxReply bounds how much of a reply is read, in bytes. No vendor's answer to one notice comes
// near it; an endless body must not hold a page up.
const MaxReply = 256 << 10

// Defaults of Config.
const (
	// DefaultTimeout is long for one small POST and short against the first retry.
	DefaultTimeout = 10 * time.Second
	// DefaultRetryAfterCap bounds what a vendor, or a broken proxy before it, may ask for:
	// PagerDuty suggests "a few minutes", and a page must not wait for hours for a wrong header.
	DefaultRetryAfterCap = 5 * time.Minute
)

// Config is the part of a notifier's section that says how its vendor is reached: the key
// "http" of every notifier that talks HTTP. The zero value is usable.
type Config struct {
	// Timeout bounds one whole attempt, from dialling to the last byte of the reply. 0: 10s.
	Timeout time.Duration `yaml:"timeout" shown:"10s" example:"20s"`
	// Proxy is the proxy's URL; empty takes HTTPS_PROXY and NO_PROXY from the environment, for https
	// only: over plain http a proxy would see everything. "none" goes direct. It may carry a password.
	Proxy string `yaml:"proxy" secret:"true" shown:"HTTPS_PROXY and NO_PROXY, for https" example:"none"`
	// CAFile is a PEM file of certificates to trust beside the system's.
	CAFile string `yaml:"ca_file" example:"/etc/ssl/ours.pem"`
	// RetryAfterCap is the longest wait that a vendor may ask for. 0: 5m.
	RetryAfterCap time.Duration `yaml:"retry_after_cap" shown:"5m" example:"2m"`
}

// Client talks to one vendor. It is safe for concurrent use.
type Client struct {
	vendor  string
	http    *http.Client
	timeout time.Duration
	cap     time.Duration
	redact  redactor
}

// New makes a client of the configured addresses, whose scheme, host and port are the only ones that anything is sent to;
// none sends nothing. The vendor's name starts every error; the secrets are replaced in each.
func New(vendor string, cfg Config, to []*url.URL, secrets ...string) (*Client, error) {
	if cfg.Timeout < 0 || cfg.RetryAfterCap < 0 {
		return nil, errors.New("http: timeout and retry_after_cap must not be negative")
	}
	way := egress.Way{Keep: true}
	switch cfg.Proxy {
	case "":
		way.ProxyFromEnvironment = true
	case "none":
	default:
		u, err := url.Parse(cfg.Proxy)
		if err != nil || u.Host == "" {
			return nil, errors.New("http.proxy: not a URL such as http://proxy:3128")
		}
		if p, has := u.User.Password(); has {
			secrets = append(secrets, p)
		}
		way.Proxy = u
	}
	if cfg.CAFile != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("http.ca_file: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("http.ca_file: no certificate in %s", cfg.CAFile)
		}
		way.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	to = slices.DeleteFunc(slices.Clone(to), func(u *url.URL) bool { return u == nil || u.Host == "" }) // the caller names that problem
	transport, err := egress.NewTransport(way, to...)
	if err != nil {
		return nil, err
	}
	c := &Client{
		vendor:  vendor,
		timeout: cfg.Timeout,
		cap:     cfg.RetryAfterCap,
		redact:  newRedactor(secrets),
		http:    egress.Client(transport),
	}
	if c.timeout == 0 {
		c.timeout = DefaultTimeout
	}
	if c.cap == 0 {
		c.cap = DefaultRetryAfterCap
	}
	return c, nil
}

// Reply is a vendor's answer.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
	// Err says that the body could not be read to its end (truncated, timed out, longer than
	// MaxReply); Body is what came before that. The status line is certain all the same.
	Err error
}

// errTimeout is the cause of the context that bounds an attempt.
var errTimeout = errors.New("no complete answer in time")

// Do makes one attempt within the client's timeout and ctx. A failure before the status line is
// returned as *notice.RetryError, since nothing tells that the vendor took the notice; every
// reply, whatever its status, is returned for [Client.Verdict] to judge.
func (c *Client) Do(ctx context.Context, req *http.Request) (Reply, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "recoveryd")
	}
	resp, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		return Reply{}, c.transportError(ctx, req.URL, err)
	}
	defer resp.Body.Close()
	reply := Reply{Status: resp.StatusCode, Header: resp.Header}
	reply.Body, err = io.ReadAll(io.LimitReader(resp.Body, MaxReply+1))
	switch {
	case err != nil:
		reply.Err = c.transportError(ctx, req.URL, err)
	case len(reply.Body) > MaxReply:
		reply.Body = reply.Body[:MaxReply]
		reply.Err = c.Retry(notice.ReasonServer, 0, fmt.Errorf("reply of %s is longer than %d bytes", hostOf(req.URL), MaxReply))
	}
	return reply, nil
}

// Retry makes an error that allows another try; the text is redacted and starts with the vendor.
func (c *Client) Retry(reason notice.Reason, after time.Duration, err error) error {
	return &notice.RetryError{Reason: reason, After: after, Err: c.redact.err(c.vendor, err)}
}

// Final makes an error that forbids another try; the text is redacted and starts with the vendor.
func (c *Client) Final(reason notice.Reason, err error) error {
	return &notice.FinalError{Reason: reason, Err: c.redact.err(c.vendor, err)}
}

// Redact replaces every secret in s.
func (c *Client) Redact(s string) string { return c.redact.text(s) }

// transportError classes what went wrong below HTTP. The address in it is only scheme and host:
// the path of a webhook is a secret.
func (c *Client) transportError(ctx context.Context, u *url.URL, err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if cause := context.Cause(ctx); errors.Is(cause, errTimeout) {
		return c.Retry(notice.ReasonTimeout, 0, fmt.Errorf("%s: %w (%s)", hostOf(u), errTimeout, c.timeout))
	} else if cause != nil {
		reason := notice.ReasonNetwork
		if errors.Is(cause, context.DeadlineExceeded) {
			reason = notice.ReasonTimeout
		}
		return c.Retry(reason, 0, fmt.Errorf("%s: given up before an answer: %w", hostOf(u), cause))
	}
	if r, ok := errors.AsType[*egress.RefusedError](err); ok {
		return c.Retry(notice.ReasonConfig, 0, r)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return c.Retry(notice.ReasonConfig, 0, fmt.Errorf("%s: certificate is not trusted (see http.ca_file): %w", hostOf(u), err))
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return c.Retry(notice.ReasonTimeout, 0, fmt.Errorf("%s: %w", hostOf(u), err))
	}
	return c.Retry(notice.ReasonNetwork, 0, fmt.Errorf("%s: %w", hostOf(u), err))
}

func hostOf(u *url.URL) string { return u.Scheme + "://" + u.Host }
