package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Redacted is what stands where a secret was.
const Redacted = "<secret>"

// minSecret is the shortest secret that is searched for, in bytes: replacing "a" everywhere would
// destroy the message and hide nothing.
const minSecret = 4

// Secret keeps a credential out of every print of the struct that holds it, whatever the verb:
// fmt cannot look into a function. The zero value is an empty secret.
type Secret struct{ reveal func() string }

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{reveal: func() string { return s }} }

// Reveal returns the credential, to be used and not kept.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// String returns Redacted.
func (Secret) String() string { return Redacted }

// redactor replaces secrets in texts, also in the forms they take inside URLs and JSON.
type redactor struct{ replace func(string) string }

func newRedactor(secrets []string) redactor {
	var forms []string
	for _, s := range secrets {
		if len(s) < minSecret {
			continue
		}
		quoted, err := json.Marshal(s)
		if err == nil {
			forms = append(forms, strings.Trim(string(quoted), `"`))
		}
		forms = append(forms, s, url.QueryEscape(s), url.PathEscape(s))
	}
	// Longest first: a secret may contain another.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range slices.Compact(forms) {
		pairs = append(pairs, f, Redacted)
	}
	return redactor{replace: strings.NewReplacer(pairs...).Replace}
}

func (r redactor) text(s string) string { return r.replace(s) }

// err prefixes err with the vendor. An error whose text, or any text below it, held a secret is
// replaced by its redacted words and can no longer be unwrapped to the original.
func (r redactor) err(vendor string, err error) error {
	if chainClean(err, r.replace) {
		return fmt.Errorf("%s: %w", vendor, err)
	}
	return errors.New(vendor + ": " + r.text(err.Error()))
}

func chainClean(err error, replace func(string) string) bool {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if replace(e.Error()) != e.Error() {
			return false
		}
	}
	return true
}
