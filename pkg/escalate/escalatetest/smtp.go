package escalatetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the fake mail server knows.
const (
	SMTPUser     = "recoveryd"
	SMTPPassword = "smtp-fake-passw0rd"
)

// TLS modes of a fake mail server.
const (
	SMTPPlain    = ""         // no TLS
	SMTPStartTLS = "starttls" // EHLO offers STARTTLS, and AUTH only after it
	SMTPImplicit = "implicit" // TLS from the first byte (port 465)
)

// SMTPOptions says what the fake mail server looks like.
type SMTPOptions struct {
	// TLS is one of the modes.
	TLS string
	// Auth wants SMTPUser and SMTPPassword before MAIL.
	Auth bool
	// Reject maps a recipient to the code that RCPT gets.
	Reject map[string]int
	// MaxSize is the largest message in bytes; 0: 10 MB.
	MaxSize int
	// Log receives the entries; nil makes a new one.
	Log *Log
}

// Mail is one message that was accepted.
type Mail struct {
	From string
	To   []string
	Data string // headers and body
	TLS  bool
	User string
}

// SMTP is a fake mail server: EHLO, STARTTLS, AUTH PLAIN and LOGIN, MAIL, RCPT, DATA, RSET,
// NOOP, QUIT, in the order that RFC 5321 wants. A [Fault] holds for a whole connection.
type SMTP struct {
	faults
	*Log
	o    SMTPOptions
	cert tls.Certificate
	pem  []byte

	mu    sync.Mutex
	mails []Mail
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// NewSMTP makes a fake mail server with a self-signed certificate for 127.0.0.1 and localhost.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	if o.Log == nil {
		o.Log = new(Log)
	}
	if o.MaxSize == 0 {
		o.MaxSize = 10 << 20
	}
	s := &SMTP{Log: o.Log, o: o, conns: map[net.Conn]bool{}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fake mail server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	s.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	s.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return s, nil
}

// CertPEM is the server's certificate, for a client's list of authorities.
func (s *SMTP) CertPEM() []byte { return s.pem }

// Reject replaces the recipients that are refused, by the code that RCPT gets.
func (s *SMTP) Reject(codes map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o.Reject = codes
}

func (s *SMTP) rejects(box string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.o.Reject[box]
}

// Mails returns the accepted messages in order.
func (s *SMTP) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Serve accepts connections until the listener is closed; it then ends the open ones and waits
// for them.
func (s *SMTP) Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			for c := range s.conns {
				_ = c.Close()
			}
			s.mu.Unlock()
			s.wg.Wait()
			return err
		}
		s.mu.Lock()
		s.conns[conn] = true
		s.mu.Unlock()
		s.wg.Go(func() {
			s.session(conn)
			_ = conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
	}
}

// ServeSMTP runs a fake mail server on a loopback port until the test ends and returns its address.
func ServeSMTP(t testing.TB, s *SMTP) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		_ = s.Serve(l) // ends with the listener
		close(done)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

func (s *SMTP) accept(m Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
}

// header returns a header of a message, unfolded, or "".
func header(data, name string) string {
	head, _, _ := strings.Cut(data, "\n\n")
	lines := strings.Split(strings.ReplaceAll(head, "\r", ""), "\n")
	for i, l := range lines {
		k, v, ok := strings.Cut(l, ":")
		if !ok || !strings.EqualFold(k, name) {
			continue
		}
		for _, more := range lines[i+1:] {
			if more == "" || more[0] != ' ' && more[0] != '\t' {
				break
			}
			v += " " + strings.TrimSpace(more)
		}
		return strings.TrimSpace(v)
	}
	return ""
}

// Header returns a header of the message, unfolded, or "".
func (m Mail) Header(name string) string {
	return header(strings.ReplaceAll(m.Data, "\r\n", "\n"), name)
}
