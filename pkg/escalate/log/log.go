// Package log writes notices to the daemon's own log: the channel of a host that has no other,
// and a record beside any other.
//
// Each notice is one line with everything in fields. It cannot fail, and it wakes nobody.
//
// Start reading at [New].
package log

import (
	"context"
	"encoding/json"
	"errors"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Config is a channel's section.
type Config struct {
	// Templates overrides texts: title is the field title.
	Templates notice.Templates `yaml:"templates"`
}

// Bounds of a line: journald keeps 48 KB of one by default (LineMax=), and these come to less
// even when every character takes four bytes.
const (
	maxItems = 10
	maxItem  = 300 // runes
)

// Notifier writes to one logger. It is immutable and safe for concurrent use.
type Notifier struct {
	log      *zap.Logger
	messages *notice.Messages
}

var (
	_ notice.Notifier  = (*Notifier)(nil)
	_ notice.Previewer = (*Notifier)(nil)
)

// New returns the constructor of notifiers that write to logger.
func New(logger *zap.Logger) func(decode func(any) error) (notice.Notifier, error) {
	return func(decode func(any) error) (notice.Notifier, error) {
		var cfg Config
		if err := decode(&cfg); err != nil {
			return nil, err
		}
		messages, err := notice.NewMessages(cfg.Templates)
		if err != nil {
			return nil, err
		}
		if logger == nil {
			return nil, errors.New("the log channel was built without a logger")
		}
		return &Notifier{log: logger, messages: messages}, nil
	}
}

// Notify implements notice.Notifier. Only a context that has ended stops it.
func (n *Notifier) Notify(ctx context.Context, d notice.Delivery) (notice.Receipt, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, &notice.RetryError{Reason: notice.ReasonTimeout, Err: err}
	}
	n.log.Log(level(d.Notice), "notice", n.fields(d.Notice)...)
	return nil, nil
}

// level makes a page stand out and keeps the record of a cure quiet.
func level(n notice.Notice) zapcore.Level {
	switch {
	case n.Kind != notice.Trigger:
		return zapcore.InfoLevel
	case n.Severity == notice.Warning || n.Severity == notice.Info:
		return zapcore.WarnLevel
	}
	return zapcore.ErrorLevel
}

func (n *Notifier) fields(no notice.Notice) []zap.Field {
	text := func(s string) string { return notice.Cut(notice.OneLine(s), maxItem) }
	list := func(in []string) []string {
		out := make([]string, 0, maxItems)
		for _, s := range in[:min(len(in), maxItems)] {
			out = append(out, text(s))
		}
		return out
	}
	fields := []zap.Field{
		zap.String("kind", text(string(no.Kind))), zap.String("event", text(string(no.Event))), zap.String("incident", text(no.Incident)), zap.String("key", text(no.Key)),
		zap.Int("tier", no.Tier), zap.String("priority", text(no.Priority)), zap.String("status", text(string(no.Status))),
		zap.String("target", text(no.Target)), zap.String("class", text(no.Class)), zap.String("title", text(n.messages.Title(no))),
		zap.Time("since", no.Since), zap.Strings("affected", list(no.Affected)), zap.Strings("evidence", list(no.Evidence)),
		zap.String("next", text(no.Next)), zap.Strings("commands", list(no.Commands)),
	}
	if no.Runbook != "" {
		fields = append(fields, zap.String("runbook", text(no.Runbook)))
	}
	if last := len(no.Tried) - 1; last >= 0 {
		fields = append(fields, zap.String("tried", text(no.Tried[last].What+": "+no.Tried[last].Result)))
	}
	if no.Test {
		fields = append(fields, zap.Bool("test", true))
	}
	return fields
}

// Preview implements notice.Previewer.
func (n *Notifier) Preview(d notice.Delivery) ([]byte, error) {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range n.fields(d.Notice) {
		f.AddTo(enc)
	}
	return json.Marshal(enc.Fields)
}
