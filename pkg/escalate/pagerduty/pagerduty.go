// Package pagerduty pages people through PagerDuty's Events API v2.
//
// It decides how a notice becomes an event: trigger and resolve under dedup_key = Notice.Key,
// change events for cures that worked, and nothing for an update (a trigger that arrives after
// somebody resolved the alert by hand would page again). A resolve goes out with the routing key
// that the alert was opened with, because PagerDuty drops a resolve that comes with another; the
// receipt carries the key's name and fingerprint, never the key. It never retries and never
// sends an event without a dedup_key.
//
// Start reading at [Config], then [Notifier.Notify].
package pagerduty

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// DefaultEndpoint is PagerDuty's US region; accounts in the EU use https://events.eu.pagerduty.com.
const DefaultEndpoint = "https://events.pagerduty.com"

// Config is a channel's section.
type Config struct {
	// RoutingKey is the 32-character integration key of an "Events API v2" integration.
	RoutingKey string `yaml:"routing_key" secret:"true"`
	// RoutingKeys names several keys, for rotation without a stuck page: the first one (after
	// RoutingKey, if that is set) opens alerts, the others only resolve what they once opened.
	RoutingKeys []Key `yaml:"routing_keys" example:"[{name: old, key_file: /etc/recoveryd/old.key}]"`
	// Endpoint is scheme and host of the API. Empty: DefaultEndpoint.
	Endpoint string `yaml:"endpoint" shown:"https://events.pagerduty.com" example:"https://events.eu.pagerduty.com"`
	// Changes sends a change event for a cure that worked. Unset: yes, unless the key is a
	// ruleset key (it starts with R), for which PagerDuty has no change events.
	Changes *bool `yaml:"changes" shown:"true, but for a ruleset key" example:"false"`
	// Severities overrides the severity per priority; empty ones keep the notice's own.
	Severities Severities `yaml:"severities"`
	// Templates overrides texts.
	Templates notice.Templates `yaml:"templates"`
	// HTTP says how the vendor is reached.
	HTTP wire.Config `yaml:"http"`
}

// Key is a routing key with a name that may appear in receipts and messages.
type Key struct {
	// Name of the key in receipts and messages.
	Name string `yaml:"name" example:"old"`
	// Key is the 32-character integration key.
	Key string `yaml:"key" secret:"true"`
}

// Severities maps the runbook's priorities to PagerDuty's severities.
type Severities struct {
	// P1 is the severity of a notice of that priority.
	P1 notice.Severity `yaml:"p1" enum:"critical|error|warning|info" example:"critical"`
	// P2 is the severity of a notice of that priority.
	P2 notice.Severity `yaml:"p2" enum:"critical|error|warning|info" example:"critical"`
	// P3 is the severity of a notice of that priority.
	P3 notice.Severity `yaml:"p3" enum:"critical|error|warning|info" example:"critical"`
	// P4 is the severity of a notice of that priority.
	P4 notice.Severity `yaml:"p4" enum:"critical|error|warning|info" example:"critical"`
}

// Keys of the receipt.
const (
	receiptKey      = "routing_key"    // name of the routing key that the alert was opened with
	receiptKeyPrint = "routing_key_id" // its fingerprint: a renamed key is still the same key
	receiptDedup    = "dedup_key"
	receiptState    = "state"

	stateOpen     = "open"
	stateResolved = "resolved"
)

// routing is a key in use.
type routing struct {
	name, print string
	key         wire.Secret
}

// Notifier sends to one PagerDuty service. It is immutable and safe for concurrent use.
type Notifier struct {
	client     *wire.Client
	endpoint   string
	keys       []routing // the first opens alerts
	changes    bool
	severities map[string]notice.Severity
	messages   *notice.Messages
}

var (
	_ notice.Notifier  = (*Notifier)(nil)
	_ notice.Previewer = (*Notifier)(nil)
)

var keyShape = regexp.MustCompile(`^[A-Za-z0-9]{32}$`)

// New makes a notifier from its decoded section. The error names every problem.
func New(decode func(any) error) (notice.Notifier, error) {
	var cfg Config
	if err := decode(&cfg); err != nil {
		return nil, err
	}
	n := &Notifier{endpoint: strings.TrimSuffix(cfg.Endpoint, "/")}
	if n.endpoint == "" {
		n.endpoint = DefaultEndpoint
	}
	var errs []error
	u, err := url.Parse(n.endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		errs = append(errs, errors.New("endpoint: not a URL such as "+DefaultEndpoint))
		u = new(url.URL)
	}
	keys, secrets, err := routingKeys(cfg)
	errs = append(errs, err)
	n.keys = keys
	n.severities, err = severities(cfg.Severities)
	errs = append(errs, err)
	n.messages, err = notice.NewMessages(cfg.Templates)
	errs = append(errs, err)
	n.client, err = wire.New("pagerduty", cfg.HTTP, []*url.URL{u}, secrets...)
	errs = append(errs, err)
	if len(keys) > 0 {
		ruleset := strings.HasPrefix(keys[0].key.Reveal(), "R")
		n.changes = !ruleset
		if cfg.Changes != nil {
			n.changes = *cfg.Changes
			if n.changes && ruleset {
				errs = append(errs, errors.New("changes: PagerDuty takes no change events for a ruleset key (it starts with R); use the integration key of a service"))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return n, nil
}

func routingKeys(cfg Config) (keys []routing, secrets []string, err error) {
	all := cfg.RoutingKeys
	if cfg.RoutingKey != "" {
		all = append([]Key{{Key: cfg.RoutingKey}}, all...)
	}
	if len(all) == 0 {
		return nil, nil, errors.New("routing_key: missing; create an \"Events API v2\" integration on the PagerDuty service and put its integration key here")
	}
	var errs []error
	names := map[string]bool{}
	for i, k := range all {
		where := fmt.Sprintf("routing_keys[%d]", i)
		if i == 0 && cfg.RoutingKey != "" {
			where = "routing_key"
		}
		secrets = append(secrets, k.Key)
		if !keyShape.MatchString(k.Key) {
			err := fmt.Errorf("%s: an integration key has 32 letters and digits (got %d characters)", where, len(k.Key))
			if len(k.Key) == 20 { // as long as PagerDuty makes the keys of its REST API
				err = fmt.Errorf("%w; this looks like a key of the REST API, which cannot page: take that of an \"Events API v2\" integration", err)
			}
			errs = append(errs, err)
			continue
		}
		// 32 bits of a digest identify a key among a handful and give nothing of it away.
		sum := sha256.Sum256([]byte(k.Key))
		r := routing{name: k.Name, print: hex.EncodeToString(sum[:4]), key: wire.NewSecret(k.Key)}
		if r.name == "" {
			r.name = "key-" + r.print
		}
		if names[r.name] {
			errs = append(errs, fmt.Errorf("%s: the name %q is used twice", where, r.name))
		}
		names[r.name] = true
		keys = append(keys, r)
	}
	return keys, secrets, errors.Join(errs...)
}

func severities(s Severities) (map[string]notice.Severity, error) {
	all := map[string]notice.Severity{"P1": s.P1, "P2": s.P2, "P3": s.P3, "P4": s.P4}
	for _, p := range []string{"P1", "P2", "P3", "P4"} {
		if v := all[p]; v != "" && !known(v) {
			return nil, fmt.Errorf("severities.%s: want critical, error, warning or info (got %q)", strings.ToLower(p), v)
		}
	}
	return all, nil
}

func known(s notice.Severity) bool {
	switch s {
	case notice.Critical, notice.Error, notice.Warning, notice.Info:
		return true
	}
	return false
}

// Notify implements notice.Notifier. Only a 202 that carries PagerDuty's own words is success; it
// proves that PagerDuty took the event, not that a person was paged. The receipt of an update or a
// change is the prior one.
func (n *Notifier) Notify(ctx context.Context, d notice.Delivery) (notice.Receipt, error) {
	path, key, body, err := n.event(d)
	if err != nil {
		return nil, err
	}
	if path == "" {
		return maps.Clone(d.Prior), nil
	}
	req, err := http.NewRequest(http.MethodPost, n.endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, n.client.Final(notice.ReasonConfig, err)
	}
	req.Header.Set("Content-Type", "application/json")
	reply, err := n.client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := n.verdict(req.URL, reply, d.Notice.Kind); err != nil {
		return nil, err
	}
	if d.Notice.Kind == notice.Change {
		return maps.Clone(d.Prior), nil
	}
	r := notice.Receipt{
		receiptKey: key.name, receiptKeyPrint: key.print,
		receiptDedup: DedupKey(d.Notice.Key), receiptState: stateOpen,
	}
	if d.Notice.Kind == notice.Resolve {
		r[receiptState] = stateResolved
	}
	return r, nil
}

// verdict reads a reply as the contract has it: 202 with {"status":"success","message":"...",
// "dedup_key":"..."}, of which a change event has no key. "throttle exceeded" is no acceptance with
// any status, and a 400 lists what is wrong with the event.
func (n *Notifier) verdict(u *url.URL, reply wire.Reply, kind notice.Kind) error {
	if err := n.client.WebPage(u, reply); err != nil && reply.Status < 300 {
		return err
	}
	var said struct {
		Status  string   `json:"status"`
		Message string   `json:"message"`
		Errors  []string `json:"errors"`
		Dedup   string   `json:"dedup_key"`
	}
	understood := json.Unmarshal(reply.Body, &said) == nil
	if strings.Contains(strings.ToLower(said.Status), "throttle") && reply.Status != http.StatusTooManyRequests {
		return n.client.Retry(notice.ReasonRateLimited, n.client.RetryAfter(reply), fmt.Errorf("%s answered %d, but %s: %s", u.Host, reply.Status, said.Status, said.Message))
	}
	if reply.Status == http.StatusBadRequest && understood && len(said.Errors) > 0 {
		return n.client.Final(notice.ReasonRejected, fmt.Errorf("%s answered 400 %s: %s", u.Host, said.Message,
			n.client.Snippet([]byte(strings.Join(said.Errors, "; ")))))
	}
	if err := n.client.Verdict(u, reply, wire.Rules{Accept: []int{http.StatusAccepted}}); err != nil {
		return err
	}
	if reply.Err != nil { // the key makes a repetition harmless
		return reply.Err
	}
	if said.Status != "success" || said.Dedup == "" && kind != notice.Change {
		return n.client.Retry(notice.ReasonServer, 0, fmt.Errorf("%s answered 202 without the words of an acceptance (status success and a dedup_key): %q", u.Host, n.client.Snippet(reply.Body)))
	}
	return nil
}

// Preview implements notice.Previewer.
func (n *Notifier) Preview(d notice.Delivery) ([]byte, error) {
	path, _, body, err := n.event(d)
	if path == "" && err == nil {
		return []byte("(nothing: PagerDuty is not told of a " + string(d.Notice.Kind) + ")\n"), nil
	}
	return []byte(n.client.Redact(string(body))), err
}

// event renders d: the API path ("" when PagerDuty is not told), the routing key and the body.
func (n *Notifier) event(d notice.Delivery) (path string, key routing, body []byte, err error) {
	switch d.Notice.Kind {
	case notice.Trigger:
		key = n.openingKey(d.Prior)
		body, err = n.alert(d.Notice, "trigger", key)
		return "/v2/enqueue", key, body, err
	case notice.Resolve:
		if key, err = n.resolvingKey(d.Prior); err != nil {
			return "", key, nil, err
		}
		body, err = n.alert(d.Notice, "resolve", key)
		return "/v2/enqueue", key, body, err
	case notice.Change:
		if !n.changes {
			return "", key, nil, nil
		}
		body, err = n.change(d.Notice, n.keys[0])
		return "/v2/change/enqueue", n.keys[0], body, err
	case notice.Update:
		return "", key, nil, nil
	}
	return "", key, nil, n.client.Final(notice.ReasonRejected, fmt.Errorf("unknown kind of notice %q", d.Notice.Kind))
}

// openingKey is the key for a trigger: the one the alert is open under, so that PagerDuty
// recognises the repetition, else the current one.
func (n *Notifier) openingKey(prior notice.Receipt) routing {
	if prior[receiptState] == stateOpen {
		if k, ok := n.find(prior); ok {
			return k
		}
	}
	return n.keys[0]
}

// resolvingKey is the key that the alert was opened with. Without a receipt no trigger was ever
// accepted as far as we know, and the current key is as good as any.
func (n *Notifier) resolvingKey(prior notice.Receipt) (routing, error) {
	if prior[receiptKey] == "" && prior[receiptKeyPrint] == "" {
		return n.keys[0], nil
	}
	if k, ok := n.find(prior); ok {
		return k, nil
	}
	// PagerDuty would answer 202 to a resolve with another key, and drop it. The reason is not
	// ReasonConfig: nothing is wrong with the channel, and other pages must not wait for this.
	return routing{}, n.client.Final(notice.ReasonRejected, fmt.Errorf(
		"the alert was opened with routing key %q, which is no longer configured (or has another value now): resolve it by hand, or list the old key under routing_keys", prior[receiptKey]))
}

func (n *Notifier) find(prior notice.Receipt) (routing, bool) {
	for _, k := range n.keys {
		if k.print == prior[receiptKeyPrint] {
			return k, true
		}
	}
	return routing{}, false
}
