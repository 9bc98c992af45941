package escalatetest

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"
)

// session is one connection to the fake mail server.
type session struct {
	*SMTP
	conn  net.Conn
	text  *textproto.Conn
	fault Fault
	tls   bool
	user  string
	from  string
	to    []string
	mail  bool // MAIL was accepted
}

func (s *SMTP) session(conn net.Conn) {
	c := &session{SMTP: s, conn: conn, fault: s.take()}
	switch c.fault.Mode {
	case FaultDown:
		c.note("connect", 0, Rejected, "fault: connection reset", "")
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		return
	case FaultHang:
		c.note("connect", 0, Rejected, "fault: no greeting", "")
		c.hang()
		return
	case FaultGarbage:
		c.note("connect", 0, Rejected, "fault: garbage", "")
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n<html>\r\n")
		return
	}
	if s.o.TLS == SMTPImplicit && !c.secure() {
		return
	}
	c.text = textproto.NewConn(c.conn)
	if c.fault.Mode == FaultRateLimit {
		c.fail("greeting", 421, "4.7.0 too many connections")
		return
	}
	if c.failing("greeting") {
		return
	}
	if !c.say(220, "fake.example ESMTP") {
		return
	}
	for {
		line, err := c.text.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		if !c.command(strings.ToUpper(verb), strings.TrimSpace(rest)) {
			return
		}
	}
}

// hang waits until the client gives up.
func (c *session) hang() {
	_, _ = io.Copy(io.Discard, c.conn)
}

func (c *session) note(kind string, code int, verdict, why, body string) {
	c.add(Entry{At: time.Now(), Vendor: "smtp", Method: "SMTP", Path: c.conn.LocalAddr().String(), Body: body,
		Status: code, Verdict: verdict, Why: why, Kind: kind, Key: header(strings.ReplaceAll(body, "\r\n", "\n"), "Message-ID"),
		Fault: c.fault.Mode, Pages: verdict == Accepted})
}

func (c *session) secure() bool {
	t := tls.Server(c.conn, &tls.Config{Certificates: []tls.Certificate{c.cert}, MinVersion: tls.VersionTLS12})
	if err := t.Handshake(); err != nil {
		c.note("tls", 0, Rejected, "TLS: "+err.Error(), "")
		return false
	}
	c.conn, c.tls = t, true
	return true
}

func (c *session) say(code int, text string) bool {
	return c.text.PrintfLine("%d %s", code, text) == nil
}

// fail answers with a code and notes the refusal.
func (c *session) fail(stage string, code int, text string) {
	c.note(stage, code, Rejected, text, "")
	c.say(code, text)
}

// failing answers with the injected code when it belongs to this stage.
func (c *session) failing(stage string) bool {
	at := c.fault.Stage
	if at == "" {
		at = "body"
	}
	if c.fault.Mode != FaultStatus || at != stage {
		return false
	}
	c.fail(stage, c.fault.Status, fmt.Sprintf("%d.0.0 fault injected", c.fault.Status/100))
	return true
}

// command answers one command; false ends the connection.
func (c *session) command(verb, rest string) bool {
	switch verb {
	case "EHLO", "HELO":
		if c.failing("ehlo") {
			return true
		}
		lines := []string{"fake.example", "8BITMIME", "ENHANCEDSTATUSCODES", "PIPELINING", "SMTPUTF8", fmt.Sprint("SIZE ", c.o.MaxSize)}
		if c.o.TLS == SMTPStartTLS && !c.tls {
			lines = append(lines, "STARTTLS")
		}
		if c.o.Auth && (c.tls || c.o.TLS == SMTPPlain) {
			lines = append(lines, "AUTH PLAIN LOGIN")
		}
		for i, l := range lines {
			sep := "-"
			if i == len(lines)-1 {
				sep = " "
			}
			if c.text.PrintfLine("250%s%s", sep, l) != nil {
				return false
			}
		}
		return true
	case "STARTTLS":
		if c.o.TLS != SMTPStartTLS || c.tls {
			return c.say(502, "5.5.1 not offered")
		}
		if !c.say(220, "2.0.0 go ahead") || !c.secure() {
			return false
		}
		c.text = textproto.NewConn(c.conn)
		return true
	case "AUTH":
		return c.auth(rest)
	case "MAIL":
		return c.start(rest)
	case "RCPT":
		return c.recipient(rest)
	case "DATA":
		return c.data()
	case "RSET":
		c.mail, c.from, c.to = false, "", nil
		return c.say(250, "2.0.0 reset")
	case "NOOP":
		return c.say(250, "2.0.0 ok")
	case "QUIT":
		c.say(221, "2.0.0 bye")
		return false
	}
	return c.say(502, "5.5.1 no such command")
}

func (c *session) auth(rest string) bool {
	if c.failing("auth") {
		return true
	}
	if !c.o.Auth {
		return c.say(502, "5.5.1 not offered")
	}
	mechanism, initial, _ := strings.Cut(rest, " ")
	ask := func(prompt string) string {
		c.say(334, base64.StdEncoding.EncodeToString([]byte(prompt)))
		line, err := c.text.ReadLine()
		if err != nil {
			return ""
		}
		b, _ := base64.StdEncoding.DecodeString(line)
		return string(b)
	}
	var user, password string
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
		b, _ := base64.StdEncoding.DecodeString(initial)
		if initial == "" {
			b = []byte(ask(""))
		}
		if parts := strings.Split(string(b), "\x00"); len(parts) == 3 {
			user, password = parts[1], parts[2]
		}
	case "LOGIN":
		user, password = ask("Username:"), ask("Password:")
	default:
		return c.say(504, "5.5.4 no such mechanism")
	}
	if user != SMTPUser || password != SMTPPassword {
		c.fail("auth", 535, "5.7.8 authentication credentials invalid")
		return true
	}
	c.user = user
	return c.say(235, "2.7.0 authenticated")
}

// address takes the mailbox out of "FROM:<a@b> SIZE=1".
func address(rest, want string) (string, bool) {
	if len(rest) < len(want) || !strings.EqualFold(rest[:len(want)], want) {
		return "", false
	}
	box, _, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(rest[len(want):]), "<"), ">")
	return box, ok
}

func (c *session) start(rest string) bool {
	box, ok := address(rest, "FROM:")
	switch {
	case c.failing("mail"):
		return true
	case c.o.Auth && c.user == "":
		c.fail("mail", 530, "5.7.0 authentication required")
		return true
	case !ok || !strings.Contains(box, "@"):
		c.fail("mail", 501, "5.1.7 bad sender")
		return true
	case c.mail:
		return c.say(503, "5.5.1 nested MAIL")
	}
	c.mail, c.from = true, box
	return c.say(250, "2.1.0 ok")
}

func (c *session) recipient(rest string) bool {
	box, ok := address(rest, "TO:")
	switch {
	case !c.mail:
		return c.say(503, "5.5.1 MAIL first")
	case c.failing("rcpt"):
		return true
	case !ok || !strings.Contains(box, "@"):
		c.fail("rcpt", 501, "5.1.3 bad recipient")
		return true
	}
	if code := c.rejects(box); code != 0 {
		c.fail("rcpt", code, fmt.Sprintf("%d.1.1 <%s> refused", code/100, box))
		return true
	}
	c.to = append(c.to, box)
	return c.say(250, "2.1.5 ok")
}

func (c *session) data() bool {
	if len(c.to) == 0 {
		return c.say(503, "5.5.1 RCPT first")
	}
	if c.failing("data") {
		return true
	}
	if !c.say(354, "end with .") {
		return false
	}
	raw, err := c.text.ReadDotBytes()
	if err != nil {
		return false
	}
	body := string(raw)
	switch {
	case c.failing("body"):
		return true
	case len(raw) > c.o.MaxSize:
		c.fail("body", 552, "5.3.4 message too big")
		return true
	}
	for _, h := range []string{"From", "Date", "Message-ID"} {
		if header(body, h) == "" {
			c.fail("body", 550, "5.6.0 no "+h+" header")
			return true
		}
	}
	for i, line := range strings.Split(body, "\n") {
		if len(line) > 998 {
			c.fail("body", 550, fmt.Sprintf("5.6.0 line %d has %d octets, more than 998", i+1, len(line)))
			return true
		}
	}
	c.accept(Mail{From: c.from, To: c.to, Data: body, TLS: c.tls, User: c.user})
	c.note("mail", 250, Accepted, "delivered to "+strings.Join(c.to, ", "), body)
	c.mail, c.from, c.to = false, "", nil
	switch c.fault.Mode {
	case FaultHangAfterAccept:
		c.hang()
		return false
	case FaultTruncate:
		return false
	case FaultSlow:
		time.Sleep(time.Duration(c.fault.DelaySeconds * float64(time.Second)))
	}
	return c.say(250, "2.0.0 accepted")
}
