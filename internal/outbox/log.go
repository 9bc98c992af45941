package outbox

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// logAttempt tells a failure when it is the first in a row, and a success when it ends a row of
// them; what repeats is for debugging, and is counted.
func (s *scheduler) logAttempt(e ended, failuresBefore int) {
	level := zapcore.DebugLevel
	msg := "notice delivered"
	fields := []zap.Field{
		zap.String("channel", e.call.channel), zap.String("notice", e.call.row.ID), zap.String("kind", string(e.call.row.Kind)),
		zap.String("incident", e.call.row.Notice.Incident), zap.Int("attempt", e.call.row.Attempts+1), zap.Duration("took", e.took),
	}
	switch {
	case e.result.Partial:
		msg = "notice not delivered to all"
		if e.call.row.Attempts == 0 || len(e.result.Refused) > 0 {
			level = zapcore.WarnLevel
		}
		fields = append(fields, zap.Strings("took", e.result.Took), zap.Strings("left", e.result.Left),
			zap.Any("refused", e.result.Refused), zap.String("error", e.result.Error))
	case !e.result.OK:
		msg = "notice not delivered"
		if failuresBefore == 0 || e.result.Final {
			level = zapcore.WarnLevel
		}
		fields = append(fields, zap.String("reason", string(e.result.Reason)), zap.String("error", e.result.Error))
	case failuresBefore > 0:
		level = zapcore.InfoLevel
	}
	s.log.Log(level, msg, fields...)
}

// logSettled tells what left the queue without being delivered.
func (s *scheduler) logSettled(q queue.Queued) {
	fields := []zap.Field{
		zap.String("channel", q.Channel), zap.String("notice", q.ID), zap.String("kind", string(q.Kind)),
		zap.String("incident", q.Notice.Incident), zap.String("why", q.Why),
	}
	switch q.State {
	case queue.Collapsed:
		s.log.Info("notice collapsed", fields...)
	case queue.Refused:
		s.log.Error("notice refused for good", fields...)
	case queue.Waiting, queue.Delivered:
	}
}

func (s *scheduler) logTrouble(name string, before bool, now queue.ChannelState) {
	switch {
	case !before && now.Trouble != nil:
		s.log.Error("channel does not deliver", zap.String("channel", name), zap.String("why", now.Trouble.Why))
	case before && now.Trouble == nil:
		s.log.Info("channel delivers again", zap.String("channel", name))
	}
}
