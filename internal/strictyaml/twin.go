package strictyaml

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// twin reads a secret key in whichever way it is written: dsn, dsn_file, dsn_env or
// dsn_credential. found is false when there is none of the twins, and for a text of a notifier
// that is written plainly and is not declared a secret: then the key is read like any other.
func (r *Reader) twin(path string, n *node, f Shape, in Shape, given map[string]*node) (v any, found bool) {
	var suffix string
	var from *node
	for _, t := range TwinEndings {
		other, ok := given[f.Key+t]
		if _, own := in.Named(f.Key + t); !ok || own {
			continue
		}
		delete(given, f.Key+t)
		r.Positions.At[path+t] = other.at
		if other.kind == text && other.text() == "" {
			continue // bearer_token_file: "" says that there is none
		}
		if n != nil && (n.kind != text || n.text() != "") || from != nil {
			r.Problem(other.at, Problem{Path: path, What: fmt.Sprintf("is given twice, also as %s%s", f.Key, t), Hint: "keep one of them"})
			continue
		}
		suffix, from = t, other
	}
	switch {
	case from != nil:
		r.Positions.At[path] = from.at
		return r.twinned(path+suffix, f, suffix, from), true
	case n == nil:
		return nil, false
	case f.Hidden && n.kind == text && n.text() != "":
		r.literal(path, n, f)
	}
	return nil, false
}

// twinned fetches the secret that a twin points to.
func (r *Reader) twinned(path string, f Shape, suffix string, n *node) any {
	want, ok := "", n.kind == text
	switch suffix {
	case FromFile:
		want, ok = "the absolute path of a file", ok && isPath(n.text())
	case FromEnv:
		want, ok = "the name of an environment variable, in capitals", ok && capitals.MatchString(n.text())
	case FromCredential:
		want, ok = "the name of a systemd credential", ok && credForm.MatchString(n.text()) && strings.Trim(n.text(), ".") != ""
	}
	if !ok { // not shown: this may be the secret itself, at the wrong key
		r.Problem(n.at, Problem{Path: path, What: "is not acceptable", Want: want})
		return nil
	}
	if !r.resolve {
		return r.secret(f, newSecret("", SourceWords[suffix]+n.text()))
	}
	s, warning, err := secretFrom(suffix, n.text(), f.Key)
	if warning != "" && f.Hidden { // a text of a notifier that is no secret may be read by anybody
		r.Warn(n.at, Problem{Path: path, What: warning, Hint: fmt.Sprintf("chmod 0640 %s", n.text())})
	}
	if err != nil {
		p := Problem{Path: path, What: err.Error()}
		if se, ok := errors.AsType[*SourceError](err); ok {
			p.What, p.Hint = se.What, se.Hint
		}
		r.Problem(n.at, p)
		return nil
	}
	r.odd(path, n, f.Key, s.Reveal())
	if found, _ := Placeholder(s.Reveal()); found != "" { // not shown: it may only look like one
		r.Warn(n.at, Problem{Path: path, What: "leads to what looks like a placeholder that nobody filled in, and is taken as it stands",
			Hint: "write the secret itself into " + places[suffix] + " " + n.text()})
	}
	return r.secret(f, s)
}

// places are what the twins of a secret key name.
var places = map[string]string{FromFile: "the file", FromEnv: "the variable", FromCredential: "the credential"}

// secret gives a secret the type of its key: Secret here, text in a notifier's struct.
func (r *Reader) secret(f Shape, s Secret) any {
	if f.Kind == KindSecret {
		return s
	}
	return reflect.ValueOf(s.Reveal()).Convert(f.goType).Interface()
}

// variable is what an operator writes who expects shell expansion.
var variable = regexp.MustCompile(`^\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?$`)

// capitals are the names taken for environment variables with secrets. Small letters are refused,
// because a token written at the wrong key would otherwise appear in a message as a name.
var capitals = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// password finds a password in a PostgreSQL connection string, of either form.
var password = regexp.MustCompile(`(^|\s)password\s*=|^[a-z]+://[^/@]*:[^/@]+@|[?&]password=`)

const SecretHere = "a secret stands in this file"

// literal warns of a secret that stands in the file itself.
func (r *Reader) literal(path string, n *node, f Shape) {
	if r.unfilled(path, f.Key, n, true) {
		return
	}
	if f.Literal == "fine" || f.Literal == "dsn" && !password.MatchString(n.text()) {
		return
	}
	r.Warn(n.at, Problem{Path: path, What: SecretHere, Hint: fmt.Sprintf("put it into a file of its own and name that with %s%s", f.Key, FromFile)})
}
