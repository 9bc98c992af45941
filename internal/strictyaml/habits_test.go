package strictyaml

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatCannotBeSeenInAValueIsNamed(t *testing.T) {
	for s, want := range map[string]string{
		"a\u00a0b": "no-break space (U+00A0)", "a\u200bb": "zero-width space (U+200B)", "\ufeffkey": "byte order mark (U+FEFF)", "a\u202eb": "mark of writing direction (U+202E)",
		"key\r": "carriage return", "key ": "white space around it", "\tkey": "white space around it", `"key"`: "quotes of its own", "'key'": "quotes of its own",
		"“key”": "typographic quotes", "„key“": "typographic quotes", "５s": "digits other than 0 to 9", "٣": "digits other than 0 to 9",
	} {
		what, cure := oddity(s)
		require.Contains(t, what, want, "%q", s)
		require.NotEmpty(t, cure)
		require.NotContains(t, what+cure, "key", "it may be a secret")
	}
	for _, s := range []string{"", "key", "a b", "it's", `say "yes" or "no`, "prüfen", "🚒 fire", "line\nline\n", `"`} {
		what, _ := oddity(s)
		require.Empty(t, what, "%q", s)
	}
}

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
