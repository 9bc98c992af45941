package pagerduty

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// PagerDuty's documented limits.
const (
	maxSummary = 1024 // characters of payload.summary
	maxDedup   = 255  // characters of dedup_key
	// maxBody is 512 KB; Alertmanager cuts at 512,000 bytes, the smaller reading of "KB".
	maxBody = 512_000
	// maxField bounds source, component, class and group, for which no limit is documented.
	maxField = 255
)

// event is the body of POST /v2/enqueue and /v2/change/enqueue.
type event struct {
	RoutingKey string  `json:"routing_key"`
	Action     string  `json:"event_action,omitzero"`
	DedupKey   string  `json:"dedup_key,omitzero"`
	Client     string  `json:"client,omitzero"`
	ClientURL  string  `json:"client_url,omitzero"`
	Payload    payload `json:"payload"`
	Links      []link  `json:"links,omitzero"`
}

type payload struct {
	Summary   string          `json:"summary"`
	Source    string          `json:"source"`
	Severity  notice.Severity `json:"severity,omitzero"`
	Timestamp string          `json:"timestamp,omitzero"`
	Component string          `json:"component,omitzero"`
	Group     string          `json:"group,omitzero"`
	Class     string          `json:"class,omitzero"`
	Details   *details        `json:"custom_details,omitzero"`
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// details are the custom_details: what the person who was woken reads.
type details struct {
	Status   notice.Status `json:"status,omitzero"`
	Priority string        `json:"priority,omitzero"`
	Incident string        `json:"incident,omitzero"`
	Tier     int           `json:"tier"`
	Since    string        `json:"since,omitzero"`
	Affected []string      `json:"affected,omitzero"`
	Evidence []string      `json:"evidence,omitzero"`
	Tried    []string      `json:"tried,omitzero"`
	Next     string        `json:"next,omitzero"`
	Runbook  string        `json:"runbook,omitzero"`
	Commands []string      `json:"commands,omitzero"`
	Message  string        `json:"message,omitzero"`
	Test     bool          `json:"test,omitzero"`
	// Cut says what was left out to stay within the limit.
	Cut string `json:"cut,omitzero"`
}

// DedupKey is the dedup_key of a notice's key: the key itself, or, when that is longer than
// PagerDuty takes, its beginning and a digest of all of it, so that it stays unique and stable.
func DedupKey(key string) string {
	key = strings.ToValidUTF8(key, string(utf8.RuneError))
	if utf8.RuneCountInString(key) <= maxDedup {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	digest := hex.EncodeToString(sum[:])
	return notice.Cut(key, maxDedup-len(digest)-1) + "-" + digest
}

func (n *Notifier) alert(no notice.Notice, action string, key routing) ([]byte, error) {
	severity := no.Severity
	if s := n.severities[no.Priority]; s != "" {
		severity = s
	}
	if !known(severity) {
		severity = notice.Error // never refuse a page for its label
	}
	e := event{
		RoutingKey: key.key.Reveal(),
		Action:     action,
		DedupKey:   DedupKey(no.Key),
		Client:     "recoveryd",
		ClientURL:  webURL(no.Link),
		Payload:    n.payload(no),
	}
	e.Payload.Severity = severity
	e.Payload.Component = field(no.Target)
	e.Payload.Group = field(no.Incident)
	e.Payload.Class = field(no.Class)
	return encode(e, no, n.messages.Text(no))
}

func (n *Notifier) change(no notice.Notice, key routing) ([]byte, error) {
	return encode(event{RoutingKey: key.key.Reveal(), Payload: n.payload(no)}, no, n.messages.Text(no))
}

func (n *Notifier) payload(no notice.Notice) payload {
	p := payload{Summary: notice.Cut(n.messages.Title(no), maxSummary), Source: "recoveryd"}
	for _, s := range []string{no.Host, no.Target} {
		if s = field(s); s != "" {
			p.Source = s
			break
		}
	}
	if !no.At.IsZero() {
		p.Timestamp = no.At.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	return p
}

func field(s string) string { return notice.Cut(notice.OneLine(s), maxField) }

// webURL returns s when it is a web address; anything else would make PagerDuty refuse the event.
func webURL(s string) string {
	if u, err := url.Parse(s); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
		return s
	}
	return ""
}

// levels are how much detail is kept, most first: items per list and runes per text. The body
// shrinks level by level until it fits; the last one has no detail at all.
var levels = []struct{ items, runes int }{{1000, 100_000}, {100, 1000}, {20, 500}, {5, 200}, {0, 0}}

// encode adds links and as much detail as the size limit allows.
func encode(e event, no notice.Notice, text string) ([]byte, error) {
	if href := webURL(no.Link); href != "" && len(href) <= 2048 {
		e.Links = []link{{Href: href, Text: "Incident " + field(no.Incident)}}
	} else {
		e.ClientURL = ""
	}
	if href := webURL(no.Runbook); href != "" && len(href) <= 2048 {
		e.Links = append(e.Links, link{Href: href, Text: "Runbook of " + field(no.Class)})
	}
	var body []byte
	for _, l := range levels {
		e.Payload.Details = detail(no, text, l.items, l.runes)
		var err error
		if body, err = marshal(e); err != nil {
			return nil, fmt.Errorf("pagerduty: encode event: %w", err)
		}
		if len(body) <= maxBody {
			break
		}
	}
	return body, nil
}

// marshal leaves < > & as they are: six bytes each would eat the limit.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func detail(no notice.Notice, text string, items, runes int) *details {
	if items == 0 {
		return &details{Incident: field(no.Incident), Cut: "all detail was left out to stay within PagerDuty's size limit; see the incident on the host"}
	}
	cut := 0
	list := func(in []string) []string {
		cut += max(len(in)-items, 0)
		var out []string
		for _, s := range in[:min(len(in), items)] {
			out = append(out, notice.Cut(notice.Printable(s), runes))
		}
		return out
	}
	tried := make([]string, 0, len(no.Tried))
	for _, t := range no.Tried {
		tried = append(tried, t.At.UTC().Format(time.RFC3339)+" "+t.What+": "+t.Result)
	}
	if extra := len(tried) - items; extra > 0 {
		tried = tried[extra:] // the newest attempts tell most
		cut += extra
	}
	d := &details{
		Status: no.Status, Priority: field(no.Priority), Incident: field(no.Incident), Tier: no.Tier,
		Affected: list(no.Affected), Evidence: list(no.Evidence), Tried: list(tried), Commands: list(no.Commands),
		Next: notice.Cut(no.Next, runes), Runbook: notice.Cut(notice.OneLine(no.Runbook), runes), Message: notice.Cut(text, runes), Test: no.Test,
	}
	if !no.Since.IsZero() {
		d.Since = no.Since.UTC().Format(time.RFC3339)
	}
	if cut > 0 {
		d.Cut = fmt.Sprintf("%d items were left out to stay within PagerDuty's size limit; see the incident on the host", cut)
	}
	return d
}
