package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// What people write out of habit gets one error that names the place and the cure.
func TestHabitsOfYAMLAreAnsweredWithTheCure(t *testing.T) {
	base := "version: 1\ntargets:\n  - name: svc\n    kind: service\n    unit: svc.service\n"
	for text, want := range map[string]string{
		"\xff\xfev\x00e\x00": "it is UTF-16",
		"\xfe\xff\x00v\x00e": "it is UTF-16",
		strings.Replace(base, "kind: service", "kind service", 1):     "with a space after the colon",
		strings.Replace(base, "svc.service", "{{ .Values.unit }}", 1): "put a text that begins with { in quotes",
		base + "    <<: *gone\n":                                      "there is no anchor &gone",
	} {
		_, err := Parse("f.yaml", []byte(text), known())
		require.ErrorContains(t, err, want, "%q", text)
		require.Len(t, strictyaml.Problems(err), 1, "%q", text)
	}
}

// What people write out of habit is read where its meaning is plain; otherwise one error names the place
// and the cure.
func TestHabitsAreReadOrAnsweredWithTheCure(t *testing.T) {
	base := "version: 1\nmode: observe\nnotifiers: [{name: log, type: log}]\ntargets:\n  - name: svc\n    kind: service\n    unit: svc.service\n    health: [{url: \"http://127.0.0.1:8000/health\"}]\n"
	with := func(line string) string { return base + "    " + line + "\n" }
	window := func(line string) string { return base + "maintenance:\n  - {name: night, " + line + "}\n" }
	for text, want := range map[string]string{
		base: "",
		"\ufeff" + strings.ReplaceAll(base, "\n", "\r\n"): "",
		base + "---\n":                           "",
		base + "---\nversion: 1\n":               "a second document begins here",
		"":                                       "the file is empty",
		"# nothing\n":                            "the file is empty",
		with("interval: 5"):                      "write 5s",
		with("interval: 5 min"):                  "write 5m",
		with("interval: 10sec"):                  "write 10s",
		with("interval: 5m30"):                   "write 5m30s",
		with("interval: 1 hour"):                 "write 1h",
		with("interval: PT5M"):                   "write 5m",
		with("interval: \"00:05:00\""):           "write 5m",
		with("interval: 1,5h"):                   "write 1h30m",
		with("interval: 2 days 3 hours"):         "write 2d3h",
		with("interval: 30S"):                    "write 30s",
		with("interval: ５s"):                     "digits other than 0 to 9",
		with("interval: soon"):                   "want a duration",
		with("external: yes"):                    "write true",
		with("external: \"on\""):                 "write true",
		with("external: Off"):                    "write false",
		with("depends_on: db"):                   "write [one, two]",
		with("depends_on: null"):                 "",
		with("depends_on: []"):                   "",
		with("depends_on: [\"\u00a0db\"]"):       "a no-break space (U+00A0)",
		with("dir: \"/srv/mcp \""):               "white space around it",
		with("dir: C:\\srv\\mcp"):                "have no backslash",
		with("interval: !!str 5s"):               "YAML tags are not supported",
		with("<<: *nothing"):                     "there is no anchor",
		with("interval: 30s\n    interval: 5s"):  "is given twice",
		with("\tinterval: 5s"):                   "a tab in the indentation",
		window("start: \"22:00\", duration: 1h"): "",
		window("start: 22:00, duration: 1h"):     "",
		window("start: 1320, duration: 1h"):      `write "22:00", in quotes`,
		window("start: \"22:00\", duration: 1h, days: [Mon-Fri]"):                 "write mon, tue, wed, thu, fri",
		window("start: \"22:00\", duration: 1h, days: [fri-mon]"):                 "write fri, sat, sun, mon",
		window("start: \"22:00\", duration: 1h, days: [weekend]"):                 "write sat, sun",
		window("start: \"22:00\", duration: 1h, days: [Saturday]"):                "write sat",
		window("start: \"22:00\", duration: 1h, days: [daily]"):                   "leave days out",
		strings.Replace(base, "version: 1", "version: \"1\"", 1):                  "leave the quotes out",
		strings.Replace(base, "version: 1", "version: 1e0", 1):                    "plain digits",
		strings.Replace(base, "version: 1", "version: 01", 1):                     "plain digits",
		strings.Replace(base, "svc.service", "svc", 1):                            "write svc.service",
		strings.Replace(base, "http://", "", 1):                                   "begin with http:// or https://",
		strings.Replace(base, "http://", "unix://", 1):                            "only http:// and https:// are asked",
		strings.Replace(base, "127.0.0.1", "[fe80::1%eth0]", 1):                   "give one without a zone",
		strings.Replace(base, "127.0.0.1", "${HOST}", 1):                          "variables are not expanded",
		strings.Replace(base, "unit: svc.service", "unit: [svc.service]", 1):      "write one text, without brackets",
		strings.Replace(base, "unit: svc.service", "unit: {{ .Values.unit }}", 1): "put a text that begins with { in quotes",
		strings.Replace(base, "kind: service", "kind service", 1):                 "with a space after the colon",
		strings.Replace(base, ":8000", ":0", 1):                                   "a port is a number from 1 to 65535",
		strings.Replace(base, ":8000", ":99999", 1):                               "a port is a number from 1 to 65535",
		strings.Replace(base, "/health\"", "/health \"", 1):                       "white space around it",
		strings.Replace(base, "kind: service", "kind:\u00a0service", 1):           "a no-break space (U+00A0) stands here",
		strings.Replace(base, "kind: service", "kind:\tservice", 1):               "",
		`{"version": 1, "mode": "observe", "targets": [{"name": "svc", "kind": "service", "unit": "svc.service", "health": [{"url": "http://127.0.0.1:8000/health"}]}]}`:    "",
		`{"version": 1, "mode": "observe", "targets": [{"name": "svc", "kind": "service", "unit": "svc.service", "health": [{"url": "http://127.0.0.1:8000/health",}],},]}`: "",
	} {
		_, err := Parse("f.yaml", []byte(text), Known{Platforms: platforms(), NotifierTypes: []string{"log"}})
		if want == "" {
			assert.NoError(t, err, "%q", text)
			continue
		}
		assert.ErrorContains(t, err, want, "%q", text)
		assert.Len(t, strictyaml.Problems(err), 1, "%q: %v", text, err)
		if text != "" && !strings.HasPrefix(text, "#") {
			assert.Positive(t, strictyaml.Problems(err)[0].Line)
		}
	}
}

func TestThePlainAddressOfAnMCPServerIsWarnedOf(t *testing.T) {
	for path, cure := range map[string]string{"/sse": "type: mcp and transport: sse", "/mcp": "type: mcp", "/api/mcp/": "type: mcp", "/health": "", "/mcp/health": ""} {
		c, err := Parse("f.yaml", []byte("version: 1\nnotifiers: [{name: log, type: log}]\ntargets: [{name: svc, kind: service, unit: svc.service, health: [{url: \"http://127.0.0.1:8000"+path+"\"}]}]\n"),
			Known{Platforms: platforms(), NotifierTypes: []string{"log"}})
		require.NoError(t, err)
		said := fmt.Sprint(c.Warnings)
		require.Equal(t, cure != "", strings.Contains(said, "looks like the address of an MCP server"), path)
		require.Contains(t, said, cure)
	}
}

// A host may have thousands of targets.
func TestThousandsOfTargetsAreRead(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\nmode: observe\nnotifiers: [{name: log, type: log}]\ntargets:\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "  - {name: svc-%d, kind: service, unit: svc-%d.service, interval: 30s, severity: P2, health: [{url: \"http://127.0.0.1:%d/health\", timeout: 3s}]}\n", i, i, 1024+i)
	}
	c, err := Parse("f.yaml", []byte(b.String()), Known{Platforms: platforms(), NotifierTypes: []string{"log"}})
	require.NoError(t, err)
	require.Len(t, c.Targets, 5000)
}

// The parser's time grows with the square of the keys of one mapping.
func TestAMappingWithoutEndIsRefusedBeforeItIsParsed(t *testing.T) {
	var block, flow strings.Builder
	for i := range strictyaml.MaxKeys + 1 {
		fmt.Fprintf(&block, "key%d: 1\n", i)
		fmt.Fprintf(&flow, "key%d: 1, ", i)
	}
	for _, text := range []string{block.String(), "a: {" + flow.String() + "}\n"} {
		_, err := Parse("f.yaml", []byte("version: 1\n"+text), known())
		require.ErrorContains(t, err, "a mapping has more than 10000 keys")
	}
}

func TestATransportOfMCPThatDoesNotFitItsAddressIsWarnedOf(t *testing.T) {
	for check, want := range map[string]string{
		`type: mcp, url: "http://127.0.0.1:1/sse"`:                  "write transport: sse",
		`type: mcp, url: "http://127.0.0.1:1/a/sse/"`:               "write transport: sse",
		`type: mcp, transport: sse, url: "http://127.0.0.1:1/mcp"`:  "leave out transport: sse",
		`type: mcp, transport: sse, url: "http://127.0.0.1:1/sse"`:  "",
		`type: mcp, url: "http://127.0.0.1:1/mcp"`:                  "",
		`type: mcp, url: "http://127.0.0.1:1/assess"`:               "",
		`type: mcp, transport: sse, url: "http://127.0.0.1:1/feed"`: "",
	} {
		c, err := Parse("f.yaml", []byte("version: 1\nnotifiers: [{name: log, type: log}]\ntargets: [{name: svc, kind: service, unit: svc.service, health: [{"+check+"}]}]\n"),
			Known{Platforms: platforms(), NotifierTypes: []string{"log"}})
		require.NoError(t, err)
		said := fmt.Sprint(c.Warnings)
		require.Equal(t, want != "", strings.Contains(said, "asked in another way"), "%s: %s", check, said)
		require.Contains(t, said, want)
	}
}
