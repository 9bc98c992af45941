package app

import (
	"fmt"

	"github.com/coreos/go-systemd/v22/journal"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/recoveryd/recoveryd/internal/config"
)

// NewLogger builds the daemon's logger on standard error, or in systemd's journal where standard error
// leads there. It never samples: a burst of lines is when they matter.
func NewLogger(c config.Log) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(c.Level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	zc := zap.NewProductionConfig()
	zc.Level, zc.Sampling, zc.DisableStacktrace, zc.DisableCaller = zap.NewAtomicLevelAt(level), nil, true, true
	zc.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	zc.EncoderConfig.TimeKey = "time"
	zc.EncoderConfig.EncodeDuration = zapcore.StringDurationEncoder
	if c.Format == "console" {
		zc.Encoding = "console"
		zc.EncoderConfig.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		zc.EncoderConfig.EncodeLevel = zapcore.CapitalLevelEncoder
	}
	direct, err := journal.StderrIsJournalStream()
	if err != nil || !direct {
		return zc.Build()
	}
	text := zapcore.NewJSONEncoder(zc.EncoderConfig)
	if zc.Encoding == "console" {
		text = zapcore.NewConsoleEncoder(zc.EncoderConfig)
	}
	return zap.New(toJournal{LevelEnabler: level, text: text, send: journal.Send}), nil
}
