package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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
		require.Len(t, Problems(err), 1, "%q", text)
	}
}
