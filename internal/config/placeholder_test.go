package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlaceholdersAreSeenAnywhereInAValueAndOtherThingsAreNot(t *testing.T) {
	for text, want := range map[string][2]string{
		"${HC_UUID}":                         {"${HC_UUID}", "HC_UUID"},
		"$token":                             {"$token", "token"},
		"https://hc-ping.com/${HC_UUID}":     {"${HC_UUID}", "HC_UUID"},
		"postgres://u:${PGPASSWORD:-x}@h/db": {"${PGPASSWORD:-x}", "PGPASSWORD"},
		"https://h/$SLACK_PATH/x":            {"$SLACK_PATH", "SLACK_PATH"},
		"Bearer {{ .Values.token }}":         {"{{ .Values.token }}", "VALUES_TOKEN"},
		"{{slack_channel}}":                  {"{{slack_channel}}", "SLACK_CHANNEL"},
		"%SMTP_HOST%:25":                     {"%SMTP_HOST%", "SMTP_HOST"},
		"xoxb-<your-token>":                  {"<your-token>", ""},
		"changeme":                           {"changeme", ""},
		"CHANGE_ME":                          {"CHANGE_ME", ""},
		"your-webhook-url":                   {"your-webhook-url", ""},
		"pa$$word":                           {},
		"a$1b":                               {},
		"https://h/x%2Fy%20z":                {},
		"recoveryd <recoveryd@example.org>":  {},
		"<!here>":                            {},
		"<!subteam^S0123>":                   {},
		"<@U0123>":                           {},
		"C0OPS":                              {},
		"":                                   {},
	} {
		found, name := Placeholder(text)
		require.Equal(t, want, [2]string{found, name}, "%q", text)
	}
}
