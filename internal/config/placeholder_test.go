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
		"__PD_KEY__":                         {"__PD_KEY__", ""},
		"https://h/@TOKEN@":                  {"@TOKEN@", ""},
		"#{Octopus.Token}#":                  {"#{Octopus.Token}", ""},
		"[[ token ]]":                        {"[[ token ]]", ""},
		"<%= ENV['TOKEN'] %>":                {"<%= ENV['TOKEN'] %>", ""},
		"$(cat /run/secrets/token)":          {"$(cat /run/secrets/token)", ""},
		"ENC[AES256_GCM,data:abc,type:str]":  {"ENC[AES256_GCM,data:abc,type:str]", ""},
		"vault:secret/data/pd#key":           {"vault:secret/data/pd#key", ""},
		"op://vault/item/field":              {"op://vault/item/field", ""},
		"<path:kv/data/pd#key>":              {"<path:kv/data/pd#key>", ""},
		"REDACTED":                           {"REDACTED", ""},
		"insert-key-here":                    {"insert-key-here", ""},
		"xxxx-xxxx":                          {"xxxx-xxxx", ""},
		"00000000000000000000000000000000":   {"00000000000000000000000000000000", ""},
		"p@ss__word__1":                      {},
		"me@HOST":                            {},
		"c0rr3ct{horse}":                     {},
		"https://vault:8200/v1":              {},
		"[[x":                                {},
		"(a) $5":                             {},
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
