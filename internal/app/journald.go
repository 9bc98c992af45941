package app

import (
	"fmt"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
	"go.uber.org/zap/zapcore"
)

// toJournal writes each line to systemd's journal with its priority and with its fields as fields of the
// journal, so that `journalctl -u recoveryd -p warning` and `journalctl TARGET=codebase-mcp` find it. The
// text of the message is what would stand on standard error.
type toJournal struct {
	zapcore.LevelEnabler
	text   zapcore.Encoder
	fields []zapcore.Field // of With
	send   func(message string, p journal.Priority, vars map[string]string) error
}

// With implements zapcore.Core.
func (j toJournal) With(fields []zapcore.Field) zapcore.Core {
	j.text = j.text.Clone()
	for _, f := range fields {
		f.AddTo(j.text)
	}
	j.fields = append(j.fields[:len(j.fields):len(j.fields)], fields...)
	return j
}

// Check implements zapcore.Core.
func (j toJournal) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if j.Enabled(e.Level) {
		return c.AddCore(e, j)
	}
	return c
}

// Write implements zapcore.Core. A journal that does not take the line must not lose it.
func (j toJournal) Write(e zapcore.Entry, fields []zapcore.Field) error {
	b, err := j.text.EncodeEntry(e, fields)
	if err != nil {
		return err
	}
	defer b.Free()
	line := strings.TrimRight(b.String(), "\n")
	vars := map[string]string{"SYSLOG_IDENTIFIER": "recoveryd"}
	if e.LoggerName != "" {
		vars["LOGGER"] = e.LoggerName
	}
	values := zapcore.NewMapObjectEncoder()
	for _, list := range [][]zapcore.Field{j.fields, fields} {
		for _, f := range list {
			f.AddTo(values)
		}
	}
	for name, v := range values.Fields {
		if name = journalField(name); name != "" {
			vars[name] = strings.ToValidUTF8(fmt.Sprint(v), "\ufffd")
		}
	}
	if err := j.send(line, priorityOf(e.Level), vars); err != nil {
		_, err = fmt.Fprintln(os.Stderr, line)
		return err
	}
	return nil
}

// Sync implements zapcore.Core; nothing is kept back.
func (toJournal) Sync() error { return nil }

// priorityOf translates a level to one of syslog's.
func priorityOf(l zapcore.Level) journal.Priority {
	switch {
	case l >= zapcore.DPanicLevel:
		return journal.PriCrit
	case l == zapcore.ErrorLevel:
		return journal.PriErr
	case l == zapcore.WarnLevel:
		return journal.PriWarning
	case l == zapcore.DebugLevel:
		return journal.PriDebug
	}
	return journal.PriInfo
}

// journalField is a name as journald takes it: capitals, digits and underscores, not beginning with an
// underscore or a digit. Names that journald itself gives a meaning are left to it.
func journalField(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, strings.TrimLeft(name, "_0123456789"))
	switch name {
	case "MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "MESSAGE_ID":
		return ""
	}
	return name
}
