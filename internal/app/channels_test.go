package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

const routingKey = "0123456789abcdef0123456789abcdef"

// channelConfig is a configuration with these notifiers.
func channelConfig(t *testing.T, notifiers string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recoveryd.yaml")
	require.NoError(t, os.WriteFile(path, []byte("version: 1\nhost: db1\ntargets: [{name: svc, kind: service, platform: none, health: [{url: \"http://127.0.0.1:1/\"}]}]\nnotifiers:\n"+notifiers), 0o600))
	c, err := config.Load(path, Known())
	require.NoError(t, err)
	return c
}

// tried runs a test of channels and returns what became of each, by name.
func tried(t *testing.T, c *config.Config, names ...string) map[string]Trial {
	t.Helper()
	out := map[string]Trial{}
	require.NoError(t, TryChannels(t.Context(), c, names, time.Now(), func(x Trial) { out[x.Channel] = x }))
	return out
}

func TestATestIsSentMarkedAndTakenBack(t *testing.T) {
	pd := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{Keys: []string{routingKey}})
	c := channelConfig(t, fmt.Sprintf("  - {name: pd, type: pagerduty, routing_key: %s, endpoint: %q, templates: {title: \"{{.Summary}}\"}}\n", routingKey, escalatetest.Serve(t, pd)))
	got := tried(t, c)["pd"]
	require.True(t, got.OK(), "%+v", got)
	require.Len(t, pd.Alerts(), 1)
	require.Equal(t, "resolved", pd.Alerts()[0].Status, "nobody has to close it by hand")
	require.Contains(t, pd.Log.Entries()[0].Body, "test, nothing is wrong", "also with a template that shows nothing but the summary")
}

func TestATestThatIsNotAcceptedSaysWhyAndWhatToDo(t *testing.T) {
	pd := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{Keys: []string{"another0123456789abcdef012345678"}})
	url := escalatetest.Serve(t, pd)
	slack := escalatetest.NewSlack(escalatetest.SlackOptions{})
	am := escalatetest.NewAlertmanager(escalatetest.AlertmanagerOptions{})
	am.Set(escalatetest.Fault{Mode: escalatetest.FaultDown})
	c := channelConfig(t, fmt.Sprintf(`
  - {name: wrong-key, type: pagerduty, routing_key: %s, endpoint: %q}
  - {name: wrong-token, type: slack, token: xoxb-0000000000-wrong, channel: %s, api_url: "%s/api"}
  - {name: wrong-address, type: alertmanager, urls: [%q]}
  - {name: gone, type: webhook, url: "http://127.0.0.1:1/hook"}
  - {name: quiet, type: email, server: "127.0.0.1:1", from: a@example.org, to: [b@example.org], kinds: [resolve]}
`, routingKey, url, escalatetest.SlackChannel, escalatetest.Serve(t, slack), url))
	got := tried(t, c)
	for name, want := range map[string]struct {
		reason notice.Reason
		advice string
	}{
		"wrong-key":     {notice.ReasonRejected, "compare its reason"},
		"wrong-token":   {notice.ReasonAuth, "replace the secret"},
		"wrong-address": {notice.ReasonConfig, "recoveryd validate"},
		"gone":          {notice.ReasonNetwork, "firewall"},
		"quiet":         {notice.ReasonConfig, "kinds"},
	} {
		x := got[name]
		require.False(t, x.OK(), name)
		require.Equal(t, want.reason, x.Reason, "%s: %s", name, x.Error)
		require.Contains(t, x.Advice, want.advice, name)
		require.NotContains(t, x.Error+x.Advice, routingKey)
		require.NotContains(t, x.Error+x.Advice, "xoxb-0000000000-wrong")
	}
	require.Contains(t, got["quiet"].Error, "nothing was sent", "silence is no success")
}

func TestEveryReasonHasItsOwnAdvice(t *testing.T) {
	seen := map[string]notice.Reason{}
	for _, r := range []notice.Reason{notice.ReasonNetwork, notice.ReasonTimeout, notice.ReasonRateLimited, notice.ReasonServer,
		notice.ReasonAuth, notice.ReasonConfig, notice.ReasonRejected} {
		require.Empty(t, seen[advice(r)], "%s and %s", r, seen[advice(r)])
		seen[advice(r)] = r
	}
}

func TestATestOfEverythingLeavesThePublicOut(t *testing.T) {
	page := escalatetest.NewStatuspage(escalatetest.StatuspageOptions{})
	c := channelConfig(t, fmt.Sprintf("  - {name: page, type: statuspage, api_key: %s, page_id: %s, endpoint: %q}\n", escalatetest.StatuspageKey, escalatetest.StatuspageID, escalatetest.Serve(t, page)))
	got := tried(t, c)["page"]
	require.Contains(t, got.Skipped, "public")
	require.True(t, got.OK())
	require.Empty(t, page.Log.Entries())
	require.True(t, tried(t, c, "page")["page"].Accepted, "named, it is meant")
}

func TestAnUnknownChannelIsRefusedWithTheNamesThatThereAre(t *testing.T) {
	c := channelConfig(t, "  - {name: pd, type: log}\n")
	err := TryChannels(t.Context(), c, []string{"pagerdutty"}, time.Now(), func(Trial) { t.Error("nothing may be sent") })
	require.ErrorContains(t, err, `no channel "pagerdutty" (there are: pd)`)
	_, err = PreviewChannels(channelConfig(t, "  []\n"), nil, nil)
	require.ErrorContains(t, err, "no notifier")
}

func TestAPreviewIsWhatIsSentWithTheOperatorsTemplatesAndWithoutSecrets(t *testing.T) {
	pd := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{Keys: []string{routingKey}})
	c := channelConfig(t, fmt.Sprintf("  - {name: pd, type: pagerduty, routing_key: %s, endpoint: %q, templates: {title: \"OPS {{.Target}} {{.Class}}\"}}\n", routingKey, escalatetest.Serve(t, pd)))
	sample := notice.Sample(notice.Trigger, "sample-1", "db1", time.Now())
	list, err := PreviewChannels(c, []string{"pd"}, func(string) (notice.Notice, error) { return sample, nil })
	require.NoError(t, err)
	require.Empty(t, pd.Log.Entries(), "nothing is sent")
	require.Contains(t, list[0].Body, "OPS codebase-mcp down")
	require.NotContains(t, list[0].Body, routingKey)
	notifiers, err := notifiersOf(c, nil)
	require.NoError(t, err)
	_, err = notifiers["pd"].Notify(t.Context(), notice.Delivery{Notice: sample, Attempt: 1})
	require.NoError(t, err)
	require.JSONEq(t, strings.ReplaceAll(list[0].Body, "<secret>", routingKey), pd.Log.Entries()[0].Body)
}

func TestAPreviewOfAnIncidentIsTheNoticeThatItHadOrWouldHave(t *testing.T) {
	dir, began := t.TempDir(), time.Now().Add(-time.Hour).UTC()
	journaled(t, dir, began)
	h, err := OpenHistory(t.Context(), dir)
	require.NoError(t, err)
	defer h.Close()
	c := channelConfig(t, "  - {name: slack, type: log}\n")
	n, err := h.NoticeOf(t.Context(), c, "svc-1", notice.Trigger, "slack", time.Now())
	require.NoError(t, err)
	require.Equal(t, "n1", n.ID, "the very notice from the outbox")
	n, err = h.NoticeOf(t.Context(), c, "svc-1", notice.Resolve, "slack", time.Now())
	require.NoError(t, err)
	require.Equal(t, notice.Resolve, n.Kind)
	require.Contains(t, n.Summary, "svc: down: resolved after")
	_, err = h.NoticeOf(t.Context(), c, "no-such", notice.Trigger, "slack", time.Now())
	require.ErrorContains(t, err, "recoveryd incidents")
}

func TestTheConfigurationInTheDocumentationIsValid(t *testing.T) {
	text, err := os.ReadFile("../../docs/escalation.md")
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(text), "```yaml\nversion: 1\n")
	require.True(t, ok)
	example, _, ok := strings.Cut("version: 1\n"+after, "```")
	require.True(t, ok)
	known := Known()
	known.WithoutSecrets = true // its secrets are files of another machine
	c, err := config.Parse("docs/escalation.md", []byte(example), known)
	require.NoError(t, err)
	require.Empty(t, c.Warnings)
	_, err = PolicyOf(c)
	require.NoError(t, err)
}
