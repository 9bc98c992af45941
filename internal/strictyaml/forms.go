package strictyaml

import (
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var (
	nameForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]*$`)
	slugForm  = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	tokenForm = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$") // RFC 9110 token: header names and methods
	envForm   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	wordForm  = regexp.MustCompile(`^[\pL\pN_@-]+$`)
	hostForm  = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$`)
	credForm  = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
)

// maxName is the most characters of a name. It is not counted in the expressions: one with a
// repetition of 63 classes of letters takes a megabyte for as long as the program runs.
const maxName = 63

func isName(s string) bool { return len(s) <= maxName && nameForm.MatchString(s) }

func isWord(s string) bool { return utf8.RuneCountInString(s) <= maxName && wordForm.MatchString(s) }

// formWants says what a text of each form looks like. The form is named in the struct tag "form".
var formWants = map[string]string{
	"name":     "letters, digits, . _ @ or -, at most 63, starting with a letter or digit",
	"slug":     "lower-case letters, digits and hyphens, such as pool-creep",
	"path":     "an absolute path",
	"url":      "an address such as http://127.0.0.1:8000/health",
	"address":  "host:port, such as 127.0.0.1:6379",
	"listen":   `host:port, such as 127.0.0.1:9465, or "" for none`,
	"hostname": "a host name or an address without port, such as status.example.org",
	"token":    "a header name without spaces",
	"method":   "GET, HEAD, POST or another HTTP method in capitals",
	"env":      "the name of an environment variable",
	"label":    "the name of a label, such as service or job",
	"regexp":   "a regular expression (RE2)",
	"timezone": "a time zone such as Europe/Berlin, UTC or Local",
	"moment":   `a time of day such as "02:30", or a moment such as "2026-12-24 22:00"`,
}

// Fits reports whether a text has the form. An unknown form fits nothing, which a test would see.
func Fits(form, s string) bool {
	switch {
	case form == "":
		return true
	case form != "regexp" && s != strings.TrimSpace(s): // url.Parse and others take a space at the end
		return false
	}
	switch form {
	case "name":
		return isName(s)
	case "slug":
		return slugForm.MatchString(s) && len(s) <= maxName
	case "path":
		return isPath(s)
	case "url":
		return IsURL(s)
	case "address":
		return isAddress(s, 1)
	case "label":
		return envForm.MatchString(s)
	case "listen":
		return isAddress(s, 0) // port 0: any free one

	case "hostname":
		return net.ParseIP(s) != nil || len(s) <= 253 && hostForm.MatchString(s)
	case "token":
		return tokenForm.MatchString(s)
	case "method":
		return tokenForm.MatchString(s) && s == strings.ToUpper(s)
	case "env":
		return envForm.MatchString(s)
	case "regexp":
		_, err := regexp.Compile(s)
		return err == nil
	case "timezone":
		_, err := time.LoadLocation(s)
		return err == nil && s != ""
	case "moment":
		_, err := ParseMoment(s)
		return err == nil
	}
	return false
}

func isPath(s string) bool {
	return filepath.IsAbs(s) && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func IsURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && (u.Port() == "" || isPort(u.Port(), 1))
}

func isAddress(s string, lowest int) bool {
	_, port, err := net.SplitHostPort(s)
	return err == nil && isPort(port, lowest)
}

func isPort(s string, lowest int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= lowest && n <= 65535
}

// FormText says in words what a text of that form looks like.
func FormText(form string) string { return formWants[form] }

// FormText says in words what the text of a key looks like; "" = it has no form.
func (s Shape) FormText() string {
	if s.Owned != nil {
		return s.Owned.Want
	}
	return formWants[s.Form]
}

// fits reports whether a text has the form of the key.
func (s Shape) fits(v string) bool {
	if s.Owned != nil {
		return v == strings.TrimSpace(v) && s.Owned.Fits(v)
	}
	return Fits(s.Form, v)
}

// Form is one form of text.
type Form struct {
	Want string              // what it looks like: "a systemd unit such as codebase-mcp.service"
	Fits func(string) bool   // whether a text has it
	Cure func(string) string // what to write instead of one that has not, or ""; nil: nothing is known
}

func Weekdays() []string { return []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} }
