package slack_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/slack"
)

func build(t testing.TB, section string) notice.Notifier {
	t.Helper()
	n, err := slack.New(escalatetest.Decode(section))
	require.NoError(t, err)
	return n
}

func webSection(base string) string {
	return fmt.Sprintf("token: %s\nchannel: incidents\napi_url: %s/api\n", escalatetest.SlackToken, base)
}

func backend(t testing.TB) escalatetest.Backend {
	s := escalatetest.NewSlack(escalatetest.SlackOptions{})
	return escalatetest.Backend{URL: escalatetest.Serve(t, s), Log: s.Log, Set: s.Set, Opened: func() int {
		parents := 0
		for _, m := range s.Messages() {
			if m.ThreadTS == "" {
				parents++
			}
		}
		return parents
	}}
}

func TestConformanceOfTheWebAPI(t *testing.T) {
	escalatetest.Run(t, escalatetest.Case{
		New: func(t testing.TB, base string, timeout time.Duration) notice.Notifier {
			return build(t, webSection(base)+fmt.Sprintf("http: {timeout: %s}", timeout))
		},
		Vendor:     backend,
		Secrets:    []string{escalatetest.SlackToken},
		Duplicates: true, // chat.postMessage has no idempotence key
		HTTP: &escalatetest.HTTP{
			Accepts: []int{200},
			Success: func(*http.Request, []byte) (int, string) {
				return 200, `{"ok":true,"channel":"C0INCIDENTS","ts":"1.000001"}`
			},
			BodyMatters: true,
		},
	})
}

func TestConformanceOfTheWebhook(t *testing.T) {
	escalatetest.Run(t, escalatetest.Case{
		New: func(t testing.TB, base string, timeout time.Duration) notice.Notifier {
			return build(t, fmt.Sprintf("webhook_url: %s%s\nhttp: {timeout: %s}", base, escalatetest.SlackHookPath, timeout))
		},
		Vendor:     backend,
		Secrets:    []string{escalatetest.SlackHookPath, "hooksecrethooksecrethook"},
		Duplicates: true,
		HTTP: &escalatetest.HTTP{
			Accepts:     []int{200},
			Success:     func(*http.Request, []byte) (int, string) { return 200, "ok" },
			BodyMatters: true,
		},
	})
}

type conversation struct {
	*escalatetest.Slack
	n       notice.Notifier
	receipt notice.Receipt
}

func talk(t testing.TB, extra string) *conversation {
	s := escalatetest.NewSlack(escalatetest.SlackOptions{})
	return &conversation{Slack: s, n: build(t, webSection(escalatetest.Serve(t, s))+extra)}
}

func (c *conversation) say(t testing.TB, n notice.Notice) {
	t.Helper()
	got, err := c.n.Notify(t.Context(), notice.Delivery{Notice: n, Prior: c.receipt, Attempt: 1})
	require.NoError(t, err)
	if got != nil {
		c.receipt = got
	}
}

func TestOneMessagePerKeyEditedToItsState(t *testing.T) {
	c := talk(t, "")
	first := escalatetest.Notice("inc/t0")
	for _, step := range []struct {
		kind   notice.Kind
		status notice.Status
		next   string
		shows  string
		begins string
	}{
		{notice.Trigger, notice.Investigating, "looking", "*Status* Investigating", "Investigating: [P1] Problem: "},
		{notice.Update, notice.Identified, "restarting codebase-mcp", "*Status* Identified", "Identified: [P1] Update: "},
		{notice.Update, notice.Monitoring, "watching", "*Status* Monitoring", "Monitoring: [P1] Update: "},
		{notice.Resolve, notice.Resolved, "nothing", "*Resolved*", "[P1] Resolved: "},
	} {
		n := escalatetest.As(first, step.kind)
		n.Status, n.Next = step.status, step.next
		c.say(t, n)
		parent := c.Messages()[0]
		require.Contains(t, parent.Blocks, step.shows, "the parent shows the current state")
		require.True(t, strings.HasPrefix(parent.Text, step.begins), parent.Text)
	}
	all := c.Messages()
	require.Len(t, all, 4, "one parent and three steps")
	require.Equal(t, 3, all[0].Edits)
	require.Empty(t, all[0].ThreadTS)
	for _, reply := range all[1:] {
		require.Equal(t, all[0].TS, reply.ThreadTS)
		require.False(t, reply.Broadcast, "only tiers are broadcast")
	}
	require.Contains(t, all[1].Text, "restarting codebase-mcp")
}

func TestTierChangesAreBroadcast(t *testing.T) {
	c := talk(t, "mention: '<!here>'\n")
	n := escalatetest.Notice("inc/t0")
	c.say(t, n)
	n.Tier = 1
	c.say(t, n)
	c.say(t, n) // the same tier again
	all := c.Messages()
	require.Len(t, all, 3)
	require.True(t, all[1].Broadcast)
	require.Contains(t, all[1].Text, "Escalated to tier 1: chat told, because primary is told of P1 at once. ")
	require.False(t, all[2].Broadcast)
	var pages []bool
	for _, e := range c.Entries() {
		if e.Kind == "chat.postMessage" {
			pages = append(pages, e.Pages)
		}
	}
	require.Equal(t, []bool{true, true, true}, pages, "every trigger mentions whom the configuration names")
}

func TestASecondResolveSaysNothing(t *testing.T) {
	c := talk(t, "")
	n := escalatetest.Notice("inc/t0")
	c.say(t, n)
	c.say(t, escalatetest.As(n, notice.Resolve))
	calls := len(c.Entries())
	c.say(t, escalatetest.As(n, notice.Resolve))
	require.Len(t, c.Entries(), calls, "the tiers of one incident are one message here")
	c.say(t, n)
	c.say(t, escalatetest.As(n, notice.Resolve))
	require.Len(t, c.Entries(), calls+4, "a relapse and its end are said")
}

func TestTextsMentionNobody(t *testing.T) {
	c := talk(t, "")
	n := escalatetest.Notice("inc/t0")
	bad := "<!channel> <@U012345> <!subteam^S1> & ```"
	n.Summary, n.Host, n.Next, n.Class = bad, bad, bad, bad
	n.Evidence, n.Affected, n.Commands = []string{bad}, []string{bad}, []string{bad}
	n.Tried[1].Result = bad
	c.say(t, n)
	c.say(t, escalatetest.As(n, notice.Update))
	for _, e := range c.Entries() {
		require.False(t, e.Pages, "%s", e.Body)
	}
	var blocks []struct {
		Text struct{ Text string }
	}
	require.NoError(t, json.Unmarshal([]byte(c.Messages()[0].Blocks), &blocks))
	last := blocks[len(blocks)-2].Text.Text
	require.Equal(t, 2, strings.Count(last, "```"), "a command cannot leave its code block: %s", last)
}

func TestAMessageThatCannotBeEdited(t *testing.T) {
	t.Run("was deleted: a new parent is posted", func(t *testing.T) {
		c := talk(t, "")
		c.say(t, escalatetest.Notice("inc/t0"))
		old := c.receipt["ts"]
		c.Delete(old)
		c.say(t, escalatetest.As(escalatetest.Notice("inc/t0"), notice.Update))
		require.NotEqual(t, old, c.receipt["ts"])
		require.Len(t, c.Messages(), 2)
		c.say(t, escalatetest.As(escalatetest.Notice("inc/t0"), notice.Resolve))
		require.Equal(t, 1, c.Messages()[1].Edits)
	})
	t.Run("edits are closed: the thread has the state", func(t *testing.T) {
		c := talk(t, "")
		c.say(t, escalatetest.Notice("inc/t0"))
		c.CloseEdits(true)
		c.say(t, escalatetest.As(escalatetest.Notice("inc/t0"), notice.Resolve))
		require.Len(t, c.Messages(), 2)
		require.Contains(t, c.Messages()[1].Text, "Resolved")
	})
}

// reload replaces the notifier by one for another channel, as a new configuration does.
func (c *conversation) reload(t testing.TB, base, channel string) {
	c.n = build(t, strings.Replace(webSection(base), "channel: "+escalatetest.SlackChannelName, "channel: "+channel, 1))
}

func TestAPlaceThatIsGoneIsReplacedOnce(t *testing.T) {
	for name, spoil := range map[string]func(c *conversation){
		"the channel is archived":            func(c *conversation) { c.Close("is_archived") },
		"the bot was removed":                func(c *conversation) { c.Close("not_in_channel") },
		"the channel is deleted":             func(c *conversation) { c.Close("channel_not_found") },
		"the message and its thread":         func(c *conversation) { c.Delete(c.receipt["ts"]); c.Retire(true) },
		"too old to edit, and retention ate": func(c *conversation) { c.CloseEdits(true); c.Delete(c.receipt["ts"]); c.Retire(true) },
	} {
		for _, kind := range []notice.Kind{notice.Trigger, notice.Update, notice.Resolve} {
			t.Run(name+", then a "+string(kind), func(t *testing.T) {
				s := escalatetest.NewSlack(escalatetest.SlackOptions{})
				base := escalatetest.Serve(t, s)
				c := &conversation{Slack: s, n: build(t, webSection(base))}
				c.say(t, escalatetest.Notice("inc/t0"))
				spoil(c)
				c.reload(t, base, escalatetest.SlackOtherChannel)
				c.say(t, escalatetest.As(escalatetest.Notice("inc/t0"), kind))
				all := c.Messages()
				require.Len(t, all, 2, "posted anew, and once")
				require.Equal(t, escalatetest.SlackOtherChannel, all[1].Channel)
				require.Empty(t, all[1].ThreadTS)
				c.CloseEdits(false)
				c.say(t, escalatetest.As(escalatetest.Notice("inc/t0"), notice.Update))
				require.Equal(t, all[1].TS, c.Messages()[2].ThreadTS, "and from there it goes on")
			})
		}
	}
}

func TestAChangeInAThreadThatIsGoneIsRecordedAllTheSame(t *testing.T) {
	c := talk(t, "")
	c.say(t, escalatetest.Notice("inc/t0"))
	c.Delete(c.receipt["ts"])
	c.Retire(true)
	c.say(t, escalatetest.As(escalatetest.Notice("inc/t0"), notice.Change))
	require.Len(t, c.Messages(), 2)
}

func TestALaterTierFindsTheChannelWherePeopleAreNow(t *testing.T) {
	s := escalatetest.NewSlack(escalatetest.SlackOptions{})
	base := escalatetest.Serve(t, s)
	c := &conversation{Slack: s, n: build(t, webSection(base))}
	n := escalatetest.Notice("inc/t0")
	c.say(t, n)
	c.reload(t, base, escalatetest.SlackOtherChannel)
	n.Tier = 1
	c.say(t, n)
	require.Len(t, c.Messages(), 2)
	require.Equal(t, escalatetest.SlackOtherChannel, c.Messages()[1].Channel)
	c.say(t, escalatetest.As(n, notice.Resolve))
	for _, m := range c.Messages()[:2] {
		require.Contains(t, m.Text, "Resolved", "in %s, where people were told of it", m.Channel)
	}
}

func TestWhatIsRefusedEverywhereIsNotPostedAnew(t *testing.T) {
	c := talk(t, "")
	c.say(t, escalatetest.Notice("inc/t0"))
	c.Archive(true)
	_, err := c.n.Notify(t.Context(), notice.Delivery{Notice: escalatetest.As(escalatetest.Notice("inc/t0"), notice.Update), Prior: c.receipt, Attempt: 1})
	f, ok := errors.AsType[*notice.FinalError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, notice.ReasonConfig, f.Reason, "the channel waits for somebody to name another one")
}

func TestRefusalsWithStatus200(t *testing.T) {
	for code, want := range map[string]struct {
		retry  bool
		reason notice.Reason
	}{
		"ratelimited":       {true, notice.ReasonRateLimited},
		"internal_error":    {true, notice.ReasonServer},
		"invalid_auth":      {false, notice.ReasonAuth},
		"channel_not_found": {false, notice.ReasonConfig},
		"no_text":           {false, notice.ReasonRejected},
		"a_code_of_2031":    {false, notice.ReasonRejected},
	} {
		t.Run(code, func(t *testing.T) {
			url := escalatetest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				_, _ = fmt.Fprintf(w, `{"ok":false,"error":%q}`, code)
			}))
			_, err := build(t, webSection(url)).Notify(t.Context(), notice.Delivery{Notice: escalatetest.Notice("inc/t0"), Attempt: 1})
			require.ErrorContains(t, err, code)
			if want.retry {
				r, ok := errors.AsType[*notice.RetryError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, want.reason, r.Reason)
				require.Equal(t, 7*time.Second, r.After)
				return
			}
			f, ok := errors.AsType[*notice.FinalError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, want.reason, f.Reason)
		})
	}
}

func TestBlocksThatAreRefusedAreSentAsText(t *testing.T) {
	var bodies []string
	url := escalatetest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, r.ParseForm())
		bodies = append(bodies, r.Form.Get("blocks"))
		if r.Form.Get("blocks") != "" {
			_, _ = w.Write([]byte(`{"ok":false,"error":"invalid_blocks"}`))
			return
		}
		_, _ = w.Write([]byte(`{"ok":true,"channel":"C1","ts":"1.1"}`))
	}))
	r, err := build(t, webSection(url)).Notify(t.Context(), notice.Delivery{Notice: escalatetest.Notice("inc/t0"), Attempt: 1})
	require.NoError(t, err)
	require.Equal(t, "1.1", r["ts"])
	require.Len(t, bodies, 2)
	require.Empty(t, bodies[1])
}

func TestRateLimitPerChannel(t *testing.T) {
	s := escalatetest.NewSlack(escalatetest.SlackOptions{PerSecond: 1})
	n := build(t, webSection(escalatetest.Serve(t, s)))
	var limited *notice.RetryError
	for i := range 20 { // a slow machine may let some pass
		_, err := n.Notify(t.Context(), notice.Delivery{Notice: escalatetest.Notice(fmt.Sprint("inc/", i)), Attempt: 1})
		if r, ok := errors.AsType[*notice.RetryError](err); ok {
			limited = r
			break
		}
		require.NoError(t, err)
	}
	require.NotNil(t, limited)
	require.Equal(t, notice.ReasonRateLimited, limited.Reason)
	require.Equal(t, time.Second, limited.After)
}

func TestWebhook(t *testing.T) {
	s := escalatetest.NewSlack(escalatetest.SlackOptions{})
	hook := "webhook_url: " + escalatetest.Serve(t, s) + escalatetest.SlackHookPath
	send := func(section string, kind notice.Kind) error {
		_, err := build(t, section).Notify(t.Context(), notice.Delivery{Notice: escalatetest.As(escalatetest.Notice("inc/t0"), kind), Attempt: 1})
		return err
	}
	require.NoError(t, send(hook, notice.Trigger))
	require.NoError(t, send(hook, notice.Update))
	require.NoError(t, send(hook+"\nquiet: true", notice.Update))
	require.Len(t, s.Messages(), 2, "quiet leaves updates out")

	s.Archive(true)
	f, ok := errors.AsType[*notice.FinalError](send(hook, notice.Trigger))
	require.True(t, ok)
	require.Equal(t, notice.ReasonConfig, f.Reason)
	require.ErrorContains(t, f, "channel_is_archived")

	f, ok = errors.AsType[*notice.FinalError](send(strings.Replace(hook, "B0FAKE", "B1FAKE", 1), notice.Trigger))
	require.True(t, ok)
	require.Equal(t, notice.ReasonAuth, f.Reason)
	require.ErrorContains(t, f, "invalid_token")
}

func TestWrongConfigurations(t *testing.T) {
	for name, tc := range map[string]struct{ section, want string }{
		"nothing":             {"", "token: missing"},
		"no channel":          {"token: xoxb-1", "channel: missing"},
		"both ways":           {"token: xoxb-1\nwebhook_url: https://hooks.slack.com/services/a", "webhook_url: set either this, or token and channel"},
		"a hook that is none": {"webhook_url: T000/B000/secretsecret", "webhook_url: not a URL"},
		"a bare mention":      {"token: xoxb-1\nchannel: a\nmention: '@here'", "mention: write it as Slack does"},
		"an unknown key":      {"tokn: x", "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := slack.New(escalatetest.Decode(tc.section))
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "secretsecret")
		})
	}
}
