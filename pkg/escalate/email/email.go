// Package email sends notices by mail, over SMTP to one server.
//
// It decides the headers that keep an alert's mails in one thread (Message-ID, In-Reply-To and
// References are derived from the notice, so that they survive a restart, and a repeated mail
// has the id of the first), the plain and HTML bodies, and what an SMTP reply means: 4xx is tried
// again, 5xx is final. Every recipient is delivered to by himself: who has a mail is never sent it
// again, whoever is refused is named ([notice.PartialError]), and the all-clear goes to those who
// got the page. It never sends a password without TLS unless told to, and never retries.
//
// Start reading at [Config], then message.go and send.go.
package email

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/mail"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// TLS modes.
const (
	TLSStartTLS      = "starttls"      // STARTTLS, or nothing is sent
	TLSImplicit      = "implicit"      // TLS from the first byte (port 465)
	TLSOpportunistic = "opportunistic" // STARTTLS when offered
	TLSNone          = "none"          // never: a mail server on this host
)

// DefaultTimeout bounds one attempt. It is longer than for HTTP: mail servers greet slowly on
// purpose, and may scan a message before they accept it.
const DefaultTimeout = 30 * time.Second

// Config is a channel's section.
type Config struct {
	// Server is the mail server as host:port.
	Server string `yaml:"server" example:"mail.example.org:587"`
	// From is the sender: "recoveryd <recoveryd@example.org>".
	From string `yaml:"from" example:"Watchdog <recoveryd@example.org>"`
	// To are the recipients.
	To []string `yaml:"to" example:"[ops@example.org]"`
	// TLS is starttls, implicit, opportunistic or none. Empty: implicit at port 465, none for a
	// server on this host (localhost, 127.0.0.1, ::1), starttls otherwise.
	TLS string `yaml:"tls" enum:"starttls|implicit|opportunistic|none" shown:"by port and host" example:"starttls"`
	// CAFile is a PEM file of certificates to trust beside the system's.
	CAFile string `yaml:"ca_file" example:"/etc/ssl/ours.pem"`
	// ServerName is the name in the server's certificate, when it is not the host of Server.
	ServerName string `yaml:"server_name" example:"mail.example.org"`
	// Username and Password log in; the mechanism is chosen from what the server offers.
	Username string `yaml:"username" example:"recoveryd"`
	// Password of the login.
	Password string `yaml:"password" secret:"true"`
	// PlaintextAuth allows a password to be sent without TLS, to a server on this host.
	PlaintextAuth bool `yaml:"plaintext_auth"`
	// Helo is the name given in EHLO. Empty: the host name.
	Helo string `yaml:"helo" shown:"the host name" example:"db1.example.org"`
	// Kinds are the kinds that are sent: trigger, update, resolve, change. Empty: trigger and
	// resolve, since every update is a mail of its own.
	Kinds []string `yaml:"kinds" enum:"trigger|update|resolve|change" shown:"trigger and resolve" example:"[trigger, update, resolve]"`
	// Timeout bounds one attempt. 0: 30s.
	Timeout time.Duration `yaml:"timeout" shown:"30s" example:"30s"`
	// Templates overrides texts: title is the subject, text the plain body.
	Templates notice.Templates `yaml:"templates"`
}

// Notifier sends to one list of recipients. It is immutable and safe for concurrent use.
type Notifier struct {
	client   *wire.Client // classes and redacts errors; no HTTP here
	host     string
	port     int
	from     *mail.Address
	to       []*mail.Address
	mode     string
	tls      *tls.Config
	login    *login
	helo     string
	kinds    []string
	timeout  time.Duration
	messages *notice.Messages
}

var (
	_ notice.Notifier  = (*Notifier)(nil)
	_ notice.Previewer = (*Notifier)(nil)
	_ notice.Several   = (*Notifier)(nil)
)

// New makes a notifier from its decoded section. The error names every problem.
func New(decode func(any) error) (notice.Notifier, error) {
	var cfg Config
	if err := decode(&cfg); err != nil {
		return nil, err
	}
	n := &Notifier{helo: cfg.Helo, kinds: cfg.Kinds, timeout: cfg.Timeout, mode: cfg.TLS}
	var errs []error
	host, port, err := net.SplitHostPort(cfg.Server)
	n.host = host
	if err == nil {
		n.port, err = strconv.Atoi(port)
	}
	if err != nil || host == "" || n.port < 1 || n.port > 65535 {
		errs = append(errs, fmt.Errorf("server: want host:port such as mail.example.org:587 (got %q)", cfg.Server))
	}
	if n.from, err = mail.ParseAddress(cfg.From); err != nil {
		errs = append(errs, fmt.Errorf("from: want an address such as recoveryd@example.org (got %q)", cfg.From))
	}
	for i, to := range cfg.To {
		a, err := mail.ParseAddress(to)
		if err != nil {
			errs = append(errs, fmt.Errorf("to[%d]: not a mail address (got %q)", i, to))
			continue
		}
		n.to = append(n.to, a)
	}
	if len(cfg.To) == 0 {
		errs = append(errs, errors.New("to: missing; name at least one recipient"))
	}
	errs = append(errs, n.security(cfg))
	if len(n.kinds) == 0 {
		n.kinds = []string{string(notice.Trigger), string(notice.Resolve)}
	}
	for i, k := range cfg.Kinds {
		if !slices.Contains([]string{"trigger", "update", "resolve", "change"}, k) {
			errs = append(errs, fmt.Errorf("kinds[%d]: want trigger, update, resolve or change (got %q)", i, k))
		}
	}
	switch {
	case n.timeout < 0:
		errs = append(errs, errors.New("timeout: must not be negative"))
	case n.timeout == 0:
		n.timeout = DefaultTimeout
	}
	n.messages, err = notice.NewMessages(cfg.Templates)
	errs = append(errs, err)
	n.client, err = wire.New("email", wire.Config{}, nil, cfg.Password)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return n, nil
}

// security sets up TLS and the login.
func (n *Notifier) security(cfg Config) error {
	local := n.host == "localhost"
	if ip := net.ParseIP(n.host); ip != nil {
		local = ip.IsLoopback()
	}
	switch n.mode {
	case TLSStartTLS, TLSImplicit, TLSOpportunistic, TLSNone:
	case "":
		switch {
		case n.port == 465:
			n.mode = TLSImplicit
		case local:
			n.mode = TLSNone
		default:
			n.mode = TLSStartTLS
		}
	default:
		return fmt.Errorf("tls: want starttls, implicit, opportunistic or none (got %q)", n.mode)
	}
	n.tls = &tls.Config{ServerName: n.host, MinVersion: tls.VersionTLS12}
	if cfg.ServerName != "" {
		n.tls.ServerName = cfg.ServerName
	}
	if cfg.CAFile != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return fmt.Errorf("ca_file: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("ca_file: no certificate in %s", cfg.CAFile)
		}
		n.tls.RootCAs = pool
	}
	switch {
	case cfg.Username == "" && cfg.Password == "":
	case cfg.Username == "" || cfg.Password == "":
		return errors.New("username: a login needs both username and password")
	default:
		n.login = &login{user: cfg.Username, password: wire.NewSecret(cfg.Password), host: n.host, plaintext: cfg.PlaintextAuth, local: local}
		if cfg.PlaintextAuth && !local {
			return errors.New("plaintext_auth: a password is sent without TLS to a server on this host only; set tls: starttls or implicit")
		}
		if n.mode == TLSNone && !local {
			return errors.New("tls: nobody logs in without TLS over a network; set tls: starttls or implicit")
		}
		if n.mode == TLSNone && !cfg.PlaintextAuth {
			return errors.New("plaintext_auth: the password would be sent without TLS; set tls, or allow it with plaintext_auth: true")
		}
	}
	return nil
}

// Keys of the receipt.
const (
	receiptThread = "thread" // the id of the first mail of the thread
	receiptTold   = "told"   // the addresses that got something under the key, one a line
)

// Notify implements notice.Notifier.
func (n *Notifier) Notify(ctx context.Context, d notice.Delivery) (notice.Receipt, error) {
	if !slices.Contains(n.kinds, string(d.Notice.Kind)) {
		return nil, nil
	}
	all := n.recipients(d)
	to := slices.DeleteFunc(slices.Clone(all), func(a *mail.Address) bool { return !d.Wants(a.Address) })
	if len(to) == 0 {
		return maps.Clone(d.Prior), nil
	}
	took, err := n.send(ctx, d, all, to)
	told := strings.Fields(d.Prior[receiptTold])
	for _, a := range took {
		if !slices.Contains(told, a) {
			told = append(told, a)
		}
	}
	return notice.Receipt{receiptThread: n.threadID(d.Notice.Key), receiptTold: strings.Join(told, "\n")}, err
}

// recipients are the configured ones, but for an all-clear those who were told, whoever is configured
// by now, and everybody where that is not certain.
func (n *Notifier) recipients(d notice.Delivery) []*mail.Address {
	told := strings.Fields(d.Prior[receiptTold])
	if d.Notice.Kind != notice.Resolve || len(told) == 0 {
		return n.to
	}
	var to []*mail.Address
	for _, a := range n.to {
		i := slices.Index(told, a.Address)
		if i >= 0 || d.Everybody {
			to = append(to, a)
		}
		if i >= 0 {
			told = slices.Delete(told, i, i+1)
		}
	}
	for _, a := range told {
		to = append(to, &mail.Address{Address: a})
	}
	return to
}

// Receivers implements notice.Several.
func (n *Notifier) Receivers() (all []string) {
	for _, a := range n.to {
		all = append(all, a.Address)
	}
	return all
}

// Preview implements notice.Previewer: the mail as it would go over the wire.
func (n *Notifier) Preview(d notice.Delivery) ([]byte, error) {
	if !slices.Contains(n.kinds, string(d.Notice.Kind)) {
		return []byte("(nothing: kinds leaves out " + string(d.Notice.Kind) + ")\n"), nil
	}
	m, err := n.message(d.Notice, n.to)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	if _, err := m.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("email: render mail: %w", err)
	}
	return []byte(b.String()), nil
}
