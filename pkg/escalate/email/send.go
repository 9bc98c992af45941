package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/recoveryd/recoveryd/pkg/egress"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// login chooses the mechanism from what the server offers, the strongest first. It is an
// smtp.Auth; each connection has a copy of its own.
type login struct {
	user      string
	password  wire.Secret
	host      string
	plaintext bool // also without TLS
	local     bool // the server is on this host: what is sent leaves it not
	chosen    smtp.Auth
}

// Start implements smtp.Auth.
func (l *login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	if !server.TLS && !l.local {
		return "", nil, fmt.Errorf("%w: %s offers no TLS, and nobody logs in without it over a network", errNoMechanism, l.host)
	}
	open := server.TLS || l.plaintext
	password := l.password.Reveal()
	switch has := func(m string) bool { return slices.Contains(server.Auth, m) }; {
	case has("SCRAM-SHA-256"):
		l.chosen = smtp.ScramSHA256Auth(l.user, password)
	case has("PLAIN") && open:
		l.chosen = smtp.PlainAuth("", l.user, password, server.Name, l.plaintext)
	case has("LOGIN") && open:
		l.chosen = smtp.LoginAuth(l.user, password, server.Name, l.plaintext)
	case has("CRAM-MD5"):
		l.chosen = smtp.CRAMMD5Auth(l.user, password)
	default:
		offered := strings.Join(server.Auth, " ")
		if offered == "" {
			offered = "none"
		}
		return "", nil, fmt.Errorf("%w (the server offers %s; TLS is %v)", errNoMechanism, offered, server.TLS)
	}
	return l.chosen.Start(server)
}

// Next implements smtp.Auth.
func (l *login) Next(fromServer []byte, more bool) ([]byte, error) {
	return l.chosen.Next(fromServer, more)
}

var (
	errNoMechanism = errors.New("no usable way to log in")
	errTimeout     = errors.New("no complete answer in time")
)

// send makes one attempt within the timeout and ctx and returns who took the mail.
func (n *Notifier) send(ctx context.Context, d notice.Delivery, all, to []*mail.Address) (took []string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, n.timeout, errTimeout)
	defer cancel()
	refused := map[string]error{}
	accepted, err := n.transact(ctx, d.Notice, all, to, refused)
	if len(accepted) > 1 && answered(err) {
		// The server took the addresses and then refused the mail: it may mean one of them.
		for _, a := range accepted {
			if _, err := n.transact(ctx, d.Notice, all, []*mail.Address{a}, refused); err != nil {
				refused[a.Address] = err
			}
		}
	} else if err != nil && len(accepted) == 0 {
		return nil, err // about the connection or the sender
	} else if err != nil {
		for _, a := range accepted {
			refused[a.Address] = err
		}
	}
	return n.outcome(d, to, refused)
}

// outcome is what became of everybody. That nobody of all took it is an error of the channel.
func (n *Notifier) outcome(d notice.Delivery, to []*mail.Address, refused map[string]error) (took []string, err error) {
	some := &notice.PartialError{}
	var first error
	for _, a := range to {
		err := refused[a.Address]
		retry, again := errors.AsType[*notice.RetryError](err)
		switch {
		case err == nil:
			took = append(took, a.Address)
			continue
		case again:
			some.Left, some.After = append(some.Left, a.Address), max(some.After, retry.After)
			if some.Err == nil { // who is left is told of in his own words, not in those of a refusal
				some.Reason, some.Err = retry.Reason, err
			}
		default:
			some.Refused = append(some.Refused, notice.Refusal{Receiver: a.Address, Error: err.Error()})
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return took, nil
	}
	whole := len(took) == 0 && len(d.Only) == 0 && len(d.Skip) == 0
	if whole && (len(some.Left) == 0 || len(some.Refused) == 0) {
		return nil, first
	}
	if some.Err == nil {
		some.Reason, some.Err = notice.ReasonRejected, first
	}
	some.Took = took
	return took, some
}

// answered reports whether the server itself said no, so that nobody has the mail. Without an answer
// to the end of it everybody may have it.
func answered(err error) bool {
	_, ok := errors.AsType[*textproto.Error](err)
	return ok
}

// transact sends one mail over a connection of its own, and returns whom the server accepted and what
// became of the mail. Who was refused is added to refused; then nobody needs to be accepted.
func (n *Notifier) transact(ctx context.Context, no notice.Notice, all, to []*mail.Address, refused map[string]error) (accepted []*mail.Address, err error) {
	m, err := n.message(no, all)
	if err != nil {
		return nil, n.client.Final(notice.ReasonRejected, err)
	}
	// The library bounds single reads and knows no context afterwards, and leaves the connection
	// open when the dialogue before the mail fails: so the connection is ours to close.
	var conn net.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	end := func() bool { return true }
	defer func() { end() }()
	options := []gomail.Option{
		gomail.WithPort(n.port), gomail.WithTimeout(n.timeout), gomail.WithTLSConfig(n.tls),
		gomail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			c, err := n.dial(dialing, network, address)
			if err == nil {
				conn = c
				end = context.AfterFunc(ctx, func() { _ = c.Close() })
			}
			return c, err
		}),
		gomail.WithTLSPolicy(map[string]gomail.TLSPolicy{
			TLSStartTLS: gomail.TLSMandatory, TLSOpportunistic: gomail.TLSOpportunistic, TLSNone: gomail.NoTLS, TLSImplicit: gomail.NoTLS,
		}[n.mode]),
	}
	if n.helo != "" {
		options = append(options, gomail.WithHELO(n.helo))
	}
	if n.login != nil {
		own := *n.login
		options = append(options, gomail.WithSMTPAuthCustom(&own))
	}
	client, err := gomail.NewClient(n.host, options...)
	if err != nil {
		return nil, n.client.Final(notice.ReasonConfig, err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return nil, n.classify(ctx, stageDialogue, err)
	}
	// The commands are given here and not by the library, which sends nothing to anybody as soon as
	// one recipient is refused.
	if err := session.Mail(path(n.from)); err != nil {
		return nil, n.classify(ctx, stageAddress, err)
	}
	for _, a := range to {
		err := session.Rcpt(path(a))
		switch reply, answered := errors.AsType[*textproto.Error](err); {
		case err == nil:
			accepted = append(accepted, a)
		case answered && reply.Code != serviceClosing:
			refused[a.Address] = n.classify(ctx, stageAddress, fmt.Errorf("%s: %w", a.Address, err))
		default:
			return nil, n.classify(ctx, stageAddress, err) // the mail itself was not begun
		}
	}
	if len(accepted) == 0 {
		_ = session.Quit()
		return nil, nil
	}
	w, err := session.Data()
	if err != nil {
		return accepted, n.classify(ctx, stageMail, err)
	}
	if _, err = m.WriteTo(w); err == nil {
		err = w.Close()
	}
	if err != nil {
		if _, said := errors.AsType[*textproto.Error](err); !said {
			err = fmt.Errorf("no answer to the whole mail, so that who got it may get it again: %w", err)
		}
		return accepted, n.classify(ctx, stageMail, err)
	}
	_ = session.Quit() // the mail is accepted already
	return accepted, nil
}

// path is an address as the envelope wants it, in brackets and without a name.
func path(a *mail.Address) string { return (&mail.Address{Address: a.Address}).String() }

// serviceClosing is the answer of a server that ends the connection, to whatever command.
const serviceClosing = 421

// dial connects, with TLS from the first byte when that is the mode.
func (n *Notifier) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if n.mode == TLSImplicit {
		return egress.DialTLS(ctx, network, address, n.tls)
	}
	return egress.Dial(ctx, network, address)
}

// stage is where in the dialogue something failed, as far as it changes the meaning.
type stage int

const (
	stageDialogue stage = iota // connecting, EHLO, TLS, login
	stageAddress               // sender or recipient: both stand in the configuration
	stageMail                  // the mail itself
)

// classify turns an error of the library into one of ours.
func (n *Notifier) classify(ctx context.Context, at stage, err error) error {
	where := fmt.Sprintf("%s:%d", n.host, n.port)
	wrap := fmt.Errorf("%s: %w", where, err)
	code := 0
	if se, ok := errors.AsType[*gomail.SendError](err); ok {
		code = se.ErrorCode()
	} else if te, ok := errors.AsType[*textproto.Error](err); ok {
		code = te.Code
	}
	switch {
	case code >= 500 && code <= 599:
		return n.client.Final(permanent(at, code), wrap)
	case code >= 400 && code <= 499:
		reason := notice.ReasonServer
		if code == 421 || code == 450 || code == 452 {
			reason = notice.ReasonRateLimited // closing, busy or grey-listing: come back later
		}
		return n.client.Retry(reason, 0, wrap)
	}
	if cause := context.Cause(ctx); errors.Is(cause, errTimeout) {
		return n.client.Retry(notice.ReasonTimeout, 0, fmt.Errorf("%s: %w (%s)", where, errTimeout, n.timeout))
	} else if cause != nil {
		reason := notice.ReasonNetwork
		if errors.Is(cause, context.DeadlineExceeded) {
			reason = notice.ReasonTimeout
		}
		return n.client.Retry(reason, 0, fmt.Errorf("%s: given up before an answer: %w", where, cause))
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return n.client.Retry(notice.ReasonConfig, 0, fmt.Errorf("%s: certificate is not trusted (see ca_file and server_name): %w", where, err))
	}
	if errors.Is(err, errNoMechanism) || strings.Contains(err.Error(), "does not support") {
		// No STARTTLS, no AUTH: the library has no type for these.
		return n.client.Final(notice.ReasonConfig, wrap)
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return n.client.Retry(notice.ReasonTimeout, 0, wrap)
	}
	return n.client.Retry(notice.ReasonNetwork, 0, wrap)
}

// permanent says what a 5xx is about: the login, the configuration, or this one mail.
func permanent(at stage, code int) notice.Reason {
	switch {
	case code == 530 || code == 534 || code == 535 || code == 538:
		return notice.ReasonAuth
	case at == stageMail || code == 552:
		return notice.ReasonRejected
	}
	return notice.ReasonConfig
}
