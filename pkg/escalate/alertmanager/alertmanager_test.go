package alertmanager_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/alertmanager"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

func build(t testing.TB, section string) notice.Notifier {
	t.Helper()
	n, err := alertmanager.New(escalatetest.Decode(section))
	require.NoError(t, err)
	return n
}

func TestConformance(t *testing.T) {
	escalatetest.Run(t, escalatetest.Case{
		New: func(t testing.TB, base string, timeout time.Duration) notice.Notifier {
			return build(t, fmt.Sprintf("urls: [%s]\nusername: prom\npassword: am-secret-password\nlabels: {team: ops}\nhttp: {timeout: %s}", base, timeout))
		},
		Vendor: func(t testing.TB) escalatetest.Backend {
			a := escalatetest.NewAlertmanager(escalatetest.AlertmanagerOptions{User: "prom", Password: "am-secret-password"})
			return escalatetest.Backend{URL: escalatetest.Serve(t, a), Log: a.Log, Set: a.Set, Opened: func() int { return len(a.Alerts()) }}
		},
		Secrets: []string{"am-secret-password", "prom:am-secret-password"},
		Silent:  []notice.Kind{notice.Change},
		HTTP: &escalatetest.HTTP{
			Accepts: []int{200},
			Success: func(*http.Request, []byte) (int, string) { return 200, "{}" },
			Key: func(_ *http.Request, body []byte) string {
				var list []struct{ Labels map[string]string }
				_ = json.Unmarshal(body, &list)
				if len(list) == 0 {
					return ""
				}
				return fmt.Sprint(list[0].Labels)
			},
		},
	})
}

func TestAlertKeepsItsLabels(t *testing.T) {
	a := escalatetest.NewAlertmanager(escalatetest.AlertmanagerOptions{})
	url := escalatetest.Serve(t, a)
	now := time.Now()
	first := escalatetest.Notice("inc/t0")
	first.At, first.Since = now, now.Add(-time.Minute)
	send := func(section string, n notice.Notice, prior notice.Receipt) notice.Receipt {
		t.Helper()
		r, err := build(t, "urls: ["+url+"]\n"+section).Notify(t.Context(), notice.Delivery{Notice: n, Prior: prior, Attempt: 1})
		require.NoError(t, err)
		return r
	}
	receipt := send("labels: {team: ops}", first, nil)
	require.Len(t, a.Firing(now), 1)

	t.Run("worse than before: the old alert ends when the new one starts", func(t *testing.T) {
		worse := first
		worse.Class, worse.At = "database", now.Add(time.Minute)
		receipt = send("labels: {team: ops}", worse, receipt)
		firing := a.Firing(now.Add(2 * time.Minute))
		require.Len(t, firing, 1)
		require.Equal(t, "database", firing[0].Labels["class"])
		require.Equal(t, "ops", firing[0].Labels["team"])
	})
	t.Run("a resolve ends the alert although the configuration has changed", func(t *testing.T) {
		over := escalatetest.As(first, notice.Resolve)
		over.At = now.Add(2 * time.Minute)
		receipt = send("labels: {team: other}", over, receipt)
		require.Empty(t, a.Firing(now.Add(3*time.Minute)))
		_, again := receipt.ResendAt()
		require.False(t, again, "a resolved alert is not repeated")
	})
}

func TestHoldAndResend(t *testing.T) {
	a := escalatetest.NewAlertmanager(escalatetest.AlertmanagerOptions{})
	n := build(t, "hold: 3h\nurls: ["+escalatetest.Serve(t, a)+"]")
	msg := escalatetest.Notice("inc/t0")
	msg.At = time.Now().UTC().Truncate(time.Second)
	r, err := n.Notify(t.Context(), notice.Delivery{Notice: msg, Attempt: 1})
	require.NoError(t, err)
	at, ok := r.ResendAt()
	require.True(t, ok)
	require.Equal(t, msg.At.Add(time.Hour), at, "a third of hold: two repetitions may be lost")
	require.Equal(t, msg.At.Add(3*time.Hour), a.Alerts()[0].EndsAt)
	_, ok = notice.Receipt{"ts": "1"}.ResendAt()
	require.False(t, ok)
}

func TestAPageThatWasDeliveredLateFires(t *testing.T) {
	a := escalatetest.NewAlertmanager(escalatetest.AlertmanagerOptions{})
	n := build(t, "hold: 1h\nurls: ["+escalatetest.Serve(t, a)+"]")
	msg := escalatetest.Notice("inc/t0")
	msg.At = time.Now().Add(-3 * time.Hour) // the network was down
	_, err := n.Notify(t.Context(), notice.Delivery{Notice: msg, Attempt: 1})
	require.NoError(t, err)
	require.Len(t, a.Firing(time.Now().Add(30*time.Minute)), 1)
}

func TestEveryMemberOfAClusterIsTold(t *testing.T) {
	one, two := escalatetest.NewAlertmanager(escalatetest.AlertmanagerOptions{}), escalatetest.NewAlertmanager(escalatetest.AlertmanagerOptions{})
	n := build(t, fmt.Sprintf("urls: [%s, %s]", escalatetest.Serve(t, one), escalatetest.Serve(t, two)))
	send := func() error {
		_, err := n.Notify(t.Context(), notice.Delivery{Notice: escalatetest.Notice("inc/t0"), Attempt: 1})
		return err
	}
	require.NoError(t, send())
	require.Len(t, one.Alerts(), 1)
	require.Len(t, two.Alerts(), 1)
	one.Set(escalatetest.Fault{Mode: escalatetest.FaultDown})
	require.NoError(t, send(), "one member is enough")
	two.Set(escalatetest.Fault{Mode: escalatetest.FaultStatus, Status: 400})
	_, ok := errors.AsType[*notice.RetryError](send())
	require.True(t, ok, "the one that is down may take it later")
}

func TestAWebPageIsNotAlertmanager(t *testing.T) {
	a := escalatetest.NewAlertmanager(escalatetest.AlertmanagerOptions{})
	a.Set(escalatetest.Fault{Mode: escalatetest.FaultGarbage})
	_, err := build(t, "urls: ["+escalatetest.Serve(t, a)+"]").Notify(t.Context(), notice.Delivery{Notice: escalatetest.Notice("inc/t0"), Attempt: 1})
	_, ok := errors.AsType[*notice.RetryError](err)
	require.True(t, ok, "%v", err)
}

func TestWrongConfigurations(t *testing.T) {
	for name, tc := range map[string]struct{ section, want string }{
		"no urls":           {"", "urls: missing"},
		"a login in a url":  {"urls: ['http://a:secretsecret@b']", "urls[0]: not a URL"},
		"half a login":      {"urls: ['http://a']\nusername: u", "username: a login needs both"},
		"two logins":        {"urls: ['http://a']\nusername: u\npassword: secretsecret\ntoken: t", "token: set either this"},
		"a label that is":   {"urls: ['http://a']\nlabels: {a-b: c}", `labels: "a-b"`},
		"a hold too short":  {"urls: ['http://a']\nhold: 1s", "hold: at least 1m"},
		"an unknown key":    {"url: x", "unknown field"},
		"a wrong template":  {"urls: ['http://a']\ntemplates: {text: '{{'}", "templates.text"},
		"a hold that is -1": {"urls: ['http://a']\nhold: -1h", "hold: at least 1m"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := alertmanager.New(escalatetest.Decode(tc.section))
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "secretsecret")
		})
	}
}
