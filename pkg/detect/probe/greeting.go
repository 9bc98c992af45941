package probe

import (
	"bytes"
	"fmt"
	"net"
	"sync"
)

// maxGreeting is how much of what a stranger says first is kept to be quoted.
const maxGreeting = 80

// greetings are the first bytes of servers of other protocols, most of which speak before they are asked.
var greetings = []struct{ begins, speaks string }{
	{"SSH-", "SSH"},
	{"220", "SMTP or FTP"},
	{"554 ", "SMTP"},
	{"+OK ", "POP3"},
	{"* OK", "IMAP"},
	{"RFB ", "VNC"},
	{"@RSYNCD:", "rsync"},
	{"AMQP", "AMQP"},
	{"INFO {", "NATS"},
	{"-NOAUTH", "Redis"}, {"-DENIED", "Redis"}, {"-LOADING", "Redis"}, {"-ERR", "Redis or POP3"},
	{"HTTP/", "HTTP"},
	{"ERROR\r\n", "memcached"},
}

// firstWords names what answers in a protocol of its own, with its first words, by the first bytes that came;
// "" when they are not known to be a stranger's.
func firstWords(head []byte) string {
	for _, g := range greetings {
		if bytes.HasPrefix(head, []byte(g.begins)) {
			line, _, _ := bytes.Cut(head, []byte("\n"))
			return fmt.Sprintf("%s (%q)", g.speaks, clean(string(line), 60))
		}
	}
	// A packet of MySQL and MariaDB: its length in three bytes, number 0, version 10 of the protocol, and the
	// version of the server; or 255 and an error, such as a host that is not allowed.
	if len(head) > 6 && head[2] == 0 && head[3] == 0 {
		switch version, _, _ := bytes.Cut(head[5:], []byte{0}); head[4] {
		case 10:
			return fmt.Sprintf("MySQL or MariaDB (%q)", clean(string(version), 60))
		case 0xff:
			return fmt.Sprintf("MySQL or MariaDB (%q)", clean(string(head[7:]), 60))
		}
	}
	return ""
}

// overheard is a connection that remembers the first bytes of the other side.
type overheard struct {
	net.Conn
	mu   sync.Mutex
	head []byte
}

func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.head = append(o.head, p[:min(n, maxGreeting-len(o.head))]...)
	return n, err
}

// firstWords are those of the other side, "" when it is none, nor was anything heard.
func (o *overheard) firstWords() string {
	if o == nil {
		return ""
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return firstWords(o.head)
}

// hearing listens to every connection of one login: pgx makes a second one without TLS, and, in a goroutine of
// its own, one to take back what it asked.
type hearing struct {
	mu  sync.Mutex
	all []*overheard
}

func (h *hearing) listen(conn net.Conn) net.Conn {
	o := &overheard{Conn: conn}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, o)
	return o
}

// firstWords are those of the connection on which the most was said.
func (h *hearing) firstWords() (words string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.all {
		if w := o.firstWords(); len(w) > len(words) {
			words = w
		}
	}
	return words
}
