package page

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestWhatPlaybooksDoAndDidIsShown(t *testing.T) {
	h, _, url := serve(t, hosttest.Night)
	h.Do = func(strategy.Action) incident.Result { return incident.ResultFailed }
	h.Say("", incident.Command{Verb: incident.CmdPlay, By: "ann", Playbook: "clear-caches"})
	h.Run(5 * time.Second)
	h.Say("", incident.Command{Verb: incident.CmdPlay, By: "bob", Playbook: "restore"})
	body, _ := get(t, url, 200)
	for _, want := range []string{"Playbooks</h2>", "waits for approval of step 1 of 1, restore the backup; approve it with: recoveryd playbook approve restore-",
		"playbook-failed after", "step 1 of 1, clean /var/cache/mcp failed", "When it is seen to: recoveryd playbook stop clear-caches-", "by bob"} {
		require.Contains(t, body, want)
	}
	st := h.State()
	h.Say("", incident.Command{Verb: incident.CmdPlayStop, By: "ann", Run: st.Host.Troubles[0].Run})
	h.Say("", incident.Command{Verb: incident.CmdPlayStop, By: "ann", Run: st.Host.Run.ID})
	body, _ = get(t, url, 200)
	require.NotContains(t, body, "When it is seen to")
	require.Contains(t, body, "playbook-ended after")
}
