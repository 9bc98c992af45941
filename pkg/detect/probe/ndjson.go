package probe

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
)

// event is one line of an NDJSON answer.
type event struct {
	kind string // start, result, error, end, or a word that we do not know
	node node
	raw  []byte // the line
}

// maxEvents bounds how many events are read; a tool call has four.
const maxEvents = 10_000

// readEvents reads one JSON object with a "type" from each line. It stops at the first error.
func readEvents(body []byte) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		count := 0
		for line := range bytes.Lines(body) {
			line = bytes.TrimSpace(line)
			if len(line) == 0 {
				continue
			}
			n, err := parseJSON(line)
			kind := n.get("type").str()
			count++
			switch {
			case err != nil:
				err = fmt.Errorf("line %d: %w", count, err)
			case kind == "":
				err = fmt.Errorf("line %d has no type", count)
			case count > maxEvents:
				err = errors.New("too many events")
			}
			if !yield(event{kind: kind, node: n, raw: line}, err) || err != nil {
				return
			}
		}
	}
}
