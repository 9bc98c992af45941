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

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// maxBody bounds a request, in bytes: receivers commonly refuse bodies over 1 MB.
const maxBody = 1_000_000

// bodyOf returns the function that renders a notice in the configured format.
func bodyOf(cfg Config) (func(notice.Notice) ([]byte, error), error) {
	messages, err := notice.NewMessages(cfg.Templates)
	if err != nil {
		return nil, err
	}
	switch cfg.Format {
	case "", FormatJSON:
		if cfg.Body != "" {
			return nil, errors.New("body: has an effect only with format: template")
		}
		return func(n notice.Notice) ([]byte, error) { return plain(messages, n) }, nil
	case FormatAlert:
		return func(n notice.Notice) ([]byte, error) { return alert(messages, n) }, nil
	case FormatTemplate:
		return custom(messages, cfg.Body)
	}
	return nil, fmt.Errorf("format: want json, alert or template (got %q)", cfg.Format)
}

// plain is the notice itself, with its rendered texts.
func plain(m *notice.Messages, n notice.Notice) ([]byte, error) {
	short, cut := notice.Shorten(n)
	return marshal(struct {
		notice.Notice
		Title string `json:"title"`
		Text  string `json:"text"`
		Cut   bool   `json:"cut,omitzero"` // something was left out
	}{short, m.Title(short), m.Text(short), cut})
}

// marshal leaves < > & as they are: six bytes each would eat the limit.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// alert is Grafana OnCall's formatted webhook. Its state has two words; a change is "ok".
func alert(m *notice.Messages, n notice.Notice) ([]byte, error) {
	state := "alerting"
	if n.Kind == notice.Resolve || n.Kind == notice.Change {
		state = "ok"
	}
	link := ""
	if u, err := url.Parse(n.Link); err == nil && u.Host != "" {
		link = n.Link
	}
	return marshal(map[string]string{
		"alert_uid": notice.CutBytes(n.Key, 1000), "title": notice.Cut(m.Title(n), 1000), "state": state,
		"message": notice.CutBytes(m.Text(n), maxBody/8), "link_to_upstream_details": link,
	})
}

// custom renders the operator's template, which is tried on every sample at once.
func custom(m *notice.Messages, source string) (func(notice.Notice) ([]byte, error), error) {
	if strings.TrimSpace(source) == "" {
		return nil, errors.New("body: missing; it is the template of format: template")
	}
	tpl, err := template.New("body").Option("missingkey=error").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		"title": m.Title, "text": m.Text, "step": m.Step,
		"stamp": notice.Stamp, "line": notice.OneLine, "join": strings.Join, "age": notice.Age,
	}).Parse(source)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	render := func(n notice.Notice) ([]byte, error) {
		var b bytes.Buffer
		short, _ := notice.Shorten(n)
		if err := tpl.Execute(&limited{&b}, short); err != nil {
			return nil, err
		}
		return b.Bytes(), nil
	}
	for _, k := range []notice.Kind{notice.Trigger, notice.Update, notice.Resolve, notice.Change} {
		if _, err := render(notice.Sample(k, "sample", "host", time.Unix(0, 0))); err != nil {
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
