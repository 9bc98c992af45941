package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/console/look"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

const storyID = "mcp-20261122-031508"

func TestExplainSaysWhatWasSeenWhichRowDecidedAndWhatNearlyDid(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory())
	out, errOut, code := say(t, "explain", storyID, "--state-dir", dir, "--config", file)
	require.Zero(t, code, errOut)
	t.Log("\n" + out)
	for _, want := range []string{
		"evidence   2 pieces, 1 KiB, see: recoveryd evidence " + storyID,
		"suspect -> acting (act)",
		"witnesses   http and workload: ",
		"http        latency 3s, outcome no-reply",
		"rule        bad confirmed rung, unless masked held page-first",
		"true were   bad confirmed rung",
		`nearby      held (dependency): it lacked "masked"`,
		"nearly      rule slow-pool: http.latency > 2 and workload.state == \"running\"; but not workload.restarts > 5",
		fmt.Sprintf("%d reasons not to act were asked, none applied", len(incident.Holds())),
		"does        restart mcp.service",
		"timeline",
	} {
		require.Contains(t, out, want)
	}
	out, _, code = say(t, "explain", storyID, "--state-dir", dir, "--config", "/nonexistent")
	require.Zero(t, code, "it works without a configuration")
	require.NotContains(t, out, "slow-pool")
}

func TestExplainAsJSONIsComplete(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory())
	out, _, code := say(t, "explain", storyID, "--state-dir", dir, "--config", file, "-o", "json")
	require.Zero(t, code)
	var x app.Explanation
	require.NoError(t, json.Unmarshal([]byte(out), &x))
	require.Len(t, x.Evidence, 2)
	require.NotEmpty(t, x.Records)
	var act app.Decision
	for _, d := range x.Decisions {
		if d.Reason == incident.Act {
			act = d
		}
	}
	require.Len(t, act.Holds, len(incident.Holds()))
	require.Equal(t, silent, act.Look.Facts)
	require.NotNil(t, act.Pair)
}

func TestEvidencePrintsAllSourcesOrTheNamedOnes(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory())
	args := []string{"evidence", storyID, "--state-dir", dir, "--config", file}
	out, _, code := say(t, args...)
	require.Zero(t, code)
	require.Contains(t, out, "==== collected 2026-11-22")
	require.Contains(t, out, "\n-- log --\nlast words of the old process\n\n-- sockets --\nlistening: nobody\n")
	out, _, code = say(t, append(args, "sockets")...)
	require.Zero(t, code)
	require.NotContains(t, out, "last words")
	out, _, code = say(t, append(args, "unit")...)
	require.Zero(t, code)
	require.Equal(t, "none of what is kept of incident "+storyID+" is of unit (there is log, sockets)\n", out)
	out, _, _ = say(t, append(args, "-o", "json")...)
	var list []look.EvidencePiece
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	require.Len(t, list, 2)
	_, errOut, code := say(t, append(args, "sokets")...)
	require.Equal(t, console.Usage, code)
	require.Contains(t, errOut, "want one of log, unit, processes")
	_, errOut, code = say(t, "evidence", "nothing-1", "--state-dir", dir)
	require.NotZero(t, code)
	require.Contains(t, errOut, "recoveryd incidents")
}
