package email

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Bounds of a mail: a subject that programs show whole, and a body that people read.
const (
	maxSubject = 200    // runes
	maxText    = 60_000 // bytes of the plain body; the HTML body is bounded by its lists
	maxItems   = 50     // of each list in the HTML body
	maxItem    = 500    // runes of one of them
)

// threadID is the Message-ID that the first mail about a key would have, and to which all others
// refer, whether or not it was ever sent.
func (n *Notifier) threadID(key string) string { return n.id("key", key) }

// id derives a Message-ID. The same notice always has the same: mail servers and programs drop
// the second copy that a lost reply may cause.
func (n *Notifier) id(kind, s string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + s))
	_, domain, _ := strings.Cut(n.from.Address, "@")
	return "recoveryd." + hex.EncodeToString(sum[:12]) + "@" + domain
}

// message renders a notice for the given recipients.
func (n *Notifier) message(no notice.Notice, to []*mail.Address) (*gomail.Msg, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(n.from)
	m.ToMailAddress(to...)
	m.Subject(notice.Cut(n.messages.Title(no), maxSubject))
	at := no.At
	if at.IsZero() {
		at = time.Now()
	}
	m.SetDateWithValue(at)
	thread := n.threadID(no.Key)
	m.SetMessageIDWithValue(n.id("notice", no.ID))
	m.SetGenHeader(gomail.HeaderInReplyTo, "<"+thread+">")
	m.SetGenHeader(gomail.HeaderReferences, "<"+thread+">")
	m.SetGenHeader("Auto-Submitted", "auto-generated") // keeps absence notes away (RFC 3834)
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetGenHeader("X-Recoveryd-Incident", notice.Cut(notice.OneLine(no.Incident), maxSubject))
	if no.Kind == notice.Trigger && (no.Severity == notice.Critical || no.Severity == notice.Error) {
		m.SetImportance(gomail.ImportanceHigh)
	}
	text := n.messages.Text(no)
	m.SetBodyString(gomail.TypeTextPlain, notice.CutBytes(text, maxText))
	html, err := htmlOf(no, n.messages.Title(no))
	if err != nil {
		return nil, fmt.Errorf("email: render HTML: %w", err)
	}
	m.AddAlternativeString(gomail.TypeTextHTML, html)
	return m, nil
}

// page is the HTML body. Mail programs know no style sheets worth relying on: styles are inline,
// and everything reads well without them.
var page = template.Must(template.New("mail").Parse(`<!doctype html>
<html><body style="font-family:sans-serif;font-size:14px;color:#222;max-width:48em">
<p style="border-left:6px solid {{.Color}};padding:6px 10px;font-size:16px"><b>{{.Title}}</b></p>
<table style="border-collapse:collapse">
{{range .Facts}}<tr><td style="padding:2px 12px 2px 0;color:#666;vertical-align:top">{{index . 0}}</td><td>{{index . 1}}</td></tr>
{{end}}</table>
{{range .Lists}}<p><b>{{.Name}}</b></p><ul>
{{range .Items}}<li>{{.}}</li>
{{end}}</ul>
{{end}}{{if .Next}}<p><b>Next</b><br>{{.Next}}</p>
{{end}}{{with .Runbook}}<p><b>Runbook</b><br>{{if $.RunbookLink}}<a href="{{.}}">{{.}}</a>{{else}}<code>{{.}}</code>{{end}}</p>
{{end}}{{if .Commands}}<p><b>Look further</b></p><pre style="background:#f4f4f4;padding:8px">{{range .Commands}}{{.}}
{{end}}</pre>
{{end}}{{if .Link}}<p><a href="{{.Link}}">Open the incident</a></p>
{{end}}<p style="color:#666">Incident {{.Incident}}{{if .Tier}}, tier {{.Tier}}{{end}}, from recoveryd{{if .Host}} on {{.Host}}{{end}}</p>
</body></html>
`))

type listView struct {
	Name  string
	Items []string
}

func htmlOf(n notice.Notice, title string) (string, error) {
	short := func(in []string) []string {
		out := make([]string, 0, min(len(in), maxItems)+1)
		for _, s := range in[:min(len(in), maxItems)] {
			out = append(out, notice.Cut(notice.Printable(s), maxItem))
		}
		if extra := len(in) - maxItems; extra > 0 {
			out = append(out, fmt.Sprintf("(%d more in the incident)", extra))
		}
		return out
	}
	one := func(s string) string { return notice.Cut(notice.OneLine(s), maxItem) }
	color := "#c62828"
	switch {
	case n.Status.Over():
		color = "#2e7d32"
	case n.Severity == notice.Warning, n.Severity == notice.Info, n.Status == notice.Monitoring:
		color = "#f9a825"
	}
	facts := [][2]string{{"What", one(strings.Trim(n.Target+", "+n.Class, ", "))}, {"Host", one(n.Host)}, {"Priority", one(n.Priority)}}
	if stage := n.Stage(); stage != "" {
		facts = append(facts, [2]string{"Status", one(string(stage))})
	}
	if !n.Since.IsZero() {
		since := notice.Stamp(n.Since)
		if age := notice.Age(n.Since, n.At); age != "" {
			since += " (" + age + ")"
		}
		facts = append(facts, [2]string{"Since", since})
	}
	if len(n.Affected) > 0 {
		facts = append(facts, [2]string{"Affected", strings.Join(short(n.Affected), ", ")})
	}
	var lists []listView
	if len(n.Evidence) > 0 {
		lists = append(lists, listView{"Evidence", short(n.Evidence)})
	}
	if len(n.Tried) > 0 {
		tried := make([]string, 0, len(n.Tried))
		for _, t := range n.Tried[max(len(n.Tried)-maxItems, 0):] {
			tried = append(tried, t.At.UTC().Format("15:04 UTC")+" "+t.What+": "+t.Result)
		}
		lists = append(lists, listView{"Tried", short(tried)})
	}
	var b strings.Builder
	err := page.Execute(&b, map[string]any{
		"Color": color, "Title": notice.Cut(title, 1000), "Facts": facts, "Lists": lists,
		"Next": notice.Cut(notice.Printable(n.Next), 4000), "Commands": short(n.Commands), "Link": n.Link,
		"Runbook": one(n.Runbook), "RunbookLink": strings.HasPrefix(n.Runbook, "https://") || strings.HasPrefix(n.Runbook, "http://"),
		"Incident": one(n.Incident), "Tier": n.Tier, "Host": one(n.Host),
	})
	return b.String(), err
}
