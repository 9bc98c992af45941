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

	"github.com/recoveryd/recoveryd/pkg/escalate"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// login chooses the mechanism from what the server offers, the strongest first. It is an
// smtp.Auth; each connection has a copy of its own.
type login struct {
	user      string
	password  wire.Secret
	host      string
	plaintext bool
	chosen    smtp.Auth
}

// Start implements smtp.Auth.
func (l *login) Start(server *smtp.ServerInfo) (string, []byte, error) {
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

// send makes one attempt within the timeout and ctx.
func (n *Notifier) send(ctx context.Context, no escalate.Notice) error {
	ctx, cancel := context.WithTimeoutCause(ctx, n.timeout, errTimeout)
	defer cancel()
	refused, err := n.transact(ctx, no, n.to)
	if refused == 0 || len(n.to) == 1 {
		return err
	}
	// The server refused some recipient, and with it the whole mail. Each gets his own now: the
	// others must not go without for one wrong address.
	var errs []error
	for _, to := range n.to {
		if _, err := n.transact(ctx, no, []*mail.Address{to}); err != nil {
			errs = append(errs, err)
		}
	}
	// When one may be tried again, all are: the same Message-ID goes out twice to the others.
	for _, err := range errs {
		if _, ok := errors.AsType[*escalate.RetryError](err); ok {
			return err
		}
	}
	if len(errs) > 0 {
		return errs[0]
	}
	return nil
}

// transact sends one mail over a connection of its own. refused is the code with which the server
// refused a recipient, 0 when that was not the problem.
func (n *Notifier) transact(ctx context.Context, no escalate.Notice, to []*mail.Address) (refused int, err error) {
	m, err := n.message(no, to)
	if err != nil {
		return 0, n.client.Final(escalate.ReasonRejected, err)
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
		return 0, n.client.Final(escalate.ReasonConfig, err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return 0, n.classify(ctx, stageDialogue, err)
	}
	err = client.SendWithSMTPClient(session, m)
	if err == nil {
		_ = client.CloseWithSMTPClient(session) // QUIT: the mail is accepted already
		return 0, nil
	}
	se, ok := errors.AsType[*gomail.SendError](err)
	switch {
	case !ok:
		return 0, n.classify(ctx, stageMail, err)
	case se.Reason == gomail.ErrSMTPReset:
		return 0, nil // accepted; the server did not like the RSET after it
	case se.Reason == gomail.ErrSMTPRcptTo:
		return se.ErrorCode(), n.classify(ctx, stageAddress, se)
	case se.Reason == gomail.ErrSMTPMailFrom:
		return 0, n.classify(ctx, stageAddress, se)
	}
	return 0, n.classify(ctx, stageMail, se)
}

// dial connects, with TLS from the first byte when that is the mode.
func (n *Notifier) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if n.mode == TLSImplicit {
		return (&tls.Dialer{Config: n.tls}).DialContext(ctx, network, address)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
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
		reason := escalate.ReasonServer
		if code == 421 || code == 450 || code == 452 {
			reason = escalate.ReasonRateLimited // closing, busy or grey-listing: come back later
		}
		return n.client.Retry(reason, 0, wrap)
	}
	if cause := context.Cause(ctx); errors.Is(cause, errTimeout) {
		return n.client.Retry(escalate.ReasonTimeout, 0, fmt.Errorf("%s: %w (%s)", where, errTimeout, n.timeout))
	} else if cause != nil {
		reason := escalate.ReasonNetwork
		if errors.Is(cause, context.DeadlineExceeded) {
			reason = escalate.ReasonTimeout
		}
		return n.client.Retry(reason, 0, fmt.Errorf("%s: given up before an answer: %w", where, cause))
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return n.client.Retry(escalate.ReasonConfig, 0, fmt.Errorf("%s: certificate is not trusted (see ca_file and server_name): %w", where, err))
	}
	if errors.Is(err, errNoMechanism) || strings.Contains(err.Error(), "does not support") {
		// No STARTTLS, no AUTH: the library has no type for these.
		return n.client.Final(escalate.ReasonConfig, wrap)
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return n.client.Retry(escalate.ReasonTimeout, 0, wrap)
	}
	return n.client.Retry(escalate.ReasonNetwork, 0, wrap)
}

// permanent says what a 5xx is about: the login, the configuration, or this one mail.
func permanent(at stage, code int) escalate.Reason {
	switch {
	case code == 530 || code == 534 || code == 535 || code == 538:
		return escalate.ReasonAuth
	case at == stageMail || code == 552:
		return escalate.ReasonRejected
	}
	return escalate.ReasonConfig
}
