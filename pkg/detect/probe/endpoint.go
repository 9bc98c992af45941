package probe

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Defaults of an Endpoint.
const (
	// DefaultTimeout of one request. The real server takes 1001 ms to say that its pool is full;
	// one second, which its documents advise, would turn a full pool into a dead server.
	DefaultTimeout = 3 * time.Second
	// DefaultMaxBody is the largest body that is read, in bytes. The largest real payload, of
	// task-mcp's /health, is below 4 KiB.
	DefaultMaxBody = 256 << 10
	// maxHeader bounds the header of a reply, in bytes.
	maxHeader = 64 << 10
)

// Endpoint says where and how to ask over HTTP.
type Endpoint struct {
	URL     string // http:// or https://, required; a user and password in it become basic authentication
	Method  string // GET when empty
	Header  http.Header
	Bearer  Secret        // sent as Authorization: Bearer
	Body    []byte        // request body, for methods that have one
	TLS     TLS           // for https
	Timeout time.Duration // of one whole request; DefaultTimeout when 0
	MaxBody int           // bytes; DefaultMaxBody when 0
	Terms   Terms         // what was taught about its health replies
}

// TLS says how the other side proves who it is, and how we do.
type TLS struct {
	CAFile            string // PEM; the system's roots when empty
	CertFile, KeyFile string // PEM client certificate, when the server wants one
	ServerName        string // name in the certificate, when it is not that of the URL
	SkipVerify        bool   // accept any certificate: right only for a health check on loopback
}

// config makes a tls.Config; it reads the files.
func (t TLS) config(host string) (*tls.Config, error) {
	c := &tls.Config{ServerName: or(t.ServerName, host), InsecureSkipVerify: t.SkipVerify, NextProtos: []string{"http/1.1"}}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the CA file %s holds no PEM certificate", t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, errors.New("a client certificate needs both its certificate and its key file")
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// withDefaults fills in what was left out and checks the rest. Errors never show the URL's user
// part, since it may hold a password.
func (e Endpoint) withDefaults() (Endpoint, *url.URL, error) {
	u, err := url.Parse(e.URL)
	if err != nil {
		return e, nil, errors.New("the URL cannot be parsed (want http://host:port/path)")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return e, nil, fmt.Errorf("the URL %s is not one of http or https with a host", u.Redacted())
	}
	u.RawQuery = strings.ReplaceAll(u.RawQuery, " ", "%20") // people write it so; the wire does not take it
	if e.Method == "" {
		e.Method = http.MethodGet
	}
	if e.Timeout < 0 || e.MaxBody < 0 {
		return e, nil, errors.New("timeout and body bound must not be negative")
	}
	if e.Timeout == 0 {
		e.Timeout = DefaultTimeout
	}
	if e.MaxBody == 0 {
		e.MaxBody = DefaultMaxBody
	}
	return e, u, nil
}

// header is the header of every request: ours, the configured one, and the credential.
func (e Endpoint) header(u *url.URL) http.Header {
	h := e.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if h.Get("User-Agent") == "" {
		h.Set("User-Agent", "recoveryd")
	}
	switch {
	case e.Bearer != "":
		h.Set("Authorization", "Bearer "+strings.TrimSpace(string(e.Bearer)))
	case u.User != nil:
		password, _ := u.User.Password()
		r := http.Request{Header: h}
		r.SetBasicAuth(u.User.Username(), password)
	}
	return h
}

// address is host:port to connect to.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// request renders the whole request once: it is the same at every look.
func (e Endpoint) request(u *url.URL) (*http.Request, []byte, error) {
	plain := *u
	plain.User, plain.Fragment = nil, ""
	req, err := http.NewRequest(e.Method, plain.String(), bytes.NewReader(e.Body))
	if err != nil {
		return nil, nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header = e.header(u)
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	// A new connection for each look: one that is kept would go on working after the server has
	// stopped accepting.
	req.Close = true
	if req.Header.Get("Accept-Encoding") == "" {
		req.Header.Set("Accept-Encoding", "identity") // nothing to unpack
	}
	var b bytes.Buffer
	if err := req.Write(&b); err != nil {
		return nil, nil, fmt.Errorf("make the request: %w", err)
	}
	return req, b.Bytes(), nil
}
