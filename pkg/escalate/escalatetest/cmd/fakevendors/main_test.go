package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/builtin"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// start runs the program and returns the addresses that it prints.
func start(t *testing.T, args ...string) map[string]string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, append([]string{"-control", "127.0.0.1:0"}, args...), w) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	var addr map[string]string
	require.NoError(t, json.NewDecoder(r).Decode(&addr))
	return addr
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.NoError(t, json.NewDecoder(resp.Body).Decode(into))
}

func TestEveryNotifierAgainstTheProgram(t *testing.T) {
	cert := filepath.Join(t.TempDir(), "cert.pem")
	at := start(t, "-pagerduty", "127.0.0.1:0", "-slack", "127.0.0.1:0", "-statuspage", "127.0.0.1:0", "-alertmanager", "127.0.0.1:0",
		"-webhook", "127.0.0.1:0", "-smtp", "localhost:0", "-smtp-tls", "starttls", "-smtp-auth", "-smtp-cert", cert)
	control := "http://" + at["control"]
	types := builtin.All(nil)
	for name, section := range map[string]string{
		"pagerduty":    "routing_key: " + escalatetest.PagerDutyKey + "\nendpoint: http://" + at["pagerduty"],
		"slack":        "token: " + escalatetest.SlackToken + "\nchannel: incidents\napi_url: http://" + at["slack"] + "/api",
		"statuspage":   "api_key: " + escalatetest.StatuspageKey + "\npage_id: " + escalatetest.StatuspageID + "\nendpoint: http://" + at["statuspage"],
		"alertmanager": "urls: ['http://" + at["alertmanager"] + "']",
		"webhook":      "url: http://" + at["webhook"] + "/hook\nsecret: " + escalatetest.WebhookSecret,
		"email": "server: " + at["smtp"] + "\ntls: starttls\nfrom: a@example.org\nto: [b@example.org]\nca_file: " + cert +
			"\nusername: " + escalatetest.SMTPUser + "\npassword: " + escalatetest.SMTPPassword,
	} {
		vendor := name
		if name == "email" {
			vendor = "smtp"
		}
		t.Run(name, func(t *testing.T) {
			n, err := types[name](escalatetest.Decode(section))
			require.NoError(t, err)
			resp, err := http.Post(control+"/__fault", "application/json", strings.NewReader(`{"vendor":"`+vendor+`","mode":"down","count":1}`))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusNoContent, resp.StatusCode)
			d := notice.Delivery{Notice: escalatetest.Notice("inc/t0"), Attempt: 1}
			_, err = n.Notify(t.Context(), d)
			require.Error(t, err, "the fault was set")
			d.Attempt = 2
			_, err = n.Notify(t.Context(), d)
			require.NoError(t, err)
			var entries []escalatetest.Entry
			get(t, control+"/__log?vendor="+vendor, &entries)
			require.NotEmpty(t, entries)
			require.Equal(t, "down", entries[0].Fault)
			require.Equal(t, escalatetest.Accepted, entries[len(entries)-1].Verdict)
		})
	}
	resp, err := http.Post(control+"/__ack?dedup_key=inc/t0", "", nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	var state struct {
		PagerDuty []escalatetest.Alert
		SMTP      []escalatetest.Mail
		Slack     []escalatetest.Message
	}
	get(t, control+"/__state", &state)
	require.Equal(t, "acknowledged", state.PagerDuty[0].Status)
	require.Len(t, state.SMTP, 1)
	require.Len(t, state.Slack, 1)
}

func TestOnlyLoopback(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.org:0", "nonsense"} {
		require.Error(t, run(t.Context(), []string{"-control", "127.0.0.1:0", "-slack", addr}, io.Discard), addr)
	}
}

func TestWrongFlags(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), []string{"extra"}, io.Discard), "unexpected argument")
}
