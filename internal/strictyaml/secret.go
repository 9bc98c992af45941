package strictyaml

import (
	"fmt"
	"io"
	"log/slog"
)

// Masked is what a secret looks like wherever it is printed.
const Masked = "<secret>"

// Secret is a value that must not be seen: a password, a token, a connection string. Printed in
// any way (fmt verbs, JSON, YAML, text, zap, slog) it is "<secret>", or nothing when it is not
// set. [Secret.Reveal] is the only way out. The zero value is "not set". Values are immutable and
// safe for concurrent use; compare with [Secret.Equal], because == compares identities.
//
// The text is kept behind a pointer, because fmt prints unexported fields of other people's
// structs without asking the methods below: it then shows an address.
type Secret struct {
	text   *string
	source *string
}

// NewSecret wraps a text; an empty text gives a Secret that is not set.
func NewSecret(text string) Secret { return newSecret(text, "literal") }

func newSecret(text, source string) Secret {
	if text == "" {
		return Secret{source: &source}
	}
	return Secret{text: &text, source: &source}
}

// Reveal returns the text, "" when not set. Call it where the text is sent to its owner, and
// nowhere else; never log or wrap the result.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet reports whether there is a text.
func (s Secret) IsSet() bool { return s.text != nil }

// Equal reports whether both hold the same text, so that a reload can tell whether something
// changed.
func (s Secret) Equal(o Secret) bool { return s.Reveal() == o.Reveal() }

// Source says where the text came from, for messages to the operator: "literal",
// "file /etc/recoveryd/dsn", "environment variable DSN", "credential dsn", or "" when the key is
// absent. It holds nothing secret.
func (s Secret) Source() string {
	if s.source == nil {
		return ""
	}
	return *s.source
}

// String returns "<secret>", or "" when not set.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return Masked
}

// GoString is String: %#v shows no more than %v.
func (s Secret) GoString() string { return s.String() }

// Format prints String for every verb of fmt, also for those that would print the fields.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String()) // fmt has no place for an error of its own writer
}

// MarshalText makes encoders print String. It covers encoding/json, XML and YAML too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue makes log/slog print String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
