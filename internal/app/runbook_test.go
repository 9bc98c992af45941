package app

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/docs/runbooks"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/builtin"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

func TestEveryBuiltInClassHasARunbookAndEveryRunbookItsClass(t *testing.T) {
	var classes []string
	for _, c := range detect.BuiltinClasses() {
		classes = append(classes, string(c))
	}
	require.ElementsMatch(t, classes, runbooks.Classes())
	for _, c := range classes {
		text, has := runbooks.Page(c)
		require.True(t, has, c)
		require.True(t, strings.HasPrefix(text, "# "+c+": "), "the heading of %s.md begins with its class, then what it means", c)
		require.NotEmpty(t, runbooks.Title(c), c)
	}
}

func TestWhereARunbookIs(t *testing.T) {
	own := []config.Rule{{Name: "slow-everywhere", Runbook: "https://wiki.example/slow"}, {Name: "disk-soon"}}
	for _, x := range []struct {
		name  string
		c     *config.Config
		class detect.Class
		want  string
	}{
		{"no configuration can be read", nil, detect.ClassDown, "recoveryd runbook down"},
		{"no address is given", &config.Config{}, detect.ClassGateway, "recoveryd runbook gateway"},
		{"below an address", &config.Config{RunbookURL: "https://wiki.example/runbooks/"}, detect.ClassDown, "https://wiki.example/runbooks/down"},
		{"an address without a slash", &config.Config{RunbookURL: "https://wiki.example/runbooks"}, detect.ClassDown, "https://wiki.example/runbooks/down"},
		{"a parameter", &config.Config{RunbookURL: "https://wiki.example/?page="}, detect.ClassDown, "https://wiki.example/?page=down"},
		{"the link of a rule", &config.Config{RunbookURL: "https://wiki.example/", Rules: own}, "slow-everywhere", "https://wiki.example/slow"},
		{"a rule without one", &config.Config{RunbookURL: "https://wiki.example/", Rules: own}, "disk-soon", ""},
		{"what is no failure of a target", nil, incident.ClassPlaybook, ""},
		{"no page of ours, but a file beside them", nil, "README", ""},
	} {
		require.Equal(t, x.want, Runbook(x.c, x.class), x.name)
	}
}

func TestEveryNoticeOfEveryChannelNamesTheRunbookOfItsClass(t *testing.T) {
	at := time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)
	sections := map[string]string{
		"alertmanager": "urls: ['http://127.0.0.1:9093']", "email": "server: localhost:25\nfrom: a@example.org\nto: [b@example.org]", "log": "",
		"pagerduty": "routing_key: " + escalatetest.PagerDutyKey, "slack": "token: xoxb-1\nchannel: incidents", "webhook": "url: http://127.0.0.1/hook",
	}
	all := builtin.All(zap.NewNop())
	for name, section := range sections {
		n, err := all[name](escalatetest.Decode(section))
		require.NoError(t, err)
		for _, c := range []*config.Config{{Host: "db1"}, {Host: "db1", RunbookURL: "https://wiki.example/rb/"}} {
			for _, class := range detect.BuiltinClasses() {
				for _, kind := range []incident.NoticeKind{incident.NoticeTrigger, incident.NoticeResolve, incident.NoticeChange} {
					msg := rendererOf(c).Render(incident.Notice{Kind: kind, Next: "x"}, incident.Incident{ID: "svc-1", Target: "svc", Class: class, Severity: detect.P1, Since: at, Opened: at}, at)
					msg.ID = "n"
					require.Equal(t, Runbook(c, class), msg.Runbook)
					b, err := n.(notice.Previewer).Preview(notice.Delivery{Notice: msg, Attempt: 1})
					require.NoError(t, err, name)
					if kind == incident.NoticeChange && strings.HasPrefix(string(b), "(nothing: ") {
						continue // the channel is not told of changes
					}
					require.Contains(t, strings.ReplaceAll(string(b), "=\r\n", ""), msg.Runbook, "%s of %s by %s", kind, class, name) // mails break long lines
				}
			}
		}
	}
}
