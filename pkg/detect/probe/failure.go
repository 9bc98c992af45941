package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/egress"
)

// failure is the one classification of transport errors; each witness maps it to its own words.
type failure uint8

const (
	failNone        failure = iota
	failOurs                // our own side: cancelled, out of descriptors or local ports
	failRefused             // nothing listens
	failReset               // the connection was closed before the answer was complete
	failConnectTime         // no answer to the connection request in time
	failUnreachable         // no route, or the network is down
	failForbidden           // the local system does not let us connect
	failNoReply             // accepted, and no complete answer in time
	failDNS                 // the name could not be resolved
	failTLS                 // the other side speaks no TLS, or its certificate is not accepted
	failElsewhere           // it would have us ask another place
	failProtocol            // it answered with something that is not the protocol
	failPartial             // a part of an answer came, and not its end
	failOther
)

// outcomes maps failures to http.outcome. What is missing was not measured.
var outcomes = map[failure]string{
	failRefused:     detect.OutcomeRefused,
	failReset:       detect.OutcomeReset,
	failConnectTime: detect.OutcomeConnect,
	failUnreachable: detect.OutcomeConnect,
	failNoReply:     detect.OutcomeNoReply,
	failDNS:         detect.OutcomeDNS,
	failTLS:         detect.OutcomeTLS,
	failElsewhere:   detect.OutcomeRedirect,
	failProtocol:    detect.OutcomeGarbage,
	failPartial:     detect.OutcomePartial,
}

// FactsFromError says what a transport error means for http.outcome, and describes it in a
// sentence that holds no credentials. The outcome is empty when the error says nothing about the
// server: the look was called off, or our own side failed. A nil error gives two empty strings.
func FactsFromError(err error) (outcome, sentence string) {
	kind, sentence := classify(err)
	return outcomes[kind], sentence
}

// protocolError says that the other side answered with something that is not the protocol.
type protocolError string

func (e protocolError) Error() string { return "protocol error: " + string(e) }

// partialError says that a part of a reply came and not its end. Whoever sent it lives.
type partialError struct {
	status, bytes, body int    // status 0 = not even the header was complete
	head                string // the first of the bytes
	waited              time.Duration
	cut                 error // what came instead of the end
}

func (e partialError) Error() string {
	what := fmt.Sprintf("%d bytes came, which are no complete HTTP header", e.bytes)
	if !strings.HasPrefix(e.head, "HTTP/") {
		what = fmt.Sprintf("%d bytes came (%q), which are no complete HTTP header", e.bytes, e.head)
	}
	if e.status != 0 {
		what = fmt.Sprintf("the header and %d bytes of the body came", e.body)
	}
	switch {
	case isTimeout(e.cut):
		return fmt.Sprintf("%s, and no end within %v", what, e.waited.Round(time.Millisecond))
	case isAny(e.cut, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED):
		return what + ", then the connection was reset"
	}
	return what + ", then the connection was closed"
}

// isCut reports an error that ended a reply before its end.
func isCut(err error) bool {
	return isTimeout(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		isAny(err, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED)
}

// hurriedError says that a request was given up before its own timeout, because somebody else's
// deadline was shorter. Not having waited is no proof of silence.
type hurriedError struct{ had, want time.Duration }

func (e hurriedError) Error() string {
	return fmt.Sprintf("only %v of %v were left for the request", e.had.Round(time.Millisecond), e.want)
}

// within bounds ctx by a timeout. When less than that is left in ctx, hurried is the error to
// report instead of a timeout.
func within(ctx context.Context, timeout time.Duration) (_ context.Context, _ context.CancelFunc, hurried error) {
	if d, ok := ctx.Deadline(); ok {
		if left := time.Until(d); left < timeout*9/10 {
			hurried = hurriedError{left, timeout}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return ctx, cancel, hurried
}

// asProtocol makes a protocolError of what a decoder complained about. Errors of the connection,
// among them its end, pass unchanged.
func asProtocol(err error) error {
	if err == nil || isTimeout(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return err
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return err
	}
	return protocolError(bare(err))
}

// classify names a transport error. It reads types and error numbers, never texts.
func classify(err error) (failure, string) {
	if err == nil {
		return failNone, ""
	}
	if f, s, ok := classifyName(err); ok {
		return f, s
	}
	if h, ok := errors.AsType[hurriedError](err); ok {
		return failOurs, h.Error()
	}
	if r, ok := errors.AsType[*egress.RefusedError](err); ok {
		return failElsewhere, r.Error()
	}
	if p, ok := errors.AsType[partialError](err); ok {
		return failPartial, p.Error()
	}
	if s, ok := tlsSentence(err); ok {
		return failTLS, s
	}
	where := ""
	op, dialing := errors.AsType[*net.OpError](err)
	if dialing {
		if op.Addr != nil {
			where = " " + op.Addr.String()
		}
		dialing = op.Op == "dial"
	}
	switch {
	case errors.Is(err, context.Canceled):
		return failOurs, "the look was called off"
	case isAny(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL):
		return failOurs, fmt.Sprintf("our own side could not connect to%s: %s", where, errnoText(err))
	case errors.Is(err, syscall.ECONNREFUSED):
		return failRefused, "connection refused by" + or(where, " the server")
	case dialing && errors.Is(err, syscall.ENOENT):
		return failRefused, "there is no socket" + where
	case dialing && errors.Is(err, syscall.EAGAIN): // before the timeouts, since Go calls it one
		// Only a unix socket says this: its backlog is full, so somebody listens and does not accept.
		return failNoReply, "the backlog of the socket" + where + " is full: nobody accepts"
	case isAny(err, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN, syscall.EAFNOSUPPORT):
		return failUnreachable, "no way to" + or(where, " the server") + ": " + errnoText(err)
	case isAny(err, syscall.EACCES, syscall.EPERM):
		return failForbidden, "not permitted to connect to" + or(where, " the server")
	case dialing && isTimeout(err):
		return failConnectTime, "no answer to the connection request from" + where
	case isTimeout(err):
		return failNoReply, "the connection was accepted, and no complete answer came in time"
	case isAny(err, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED):
		return failReset, "the connection was reset before the answer was complete"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return failReset, "the connection was closed before the answer was complete"
	}
	if p, ok := errors.AsType[protocolError](err); ok {
		return failProtocol, "the answer breaks the protocol: " + clean(string(p), 150)
	}
	return failOther, clean(bare(err), maxSentence)
}

func classifyName(err error) (failure, string, bool) {
	d, ok := errors.AsType[*net.DNSError](err)
	if !ok {
		return failNone, "", false
	}
	if errors.Is(err, context.Canceled) {
		return failOurs, "the look was called off", true
	}
	why := "the name server failed"
	switch {
	case d.IsNotFound:
		why = "no such host"
	case d.IsTimeout:
		why = "the name server did not answer in time"
	}
	return failDNS, fmt.Sprintf("the name %q could not be resolved: %s", clean(d.Name, 100), why), true
}

func tlsSentence(err error) (string, bool) {
	if errors.Is(err, http.ErrSchemeMismatch) {
		return "https was asked, and the server speaks plain http", true
	}
	if e, ok := errors.AsType[plainToTLSError](err); ok {
		return e.Error(), true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "https was asked, and the server does not speak TLS", true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate is not accepted: " + clean(certificateText(err), 150), true
	}
	if a, ok := errors.AsType[tls.AlertError](err); ok {
		if a == noApplicationProtocol {
			return "the server speaks only HTTP/2 here, and HTTP/1.1 was asked: give the url of a port that speaks HTTP/1.1", true
		}
		return "the server refused the TLS handshake: " + a.Error(), true
	}
	var remote *net.OpError
	if errors.As(err, &remote) && (remote.Op == "remote error" || remote.Op == "local error") {
		return "the TLS handshake failed: " + clean(remote.Err.Error(), 100), true
	}
	return "", false
}

// noApplicationProtocol is the alert of a server that speaks none of the protocols offered: RFC 7301
// section 3.2.
const noApplicationProtocol = tls.AlertError(120)

func certificateText(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "signed by an unknown authority"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return e.Error()
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "it is for another name"
	}
	return bare(err)
}

// isTimeout covers the deadline of a connection, of a context, and of the kernel.
func isTimeout(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) {
		return true
	}
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func isAny(err error, numbers ...syscall.Errno) bool {
	e, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return false
	}
	for _, n := range numbers {
		if e == n {
			return true
		}
	}
	return false
}

func errnoText(err error) string {
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e.Error()
	}
	return "failed"
}

// bare is the text of the innermost error: the outer ones may carry a URL with credentials.
func bare(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

func or(s, fallback string) string {
	if s != "" {
		return s
	}
	return fallback
}
