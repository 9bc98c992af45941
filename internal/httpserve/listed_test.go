package httpserve_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
)

func TestTheListOfIncidentsSaysWhereTheRunbooksAre(t *testing.T) {
	h := hosttest.New(t, time.Now(), hosttest.Options(t))
	h.Run(20 * time.Second)
	h.Facts["workflow-mcp"] = hosttest.Crashed("run-1")
	h.Run(time.Minute)
	_, url := server(t, h, nil)
	resp, err := http.Get(url + "/api/v1/incidents")
	require.NoError(t, err)
	defer resp.Body.Close()
	var list []struct{ ID, Class, Runbook string }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&list))
	require.Len(t, list, 1)
	require.NotEmpty(t, list[0].ID)
	require.Equal(t, "recoveryd runbook "+list[0].Class, list[0].Runbook)
}
