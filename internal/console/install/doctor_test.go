package install

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/doctor"
	"github.com/recoveryd/recoveryd/internal/drill"
	"github.com/recoveryd/recoveryd/internal/drill/onhost"
)

func TestDoctorWarnsOfDrillsThatWereNotPutBack(t *testing.T) {
	store := onhost.Store{Dir: t.TempDir()}
	require.Empty(t, drillsLeft(store))
	require.NoError(t, store.SaveRecord(onhost.Record{Order: drill.Order{ID: "20261122-060000-freeze-svc"}}))
	require.Equal(t, []doctor.Finding{{Check: "drills", Object: "20261122-060000-freeze-svc", Status: doctor.Warn,
		Detail: "ended without putting things back and without a report", Mend: "recoveryd drill mend"}}, drillsLeft(store))
	unlock, err := store.Lock()
	require.NoError(t, err)
	defer unlock()
	require.Empty(t, drillsLeft(store), "a drill is under way")
}
