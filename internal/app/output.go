package app

import (
	"bytes"

	"go.uber.org/zap"
)

// maxLine bounds one line of a child's output in the log: what is longer is cut into pieces.
const maxLine = 4 << 10

// lineLog is an io.Writer that logs what a child process writes, line by line. One process uses it
// at a time.
type lineLog struct {
	log  *zap.Logger
	rest []byte // begun and not ended yet
}

// Write logs the complete lines. It never fails: a child must not be blocked by our log.
func (l *lineLog) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		switch {
		case i >= 0 && i <= maxLine:
			l.say(l.rest[:i])
			l.rest = l.rest[i+1:]
		case len(l.rest) >= maxLine:
			l.say(l.rest[:maxLine])
			l.rest = l.rest[maxLine:]
		default:
			l.rest = bytes.Clone(l.rest) // do not keep the whole of what was written
			return len(p), nil
		}
	}
}

func (l *lineLog) say(line []byte) {
	if line = bytes.TrimRight(line, "\r"); len(line) > 0 {
		l.log.Info("output", zap.ByteString("line", line))
	}
}
