// Package statuspage publishes incidents on an Atlassian Statuspage.
//
// It decides what the public reads: a text without host names, evidence or commands, and the
// runbook's four words. An incident is created by a trigger only, and edited and resolved
// afterwards. Creating is not idempotent, so each incident carries its key as metadata, and a
// repeated create first looks whether an open one has it. When to publish (after five minutes
// down) is decided by the routes, not here. It never retries.
//
// Start reading at [Config], then [Notifier.Notify].
package statuspage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// DefaultEndpoint is the API.
const DefaultEndpoint = "https://api.statuspage.io"

// Config is a channel's section.
type Config struct {
	// APIKey of a user of the page.
	APIKey string `yaml:"api_key" secret:"true"`
	// PageID is the page's id.
	PageID string `yaml:"page_id" example:"kctbh9vrtdwd"`
	// Components are set to a worse status while an incident is open, and back afterwards.
	Components []Component `yaml:"components" example:"[{id: 8kbf7d35c070, target: codebase-mcp}]"`
	// Subscribers are told of incidents. Unset: yes.
	Subscribers *bool `yaml:"notify_subscribers" shown:"true" example:"false"`
	// Templates overrides texts: title is the incident's name, text the body of an update. The
	// defaults of this channel are its own, since the public reads them.
	Templates notice.Templates `yaml:"templates"`
	// Endpoint is scheme and host of the API. Empty: DefaultEndpoint.
	Endpoint string `yaml:"endpoint" shown:"https://api.statuspage.io"`
	// HTTP says how the API is reached.
	HTTP wire.Config `yaml:"http"`
}

// Component is a component of the page.
type Component struct {
	// ID of the component on the page.
	ID string `yaml:"id" example:"8kbf7d35c070"`
	// Target is the target it stands for; empty: every one.
	Target string `yaml:"target" example:"codebase-mcp"`
}

// What the public reads by default.
const (
	DefaultTitle = `{{if .Test}}[TEST] {{end}}{{.Target}} is {{if eq .Severity "critical"}}unavailable{{else}}degraded{{end}}`
	DefaultText  = `{{if .Test}}This is a test. Nothing is wrong. {{end}}{{if or (eq .Kind "resolve") (eq .Status "Resolved")}}The problem with {{.Target}} is over{{with age $.Since}}; it lasted {{.}}{{end}}.{{else if eq .Status "Identified"}}The cause of the problem with {{.Target}} has been identified, and we are working on it.{{else if eq .Status "Monitoring"}}{{.Target}} has been repaired. We are watching the result.{{else}}We are investigating a problem with {{.Target}}.{{end}}`
)

// receiptID is the key of the receipt that holds the incident's id.
const receiptID = "incident_id"

// Limits of a name and a body, in runes. They are not documented; these are on the safe side.
const (
	maxName = 255
	maxBody = 5000
)

// Notifier publishes on one page. It is immutable and safe for concurrent use.
type Notifier struct {
	client      *wire.Client
	key         wire.Secret
	incidents   *url.URL
	components  []Component
	subscribers bool
	messages    *notice.Messages
}

var (
	_ notice.Notifier  = (*Notifier)(nil)
	_ notice.Previewer = (*Notifier)(nil)
)

var idShape = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// New makes a notifier from its decoded section. The error names every problem.
func New(decode func(any) error) (notice.Notifier, error) {
	var cfg Config
	if err := decode(&cfg); err != nil {
		return nil, err
	}
	n := &Notifier{key: wire.NewSecret(cfg.APIKey), components: slices.Clone(cfg.Components), subscribers: cfg.Subscribers == nil || *cfg.Subscribers}
	var errs []error
	if cfg.APIKey == "" {
		errs = append(errs, errors.New("api_key: missing; make one in the page's user menu under API info"))
	}
	if !idShape.MatchString(cfg.PageID) {
		errs = append(errs, fmt.Errorf("page_id: missing or not an id (got %q)", cfg.PageID))
	}
	for i, c := range cfg.Components {
		if !idShape.MatchString(c.ID) {
			errs = append(errs, fmt.Errorf("components[%d].id: not an id (got %q)", i, c.ID))
		}
	}
	if cfg.Endpoint == "" {
		cfg.Endpoint = DefaultEndpoint
	}
	u, err := url.Parse(strings.TrimSuffix(cfg.Endpoint, "/"))
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		errs = append(errs, errors.New("endpoint: not a URL such as "+DefaultEndpoint))
		u = new(url.URL)
	}
	n.incidents = u.JoinPath("v1", "pages", cfg.PageID, "incidents")
	if cfg.Templates.Title == "" {
		cfg.Templates.Title = DefaultTitle
	}
	if cfg.Templates.Text == "" {
		cfg.Templates.Text = DefaultText
	}
	n.messages, err = notice.NewMessages(cfg.Templates)
	errs = append(errs, err)
	n.client, err = wire.New("statuspage", cfg.HTTP, []*url.URL{u}, cfg.APIKey)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return n, nil
}

// body is the body of a create or an update.
type body struct {
	Incident incident `json:"incident"`
}

type incident struct {
	Name       string                       `json:"name,omitzero"`
	Status     string                       `json:"status"`
	Impact     string                       `json:"impact_override,omitzero"`
	Body       string                       `json:"body"`
	Deliver    bool                         `json:"deliver_notifications"`
	Components map[string]string            `json:"components,omitzero"`
	IDs        []string                     `json:"component_ids,omitzero"`
	Metadata   map[string]map[string]string `json:"metadata,omitzero"`
}

// Notify implements notice.Notifier. An update or a resolve of something that was never
// published, and a change, say nothing: the public need not hear of them.
func (n *Notifier) Notify(ctx context.Context, d notice.Delivery) (notice.Receipt, error) {
	no := d.Notice
	if no.Kind == notice.Change {
		return maps.Clone(d.Prior), nil
	}
	id := d.Prior[receiptID]
	// Without a receipt, a second attempt (and whoever asks to close what we do not know of) looks
	// first: the answer to an earlier create may have been lost.
	if id == "" && (d.Attempt > 1 || no.Kind != notice.Trigger) {
		var err error
		if id, err = n.find(ctx, no.Key); err != nil {
			return nil, err
		}
	}
	if id != "" {
		err := n.update(ctx, id, no)
		some, partial := errors.AsType[*notice.PartialError](err)
		switch {
		case partial && no.Kind == notice.Resolve:
			return notice.Receipt{}, some
		case partial:
			return notice.Receipt{receiptID: id}, some
		case errors.Is(err, errGone): // somebody deleted it on the page: there is nothing to edit
		case err != nil:
			return nil, err
		case no.Kind == notice.Resolve:
			return notice.Receipt{}, nil // a relapse is an incident of its own in public
		default:
			return notice.Receipt{receiptID: id}, nil
		}
	}
	if no.Kind != notice.Trigger {
		return notice.Receipt{}, nil
	}
	return n.create(ctx, no)
}

// errGone marks the one 404 that is about an incident and not about the configuration.
var errGone = errors.New("the incident is no longer on the page")

// withoutComponents sends an incident once more without its components when the page refuses it with
// them: one that was removed there must not keep the public from reading of the outage. The error
// then names the components, and the reply is that of the incident.
func (n *Notifier) withoutComponents(in body, send func(body) ([]byte, error)) ([]byte, error) {
	reply, err := send(in)
	final, ok := errors.AsType[*notice.FinalError](err)
	if !ok || final.Reason != notice.ReasonRejected || len(in.Incident.IDs) == 0 {
		return reply, err
	}
	ids := in.Incident.IDs
	in.Incident.Components, in.Incident.IDs = nil, nil
	if reply, again := send(in); again == nil {
		some := &notice.PartialError{Took: []string{"the incident"}, Reason: notice.ReasonRejected, Err: final.Err}
		for _, id := range ids {
			some.Refused = append(some.Refused, notice.Refusal{Receiver: "component " + id, Error: final.Err.Error()})
		}
		return reply, some
	}
	return nil, err
}

// Receivers implements notice.Several.
func (n *Notifier) Receivers() (all []string) {
	for _, c := range n.components {
		all = append(all, "component "+c.ID)
	}
	return all
}

func (n *Notifier) create(ctx context.Context, no notice.Notice) (notice.Receipt, error) {
	in := n.render(no)
	in.Incident.Metadata = map[string]map[string]string{"recoveryd": {"key": metaKey(no.Key), "incident": line(no.Incident)}}
	reply, err := n.withoutComponents(in, func(in body) ([]byte, error) {
		return n.call(ctx, http.MethodPost, n.incidents, in, http.StatusCreated)
	})
	if reply == nil {
		return nil, err
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(reply, &made); err != nil || !idShape.MatchString(made.ID) {
		return nil, n.client.Retry(notice.ReasonServer, 0, fmt.Errorf("no id in the answer to a create: %q", n.client.Snippet(reply)))
	}
	return notice.Receipt{receiptID: made.ID}, err
}

func (n *Notifier) update(ctx context.Context, id string, no notice.Notice) error {
	if !idShape.MatchString(id) {
		return n.client.Final(notice.ReasonRejected, fmt.Errorf("receipt holds no incident id: %q", notice.Cut(id, 80)))
	}
	_, err := n.withoutComponents(n.render(no), func(in body) ([]byte, error) {
		return n.call(ctx, http.MethodPatch, n.incidents.JoinPath(id), in, http.StatusOK)
	})
	return err
}

// find returns the id of the open incident that carries the key, or "".
func (n *Notifier) find(ctx context.Context, key string) (string, error) {
	reply, err := n.call(ctx, http.MethodGet, n.incidents.JoinPath("unresolved"), nil, http.StatusOK)
	if err != nil {
		return "", err
	}
	var open []struct {
		ID       string                    `json:"id"`
		Metadata map[string]map[string]any `json:"metadata"`
	}
	if err := json.Unmarshal(reply, &open); err != nil {
		return "", n.client.Retry(notice.ReasonServer, 0, fmt.Errorf("no list of unresolved incidents: %q", n.client.Snippet(reply)))
	}
	for _, i := range open {
		if i.Metadata["recoveryd"]["key"] == metaKey(key) {
			return i.ID, nil
		}
	}
	return "", nil
}

func (n *Notifier) call(ctx context.Context, method string, u *url.URL, in any, accept int) ([]byte, error) {
	var sent []byte
	if in != nil {
		var err error
		if sent, err = json.Marshal(in); err != nil {
			return nil, n.client.Final(notice.ReasonRejected, err)
		}
	}
	req, err := http.NewRequest(method, u.String(), bytes.NewReader(sent))
	if err != nil {
		return nil, n.client.Final(notice.ReasonConfig, err)
	}
	req.Header.Set("Authorization", "OAuth "+n.key.Reveal())
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	reply, err := n.client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	// 420 is Statuspage's own "too fast", beside 429.
	if err := n.client.Verdict(u, reply, wire.Rules{Accept: []int{accept}, Limited: []int{420}}); err != nil {
		if method == http.MethodPatch && reply.Status == http.StatusNotFound {
			return nil, errGone
		}
		return nil, err
	}
	if reply.Err != nil {
		return nil, reply.Err
	}
	if err := n.client.Accept(u, reply, wire.Acceptance{}); err != nil {
		return nil, err
	}
	if !json.Valid(reply.Body) {
		return nil, n.client.Retry(notice.ReasonServer, 0, fmt.Errorf("%s://%s did not answer as Statuspage does: %q", u.Scheme, u.Host, n.client.Snippet(reply.Body)))
	}
	return reply.Body, nil
}

// Preview implements notice.Previewer.
func (n *Notifier) Preview(d notice.Delivery) ([]byte, error) {
	if d.Notice.Kind == notice.Change {
		return []byte("(nothing: the public need not hear of a change)\n"), nil
	}
	return json.MarshalIndent(n.render(d.Notice), "", "  ")
}

func (n *Notifier) render(no notice.Notice) body {
	in := incident{
		Name: notice.Cut(n.messages.Title(no), maxName), Body: notice.Cut(strings.TrimSpace(n.messages.Text(no)), maxBody),
		Status: statusOf(no), Deliver: n.subscribers,
	}
	component := "operational"
	if in.Status != "resolved" {
		in.Impact, component = impact(no.Severity)
	}
	for _, c := range n.components {
		if c.Target == "" || c.Target == no.Target {
			if in.Components == nil {
				in.Components = map[string]string{}
			}
			in.Components[c.ID] = component
			in.IDs = append(in.IDs, c.ID)
		}
	}
	return body{in}
}

func statusOf(no notice.Notice) string {
	switch {
	case no.Kind == notice.Resolve || no.Status.Over():
		return "resolved"
	case no.Status == notice.Identified:
		return "identified"
	case no.Status == notice.Monitoring:
		return "monitoring"
	}
	return "investigating"
}

// impact maps a severity to the page's impact and the status of its components.
func impact(s notice.Severity) (impact, component string) {
	switch s {
	case notice.Critical:
		return "critical", "major_outage"
	case notice.Error:
		return "major", "partial_outage"
	case notice.Info:
		return "none", "operational"
	}
	return "minor", "degraded_performance"
}

// metaKey is the key as metadata holds it: bounded, and unique enough among open incidents.
func metaKey(key string) string { return notice.CutBytes(key, 1000) }

func line(s string) string { return notice.Cut(notice.OneLine(s), maxName) }
