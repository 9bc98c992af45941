package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/template"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate"
)

// maxBody bounds a request, in bytes: receivers commonly refuse bodies over 1 MB.
const maxBody = 1_000_000

// bodyOf returns the function that renders a notice in the configured format.
func bodyOf(cfg Config) (func(escalate.Notice) ([]byte, error), error) {
	messages, err := escalate.NewMessages(cfg.Templates)
	if err != nil {
		return nil, err
	}
	switch cfg.Format {
	case "", FormatJSON:
		if cfg.Body != "" {
			return nil, errors.New("body: has an effect only with format: template")
		}
		return func(n escalate.Notice) ([]byte, error) { return plain(messages, n) }, nil
	case FormatAlert:
		return func(n escalate.Notice) ([]byte, error) { return alert(messages, n) }, nil
	case FormatTemplate:
		return custom(messages, cfg.Body)
	}
	return nil, fmt.Errorf("format: want json, alert or template (got %q)", cfg.Format)
}

// Bounds that keep any notice below maxBody, also when JSON doubles every byte: three lists and
// the attempts come to 360 KB, the text to at most 130.
const (
	maxItems = 60
	maxTried = 30
	maxItem  = 1500 // bytes of one text
)

// plain is the notice itself, with its rendered texts.
func plain(m *escalate.Messages, n escalate.Notice) ([]byte, error) {
	short, cut := shorten(n)
	return marshal(struct {
		escalate.Notice
		Title string `json:"title"`
		Text  string `json:"text"`
		Cut   bool   `json:"cut,omitzero"` // something was left out
	}{short, escalate.CutBytes(m.Title(n), 2*maxItem), m.Text(short), cut})
}

// marshal leaves < > & as they are: six bytes each would eat the limit.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// shorten bounds a notice and makes its texts valid UTF-8 without control characters, which
// terminals would obey. It reports whether anything was left out.
func shorten(n escalate.Notice) (_ escalate.Notice, cut bool) {
	text := func(s string) string {
		out := escalate.CutBytes(escalate.Printable(s), maxItem)
		cut = cut || len(out) < len(s)
		return out
	}
	list := func(in []string) []string {
		cut = cut || len(in) > maxItems
		out := make([]string, 0, maxItems)
		for _, s := range in[:min(len(in), maxItems)] {
			out = append(out, text(s))
		}
		return out
	}
	n.Summary, n.Next, n.Link = text(n.Summary), text(n.Next), text(n.Link)
	n.Host, n.Target, n.Class = text(n.Host), text(n.Target), text(n.Class)
	n.Affected, n.Evidence, n.Commands = list(n.Affected), list(n.Evidence), list(n.Commands)
	cut = cut || len(n.Tried) > maxTried
	tried := make([]escalate.Attempt, 0, maxTried)
	for _, t := range n.Tried[max(len(n.Tried)-maxTried, 0):] { // the newest tell most
		tried = append(tried, escalate.Attempt{At: t.At, What: text(t.What), Result: text(t.Result)})
	}
	n.Tried = tried
	return n, cut
}

// alert is Grafana OnCall's formatted webhook. Its state has two words; a change is "ok".
func alert(m *escalate.Messages, n escalate.Notice) ([]byte, error) {
	state := "alerting"
	if n.Kind == escalate.Resolve || n.Kind == escalate.Change {
		state = "ok"
	}
	link := ""
	if u, err := url.Parse(n.Link); err == nil && u.Host != "" {
		link = n.Link
	}
	return marshal(map[string]string{
		"alert_uid": escalate.CutBytes(n.Key, 1000), "title": escalate.Cut(m.Title(n), 1000), "state": state,
		"message": escalate.CutBytes(m.Text(n), maxBody/8), "link_to_upstream_details": link,
	})
}

// custom renders the operator's template, which is tried on every sample at once.
func custom(m *escalate.Messages, source string) (func(escalate.Notice) ([]byte, error), error) {
	if strings.TrimSpace(source) == "" {
		return nil, errors.New("body: missing; it is the template of format: template")
	}
	tpl, err := template.New("body").Option("missingkey=error").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		"title": m.Title, "text": m.Text, "step": m.Step,
		"stamp": escalate.Stamp, "line": escalate.OneLine, "join": strings.Join, "age": escalate.Age,
	}).Parse(source)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	render := func(n escalate.Notice) ([]byte, error) {
		var b bytes.Buffer
		short, _ := shorten(n)
		if err := tpl.Execute(&limited{&b}, short); err != nil {
			return nil, err
		}
		return b.Bytes(), nil
	}
	for _, k := range []escalate.Kind{escalate.Trigger, escalate.Update, escalate.Resolve, escalate.Change} {
		if _, err := render(escalate.Sample(k, "sample", "host", time.Unix(0, 0))); err != nil {
			return nil, fmt.Errorf("body: does not render a %s notice: %w", k, err)
		}
	}
	return render, nil
}

// limited refuses what makes a body too long.
type limited struct{ *bytes.Buffer }

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxBody {
		return 0, fmt.Errorf("longer than %d bytes", maxBody)
	}
	return l.Buffer.Write(p)
}
