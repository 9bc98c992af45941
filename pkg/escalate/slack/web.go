package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// Keys of the receipt.
const (
	receiptChannel = "channel" // the channel's id: an edit takes no name
	receiptTS      = "ts"      // the parent message
	receiptTier    = "tier"    // the highest tier that was broadcast
	receiptStatus  = "status"
	receiptAsked   = "asked"  // the channel as the configuration named it then
	receiptFormer  = "former" // channel/ts of a message that is left in a former channel
)

// web is the notifier that uses the Web API.
type web struct {
	client  *wire.Client
	api     *slack.Client
	base    *url.URL
	channel string
	render  renderer
}

var (
	_ notice.Notifier  = (*web)(nil)
	_ notice.Previewer = (*web)(nil)
)

func newWeb(client *wire.Client, cfg Config, render renderer) *web {
	base := strings.TrimSuffix(cfg.APIURL, "/") + "/"
	u, err := url.Parse(base)
	if err != nil {
		u = new(url.URL) // New has parsed it before
	}
	return &web{
		client: client, base: u, channel: cfg.Channel, render: render,
		// No retry option: the outbox owns every retry.
		api: slack.New(cfg.Token, slack.OptionAPIURL(base), slack.OptionHTTPClient(transport{client, u})),
	}
}

// String keeps the token, which the library holds as a plain string, out of every print.
func (w *web) String() string { return "slack channel " + w.channel }

// GoString does the same for %#v.
func (w *web) GoString() string { return w.String() }

// Notify implements notice.Notifier. An edit comes before the reply in the thread: it may be
// repeated without harm when the reply fails and the whole notice is tried again. When the message,
// its thread or its channel is gone, a new message in the configured channel takes its place.
func (w *web) Notify(ctx context.Context, d notice.Delivery) (notice.Receipt, error) {
	n := d.Notice
	channel, ts := d.Prior[receiptChannel], d.Prior[receiptTS]
	if n.Kind == notice.Change {
		return w.record(ctx, d)
	}
	if ts == "" || channel == "" {
		return w.open(ctx, n)
	}
	if n.Kind == notice.Resolve && d.Prior[receiptStatus] == string(notice.Resolved) {
		return maps.Clone(d.Prior), nil // each tier is resolved, and all of them are this one message
	}
	if asked := d.Prior[receiptAsked]; asked != "" && asked != w.channel && n.Kind == notice.Trigger {
		_ = w.edit(ctx, n, channel, ts) // people look elsewhere by now: nobody needs to be woken here
		r, err := w.open(ctx, n)
		if err == nil {
			r[receiptFormer] = channel + "/" + ts
		}
		return r, err
	}
	switch err := w.edit(ctx, n, channel, ts); {
	case err == nil, code(err) == "edit_window_closed", code(err) == "cant_update_message":
		// Where the workspace forbids the edit, the thread has the state.
	case gone(err):
		return w.open(ctx, n)
	default:
		return nil, err
	}
	told, _ := strconv.Atoi(d.Prior[receiptTier])
	broadcast := n.Kind == notice.Trigger && n.Tier > told
	text := w.render.step(n)
	options := []slack.MsgOption{slack.MsgOptionTS(ts)}
	if broadcast {
		text = "Escalated to tier " + strconv.Itoa(n.Tier) + why(n) + ". " + text
		options = append(options, slack.MsgOptionBroadcast())
	}
	if n.Kind == notice.Trigger {
		text = w.render.mentioned(n, text)
	}
	if _, _, err := w.post(ctx, channel, text, nil, options...); gone(err) {
		return w.open(ctx, n)
	} else if err != nil {
		return nil, err
	}
	r := maps.Clone(d.Prior)
	r[receiptStatus], r[receiptTier] = string(n.Status), strconv.Itoa(max(told, n.Tier))
	if old, oldTS, left := strings.Cut(d.Prior[receiptFormer], "/"); left && n.Kind == notice.Resolve {
		_ = w.edit(ctx, n, old, oldTS) // where some were told first; the all-clear itself has been said
	}
	return r, nil
}

// gone reports whether a refusal is about the message, thread or channel of an earlier notice, so
// that another place may still take this one: it is deleted, archived, out of the bot's reach, or
// too old. A token that is refused and a text that is too long are refused everywhere.
func gone(err error) bool {
	f, final := errors.AsType[*notice.FinalError](err)
	return final && f.Reason != notice.ReasonAuth && code(err) != "" && !tooMuch(code(err))
}

// why says who is told besides, and why now; "" when the notice does not say.
func why(n notice.Notice) string {
	var out string
	who := n.With // the chat itself is no news in the chat
	if len(who) == 0 {
		who = n.To
	}
	if len(who) > 0 {
		out = ": " + escape(notice.OneLine(strings.Join(who, ", ")), 300) + " told"
	}
	if n.Because != "" {
		out += ", because " + escape(notice.OneLine(n.Because), 300)
	}
	return out
}

// open posts a parent message.
func (w *web) open(ctx context.Context, n notice.Notice) (notice.Receipt, error) {
	blocks, text := w.render.state(n)
	text = w.render.mentioned(n, text)
	channel, ts, err := w.post(ctx, w.channel, text, w.withMention(n, blocks))
	if tooMuch(code(err)) {
		channel, ts, err = w.post(ctx, w.channel, w.render.mentioned(n, w.render.plain(n)), nil)
	}
	if err != nil {
		return nil, err
	}
	return notice.Receipt{
		receiptChannel: channel, receiptTS: ts, receiptAsked: w.channel,
		receiptTier: strconv.Itoa(n.Tier), receiptStatus: string(n.Status),
	}, nil
}

// withMention adds a line that notifies: a mention in the fallback text alone does not.
func (w *web) withMention(n notice.Notice, blocks []slack.Block) []slack.Block {
	if w.render.mention == "" || n.Kind != notice.Trigger {
		return blocks
	}
	line := slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, w.render.mention, false, false), nil, nil)
	return append([]slack.Block{line}, blocks...)
}

// edit brings the parent message to the current state. The mention stays out: an edit notifies
// nobody, and the message should read the same.
func (w *web) edit(ctx context.Context, n notice.Notice, channel, ts string) error {
	blocks, text := w.render.state(n)
	_, _, _, err := w.api.UpdateMessageContext(ctx, channel, ts,
		slack.MsgOptionText(text, false), slack.MsgOptionBlocks(blocks...))
	if tooMuch(code(err)) {
		// An edit without blocks would keep the old ones; an empty list clears them.
		_, _, _, err = w.api.UpdateMessageContext(ctx, channel, ts,
			slack.MsgOptionText(w.render.plain(n), false), slack.MsgOptionBlocks())
	}
	return w.classified(err)
}

// record notes a cure that worked: in the thread when there is one, else as a message of one line.
func (w *web) record(ctx context.Context, d notice.Delivery) (notice.Receipt, error) {
	text := escape(icon(d.Notice)+" "+w.render.messages.Title(d.Notice), maxText)
	channel := w.channel
	var options []slack.MsgOption
	if ts := d.Prior[receiptTS]; ts != "" {
		channel = d.Prior[receiptChannel]
		options = append(options, slack.MsgOptionTS(ts))
	}
	_, _, err := w.post(ctx, channel, text, nil, options...)
	if len(options) > 0 && gone(err) {
		_, _, err = w.post(ctx, w.channel, text, nil)
	}
	if err != nil {
		return nil, err
	}
	return maps.Clone(d.Prior), nil
}

// post posts a message and insists on the ts that Slack gives to what it really took.
func (w *web) post(ctx context.Context, channel, text string, blocks []slack.Block, options ...slack.MsgOption) (id, ts string, err error) {
	options = append(options, slack.MsgOptionText(text, false), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl())
	if len(blocks) > 0 {
		options = append(options, slack.MsgOptionBlocks(blocks...))
	}
	id, ts, err = w.api.PostMessageContext(ctx, channel, options...)
	if err != nil {
		return "", "", w.classified(err)
	}
	if id == "" || ts == "" {
		return "", "", w.client.Retry(notice.ReasonServer, 0, errors.New("ok without channel and ts: not an answer of chat.postMessage"))
	}
	return id, ts, nil
}

// classified passes on what transport has classed, and treats anything else the library says as
// a reply that was not understood.
func (w *web) classified(err error) error {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*notice.RetryError](err); ok {
		return r
	}
	if f, ok := errors.AsType[*notice.FinalError](err); ok {
		return f
	}
	return w.client.Retry(notice.ReasonServer, 0, err)
}

// Preview implements notice.Previewer: the blocks and text of the parent message.
func (w *web) Preview(d notice.Delivery) ([]byte, error) {
	blocks, text := w.render.state(d.Notice)
	return json.MarshalIndent(map[string]any{
		"channel": w.channel, "text": w.render.mentioned(d.Notice, text),
		"blocks": w.withMention(d.Notice, blocks), "thread": w.render.step(d.Notice),
	}, "", "  ")
}

// apiError is a refusal in a reply with status 200.
type apiError struct{ code string }

// Error implements error.
func (e *apiError) Error() string {
	if hint := hints(e.code); hint != "" {
		return fmt.Sprintf("refused: %s (%s)", e.code, hint)
	}
	return "refused: " + e.code
}

// code returns Slack's word for a refusal, "" for any other error.
func code(err error) string {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.code
	}
	return ""
}

// tooMuch reports whether a refusal is about the form of the message: plain text may still pass.
func tooMuch(refusal string) bool {
	switch refusal {
	case "msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format":
		return true
	}
	return false
}

// transport is the library's HTTP client: it bounds, classifies and redacts, so that the library
// only ever sees replies that say ok.
type transport struct {
	client *wire.Client
	base   *url.URL
}

// Do makes the exchange and returns a reply only when it is a complete ok:true.
func (t transport) Do(req *http.Request) (*http.Response, error) {
	reply, err := t.client.Do(req.Context(), req)
	if err != nil {
		return nil, err
	}
	if err := t.client.Verdict(t.base, reply, wire.Rules{Accept: []int{http.StatusOK}}); err != nil {
		return nil, err
	}
	if reply.Err != nil {
		return nil, reply.Err
	}
	var said struct {
		OK    *bool  `json:"ok"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(reply.Body, &said); err != nil || said.OK == nil || (!*said.OK && said.Error == "") {
		return nil, t.client.Retry(notice.ReasonServer, 0, fmt.Errorf("%s://%s did not answer as Slack does: %q", t.base.Scheme, t.base.Host, t.client.Snippet(reply.Body)))
	}
	if !*said.OK {
		refusal := &apiError{code: notice.Cut(notice.OneLine(said.Error), 80)}
		retry, reason := classify(said.Error)
		if retry {
			return nil, t.client.Retry(reason, t.client.RetryAfter(reply), refusal)
		}
		return nil, t.client.Final(reason, refusal)
	}
	return &http.Response{
		StatusCode: reply.Status, Status: http.StatusText(reply.Status), Header: reply.Header,
		Body: io.NopCloser(bytes.NewReader(reply.Body)), Request: req,
	}, nil
}
