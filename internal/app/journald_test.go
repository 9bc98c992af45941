package app

import (
	"errors"
	"testing"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestALineForTheJournalHasItsPriorityAndItsFields(t *testing.T) {
	type sent struct {
		text string
		p    journal.Priority
		vars map[string]string
	}
	var got []sent
	core := toJournal{LevelEnabler: zap.NewAtomicLevelAt(zap.InfoLevel), text: zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()),
		send: func(text string, p journal.Priority, vars map[string]string) error {
			got = append(got, sent{text, p, vars})
			return nil
		}}
	log := zap.New(core)
	log.Debug("not wanted")
	log.With(zap.String("target", "svc")).Named("engine").Warn("decision", zap.String("class", "down"), zap.String("action_id", "a1"),
		zap.String("message", "of somebody else"), zap.Uint64("seq", 7), zap.String("_uid", "0"), zap.Strings("to", []string{"pager", "chat"}))
	log.Error("two\nlines", zap.Error(errors.New("broken")))
	log.Info("quiet")
	require.Len(t, got, 3)
	require.Equal(t, journal.PriWarning, got[0].p)
	require.Equal(t, map[string]string{"SYSLOG_IDENTIFIER": "recoveryd", "LOGGER": "engine", "TARGET": "svc", "CLASS": "down", "ACTION_ID": "a1", "SEQ": "7", "UID": "0", "TO": "[pager chat]"}, got[0].vars)
	require.Contains(t, got[0].text, `"msg":"decision"`)
	require.Contains(t, got[0].text, `"target":"svc"`)
	require.Equal(t, journal.PriErr, got[1].p)
	require.Equal(t, "broken", got[1].vars["ERROR"])
	require.Equal(t, journal.PriInfo, got[2].p)
	require.NotContains(t, got[2].vars, "TARGET", "fields of another line stay there")
}
