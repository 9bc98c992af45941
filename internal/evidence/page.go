package evidence

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// page is the text of one piece while it is being written: bounded, and readable at any moment,
// since a source that hangs has perhaps written something before. It is safe for concurrent use.
type page struct {
	limit int

	mu      sync.Mutex // guards what follows
	text    bytes.Buffer
	dropped int
}

// Write keeps what fits. It never fails: whoever writes must not be stopped by our limit.
func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(b), p.limit-p.text.Len())
	p.text.Write(b[:n])
	p.dropped += len(b) - n
	return len(b), nil
}

// line writes one formatted line.
func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// read returns what was kept, and how many bytes were not.
func (p *page) read() (string, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String(), p.dropped
}

// plain makes text of what a program printed: no control characters but line ends and tabs.
func plain(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, odd) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if odd(r) {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(s, "·"))
}

func odd(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }
