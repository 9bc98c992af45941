package builtin_test

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/escalate/builtin"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// sections are the smallest section of every type.
func sections() map[string]string {
	return map[string]string{
		"alertmanager": "urls: ['http://127.0.0.1:9093']",
		"command":      "argv: [/bin/true]",
		"email":        "server: localhost:25\nfrom: a@example.org\nto: [b@example.org]",
		"log":          "",
		"pagerduty":    "routing_key: " + escalatetest.PagerDutyKey,
		"slack":        "token: xoxb-1\nchannel: incidents",
		"statuspage":   "api_key: k\npage_id: p",
		"webhook":      "url: http://127.0.0.1/hook",
	}
}

func TestEveryTypeIsMadeFromItsSmallestSection(t *testing.T) {
	all := builtin.All(zap.NewNop())
	require.Len(t, all, len(sections()))
	for name, section := range sections() {
		n, err := all[name](escalatetest.Decode(section))
		require.NoError(t, err, name)
		p, ok := n.(notice.Previewer)
		require.True(t, ok, name)
		b, err := p.Preview(notice.Delivery{Notice: escalatetest.Notice("inc/t0"), Attempt: 1})
		require.NoError(t, err, name)
		require.NotEmpty(t, b, name)
	}
}

func TestWhatATypeDoesToPeople(t *testing.T) {
	quiet := map[string]queue.Reach{"slack": queue.Waits, "email": queue.Waits, "log": queue.Records}
	for name := range builtin.All(zap.NewNop()) {
		require.Equal(t, quiet[name], builtin.Reach(name), "%s: what recoveryd cannot know may wake somebody", name)
	}
	require.Equal(t, "pagerduty", builtin.Vendor("pagerduty"))
	require.Empty(t, builtin.Vendor("email"), "each has a server of its own")
}

func TestADecodeErrorIsPassedOn(t *testing.T) {
	wrong := errors.New("line 7: unknown key")
	for name, make := range builtin.All(zap.NewNop()) {
		_, err := make(func(any) error { return wrong })
		require.ErrorIs(t, err, wrong, name)
	}
}

// credential matches keys that hold one. A name, an id or a file of one does not.
var credential = regexp.MustCompile(`(?i)(password|token|secret|api_key|routing_key|webhook_url|^url|^key|^value|proxy)$`)

func TestConfigStructsAreTagged(t *testing.T) {
	for name, make := range builtin.All(zap.NewNop()) {
		_, _ = make(func(into any) error {
			checkTags(t, name, reflect.TypeOf(into).Elem())
			return errors.New("seen")
		})
	}
}

func checkTags(t *testing.T, where string, s reflect.Type) {
	for i := range s.NumField() {
		f := s.Field(i)
		key := f.Tag.Get("yaml")
		require.NotEmpty(t, key, "%s.%s has no yaml tag", where, f.Name)
		require.Equal(t, strings.ToLower(key), key, "%s.%s", where, f.Name)
		ft := f.Type
		for ft.Kind() == reflect.Pointer || ft.Kind() == reflect.Slice {
			ft = ft.Elem()
		}
		if ft.Kind() == reflect.String {
			require.Equal(t, credential.MatchString(key), f.Tag.Get("secret") == "true", "%s: is %s a credential? its tag and its name disagree", where, key)
		}
		if ft.Kind() == reflect.Struct {
			checkTags(t, where+"."+key, ft)
		}
	}
}

func TestThreaded(t *testing.T) {
	require.True(t, builtin.Threaded("slack"))
	require.False(t, builtin.Threaded("pagerduty"), "an acknowledged alert would swallow the next tier")
}
