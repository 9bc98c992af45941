package app

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// TestTheJournalOfAnEarlierBuildIsRead: the file was left by the build of 2026-12-01 (0480cea), killed while a
// server waited for approval of its start and another, cured, stood under a person's hold.
func TestTheJournalOfAnEarlierBuildIsRead(t *testing.T) {
	dir := unpack(t, "testdata/journal-2026-12-01.tgz")
	j, err := journal.Open(t.Context(), journal.Options{Dir: dir, BallastBytes: -1})
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	require.Nil(t, j.Salvaged())
	s, err := restore(t.Context(), j, time.Now(), zap.NewNop())
	require.NoError(t, err)

	shop, search := s.Targets["shop"], s.Targets["search"]
	require.Equal(t, incident.Held, shop.Phase)
	require.Equal(t, incident.HoldApproval, shop.Reason)
	require.Equal(t, incident.Probation, search.Phase)
	require.Equal(t, "a golden hold", search.Hold.Why)
	require.NotEmpty(t, search.Run, "the run that was seen last")
	waiting, cured := s.Incidents[shop.Incident], s.Incidents[search.Incident]
	require.NotNil(t, waiting.Proposal)
	require.Equal(t, incident.Verified, cured.Attempts[0].Verdict)
	require.Equal(t, []detect.Witness{detect.ByPlatform, detect.BySocket}, waiting.Diagnosis.Witnesses, "in today's words")
	require.Equal(t, strategy.Start, search.Plan.Actions[0].Verb, "in today's words")
}

func unpack(t *testing.T, file string) string {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		require.NoError(t, err)
		if h.Typeflag != tar.TypeReg {
			continue
		}
		body, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(h.Name)), body, 0o600))
	}
}
