package acceptance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/test/lab"
)

// A team of three pagers, a chat and a status page. Alice has another key later.
const (
	teamPD   = "127.0.0.1:7011"
	teamChat = "127.0.0.1:7012"
	teamPage = "127.0.0.1:7013"
	aliceKey = "a1ice000000000000000000000000000"
	newKey   = "a1ice111111111111111111111111111"
	bobKey   = "b0b00000000000000000000000000000"
	leadKey  = "1ead0000000000000000000000000000"
	bossKey  = "b0550000000000000000000000000000"
)

// team is the usual configuration with people, and a matrix whose minutes are seconds.
func team(alice, more string) string {
	conf, _, _ := strings.Cut(config(), "notifiers:")
	conf = strings.Replace(conf, "  - name: codebase-mcp\n", "  - name: codebase-mcp\n    severity: P1\n", 1)
	conf = strings.Replace(conf, "  - name: workflow-mcp\n", "  - name: workflow-mcp\n    severity: P2\n", 1)
	pager := func(name, key string) string {
		return "  - {name: " + name + ", type: pagerduty, " + key + `, endpoint: "http://` + teamPD + "\"}\n"
	}
	return conf + "notifiers:\n" + pager("alice", alice) + pager("bob", "routing_key: "+bobKey) + pager("lead", "routing_key: "+leadKey) + pager("boss", "routing_key: "+bossKey) + `
  - {name: chat, type: slack, token_file: /etc/recoveryd/slack.token, channel: ` + escalatetest.SlackChannel + `, api_url: "http://` + teamChat + `/api"}
  - {name: status-page, type: statuspage, page_id: ` + escalatetest.StatuspageID + `, api_key: ` + escalatetest.StatuspageKey + `, endpoint: "http://` + teamPage + `"}
` + more
}

// vendors are the team's own.
type vendors struct {
	pd   *escalatetest.PagerDuty
	chat *escalatetest.Slack
	page *escalatetest.Statuspage
}

// newVendors serves them in the lab, with the limits that the vendors document.
func newVendors(s *stage) *vendors {
	v := &vendors{pd: escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{Keys: []string{aliceKey, newKey, bobKey, leadKey, bossKey}, PerMinute: 120}),
		chat: escalatetest.NewSlack(escalatetest.SlackOptions{PerSecond: 1}), page: escalatetest.NewStatuspage(escalatetest.StatuspageOptions{PerMinute: 60})}
	s.serve(teamPD, v.pd)
	s.serve(teamChat, v.chat)
	s.serve(teamPage, v.page)
	return v
}

// of lists the alerts of one person, "t1 triggered".
func (v *vendors) of(key string) (out []string) {
	for _, a := range v.pd.Alerts() {
		if a.RoutingKey == key && strings.Contains(a.DedupKey, "codebase-mcp") {
			out = append(out, a.DedupKey[strings.LastIndex(a.DedupKey, "/")+1:]+" "+a.Status)
		}
	}
	return out
}

// words are the states that the chat's message of an incident went through.
func (v *vendors) words() (out []string) {
	for _, e := range v.chat.Log.Entries() {
		form, err := url.ParseQuery(e.Body)
		if err != nil || e.Verdict != escalatetest.Accepted || form.Get("thread_ts") != "" {
			continue
		}
		text := form.Get("text")
		if strings.HasPrefix(text, "[") { // an end has its priority first
			_, text, _ = strings.Cut(text, "] ")
		}
		word, _, _ := strings.Cut(text, ":")
		if len(out) == 0 || out[len(out)-1] != word {
			out = append(out, word)
		}
	}
	return out
}

// thread is what stands below the chat's first message; parents are the messages of their own.
func (v *vendors) thread() (parents, replies []escalatetest.Message) {
	for _, m := range v.chat.Messages() {
		if m.ThreadTS == "" {
			parents = append(parents, m)
		} else {
			replies = append(replies, m)
		}
	}
	return parents, replies
}

// clean asserts that no vendor refused anything, nor dropped it in silence.
func (v *vendors) clean(t *testing.T) {
	t.Helper()
	for _, log := range []*escalatetest.Log{v.pd.Log, v.chat.Log, v.page.Log} {
		for _, e := range log.Entries() {
			require.Equal(t, escalatetest.Accepted, e.Verdict, "%s %s %s: %s\n%s", e.Vendor, e.Kind, e.Key, e.Why, e.Body)
		}
	}
}

func TestAnIncidentGoesThroughItsTiersAndIsTakenBackWhereverItWasTold(t *testing.T) {
	const matrix = `
roles: [{name: primary, notify: [alice]}, {name: secondary, notify: [bob]}, {name: team-lead, notify: [lead]}]
escalation:
  at_once: [P1]
  rules:
    - name: quick
      severity: [P1]
      tiers:
        - {name: primary, notify: [primary, chat]}
        - {name: status-page, after: 3s, notify: [status-page], despite_ack: true}
        - {name: secondary, after: 5s, notify: [secondary, chat]}
        - {name: team-lead, after: 12s, notify: [team-lead, chat]}
        - {name: boss, after: 18s, notify: [boss, chat]}
`
	var v *vendors
	s := newStage(t, setting{config: team("routing_key: "+aliceKey, matrix), before: func(s *stage) { v = newVendors(s) }})
	codebase := s.Control(lab.CodebaseControl)
	require.NoError(t, codebase.Set(t.Context(), "status", "value=unhealthy")) // what is wrong cannot be told yet
	s.eventually(20*time.Second, "the primary at once", func() bool { return slices.Equal(v.of(aliceKey), []string{"t0 triggered"}) })
	opened := s.incidents()[0].Opened
	id := s.incidents()[0].ID
	s.eventually(20*time.Second, "the secondary by age", func() bool { return slices.Equal(v.of(bobKey), []string{"t2 triggered"}) })
	require.GreaterOrEqual(t, time.Since(opened), 5*time.Second)
	s.eventually(10*time.Second, "said in the thread, and broadcast", func() bool {
		_, replies := v.thread()
		return slices.ContainsFunc(replies, func(m escalatetest.Message) bool {
			return m.Broadcast && strings.Contains(m.Text, "Escalated to tier 2: secondary (bob) told, because P1 unresolved for ")
		})
	})

	require.NoError(t, s.SignalMain(t.Context(), "recoveryd.service", "KILL"))
	require.NoError(t, codebase.Set(t.Context(), "reply", "kind=not-found")) // now it can be told
	s.eventually(30*time.Second, "the team lead, by the age that the killed daemon counted", func() bool { return slices.Equal(v.of(leadKey), []string{"t3 triggered"}) })
	require.GreaterOrEqual(t, time.Since(opened), 12*time.Second)
	require.Equal(t, []string{"t0 triggered"}, v.of(aliceKey), "nobody is told again after a restart")
	require.Equal(t, []string{"t2 triggered"}, v.of(bobKey))

	// Acknowledged by the socket's API, shown everywhere, over after ten seconds.
	r := s.exec("curl", "-sS", "--unix-socket", "/run/recoveryd/control.sock", "http://recoveryd/api/v1/command",
		"-d", `{"verb": "ack", "incident": "`+id+`", "by": "ann", "why": "looking at it", "for": "10s"}`)
	require.Contains(t, r, "ann")
	acked := time.Now()
	for _, args := range [][]string{{"status"}, {"show", "codebase-mcp"}, {"explain", id}, {"report", id}} {
		require.Regexp(t, `(?i)acknowledged +by ann|ann \([^)]*\) acknowledged`, s.tool(args...).Stdout, "%v", args)
	}
	for _, path := range []string{"/", "/incidents/" + id} {
		require.Regexp(t, `(?i)acknowledged[. ]+by ann`, s.exec("curl", "-sS", "http://"+apiAddr+path), path)
	}
	s.eventually(10*time.Second, "shown in the chat", func() bool {
		parents, _ := v.thread()
		return strings.Contains(parents[0].Blocks, "acknowledged by ann")
	})
	s.never(time.Until(acked.Add(8*time.Second)), "a further tier, or the same again", func() bool { return len(v.of(bossKey)) > 0 || len(v.of(aliceKey)) > 1 })
	s.eventually(20*time.Second, "the next tier when it has run out", func() bool { return slices.Equal(v.of(bossKey), []string{"t4 triggered"}) })
	s.eventually(10*time.Second, "and the primary again, under a key that she has not acknowledged", func() bool {
		return slices.Equal(v.of(aliceKey), []string{"t0 triggered", "t4 triggered"})
	})

	// Alice gets another key: what is open is taken back with the one that opened it.
	require.NoError(t, s.WriteFile("/etc/recoveryd/recoveryd.yaml", lab.File{Content: team("routing_keys: [{name: new, key: "+newKey+"}, {name: old, key: "+aliceKey+"}]", matrix),
		Mode: 0o640, GID: lab.UIDRecoveryd}))
	s.ctl("reload", "recoveryd.service")
	s.eventually(10*time.Second, "the reload", func() bool { return strings.Contains(s.daemonLog(), "configuration reloaded") })
	require.NoError(t, codebase.Clear(t.Context(), "reply"))
	require.NoError(t, codebase.Clear(t.Context(), "status"))
	s.eventually(30*time.Second, "all of them are resolved", func() bool {
		return slices.Equal(slices.Concat(v.of(aliceKey), v.of(bobKey), v.of(leadKey), v.of(bossKey)), []string{"t0 resolved", "t4 resolved", "t2 resolved", "t3 resolved", "t4 resolved"})
	})
	require.Empty(t, v.of(newKey))
	s.eventually(20*time.Second, "the chat says so", func() bool { w := v.words(); return w[len(w)-1] == "Resolved" })
	require.Equal(t, []string{"Investigating", "Identified", "Monitoring", "Resolved"}, v.words())
	parents, replies := v.thread()
	require.Len(t, parents, 1, "one message for the whole incident")
	require.GreaterOrEqual(t, len(replies), 5)
	broadcast := 0
	for _, m := range replies {
		require.Equal(t, parents[0].TS, m.ThreadTS)
		if m.Broadcast {
			broadcast++
			require.Contains(t, m.Text, "Escalated to tier ")
		}
	}
	require.Equal(t, 3, broadcast, "each tier that the chat was told of, and nothing else")
	pages := v.page.Incidents()
	require.Len(t, pages, 1)
	s.eventually(10*time.Second, "the public page", func() bool { return v.page.Incidents()[0].Status == "resolved" })
	v.clean(t)
	require.Empty(t, s.actions(), "restarting would not have helped")
	t.Logf("thread:\n%s", texts(replies))
}

// texts are the messages as people read them.
func texts(list []escalatetest.Message) string {
	var b strings.Builder
	for _, m := range list {
		if m.Broadcast {
			b.WriteString("(broadcast) ")
		}
		b.WriteString(m.Text + "\n")
	}
	return b.String()
}

func TestAStormIsOnePageTheVendorsLimitsHoldAndAFailingPagerIsReportedInTheChat(t *testing.T) {
	lamps := "targets:\n"
	for _, n := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		lamps += "  - {name: lamp-" + n + ", kind: plain, platform: none, interval: 1s, check: {type: tcp, address: \"127.0.0.1:7100\", timeout: 500ms}}\n"
	}
	conf := strings.Replace(team("routing_key: "+aliceKey, `
escalation:
  cures: [alice, chat]
  rules: [{name: all, tiers: [{name: first, notify: [alice, chat]}]}]
`), "targets:\n", lamps, 1)
	var v *vendors
	var lamp *http.Server
	light := func(s *stage) {
		l, err := s.Listen(s.t.Context(), "tcp", "127.0.0.1:7100")
		require.NoError(t, err)
		srv := &http.Server{ReadHeaderTimeout: time.Second}
		lamp = srv
		go func() { _ = srv.Serve(l) }()
		s.t.Cleanup(func() { _ = srv.Close() })
	}
	s := newStage(t, setting{config: conf, before: func(s *stage) { v = newVendors(s); light(s) }})
	require.NoError(t, s.SignalMain(t.Context(), lab.WorkflowUnit, "KILL"))
	s.eventually(30*time.Second, "the cure is a change event and a line in the chat", func() bool { return len(v.pd.Changes()) == 1 && len(v.chat.Messages()) == 1 })
	require.Contains(t, v.pd.Changes()[0], "workflow-mcp: down: cured by start workflow-mcp.service ")
	require.Contains(t, v.chat.Messages()[0].Text, ":wrench:")
	require.Empty(t, v.pd.Alerts(), "nobody was woken for it")

	require.NoError(t, lamp.Close()) // all eight go out at once
	storm := func() (a escalatetest.Alert) {
		for _, x := range v.pd.Alerts() {
			if strings.HasPrefix(x.DedupKey, "storm/") {
				a = x
			}
		}
		return a
	}
	s.eventually(40*time.Second, "a page for the storm", func() bool { return storm().Status == "triggered" })
	s.eventually(40*time.Second, "each of them is named in the chat", func() bool {
		var all strings.Builder
		for _, m := range v.chat.Messages() {
			all.WriteString(m.Text + m.Blocks)
		}
		return !slices.ContainsFunc([]string{"1", "2", "3", "4", "5", "6", "7", "8"}, func(n string) bool { return !strings.Contains(all.String(), "lamp-"+n) })
	})
	woken := func() (open, opened int) {
		for _, a := range v.pd.Alerts() {
			opened += a.Opened
			if a.Status != "resolved" {
				open++
			}
		}
		return open, opened
	}
	_, pages := woken()
	require.LessOrEqual(t, pages, 6, "five pages and one for all the others")
	t.Logf("%d pages; the storm: %s", pages, storm().Summary)
	v.clean(t)

	// Alice's key is revoked: her all-clears are refused, and the chat is told that nothing reaches her.
	v.pd.Set(escalatetest.Fault{Mode: escalatetest.FaultStatus, Status: http.StatusForbidden})
	light(s)
	s.eventually(60*time.Second, "said in the chat", func() bool {
		return slices.ContainsFunc(v.chat.Messages(), func(m escalatetest.Message) bool {
			return strings.Contains(m.Text, "notifications through alice do not arrive")
		})
	})
	require.Regexp(t, `(?m)^alice .*TROUBLE: alice does not accept our credentials`, s.tool("status").Stdout)
	v.pd.Set(escalatetest.Fault{})
	s.ctl("reload", "recoveryd.service") // whoever mended the key reloads: nothing waits longer than that
	s.eventually(60*time.Second, "every page is taken back, the storm's too", func() bool { open, _ := woken(); return open == 0 })
	_, again := woken()
	require.Equal(t, pages, again, "nothing was opened again, and nobody was woken for the outage: the chat knows")
}
