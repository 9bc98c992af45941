package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/slack-go/slack"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// webhook is the notifier that uses an incoming webhook: one message per notice.
type webhook struct {
	client *wire.Client
	url    wire.Secret
	render renderer
	quiet  bool
}

var (
	_ notice.Notifier  = (*webhook)(nil)
	_ notice.Previewer = (*webhook)(nil)
)

// Notify implements notice.Notifier. The receipt is empty: a webhook gives nothing back.
func (h *webhook) Notify(ctx context.Context, d notice.Delivery) (notice.Receipt, error) {
	if h.quiet && d.Notice.Kind == notice.Update {
		return nil, nil
	}
	refusal, err := h.post(ctx, h.message(d.Notice))
	if tooMuch(refusal) {
		_, err = h.post(ctx, slack.WebhookMessage{Text: h.render.mentioned(d.Notice, h.render.plain(d.Notice))})
	}
	return nil, err
}

func (h *webhook) message(n notice.Notice) slack.WebhookMessage {
	unfurl := false
	switch n.Kind {
	case notice.Update, notice.Change:
		text := escape(icon(n)+" "+h.render.messages.Title(n), maxText/2) + "\n" + escape(h.render.messages.Step(n), maxText/2)
		return slack.WebhookMessage{Text: text, UnfurlLinks: &unfurl, UnfurlMedia: &unfurl}
	}
	blocks, text := h.render.state(n)
	if h.render.mention != "" && n.Kind == notice.Trigger {
		line := slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, h.render.mention, false, false), nil, nil)
		blocks = append([]slack.Block{line}, blocks...)
	}
	return slack.WebhookMessage{
		Text: h.render.mentioned(n, text), Blocks: &slack.Blocks{BlockSet: blocks},
		UnfurlLinks: &unfurl, UnfurlMedia: &unfurl,
	}
}

// post sends m and returns, beside the error, the one word by which a webhook refuses.
func (h *webhook) post(ctx context.Context, m slack.WebhookMessage) (refusal string, err error) {
	body, err := json.Marshal(m)
	if err != nil {
		return "", h.client.Final(notice.ReasonRejected, fmt.Errorf("encode message: %w", err))
	}
	req, err := http.NewRequest(http.MethodPost, h.url.Reveal(), bytes.NewReader(body))
	if err != nil {
		return "", h.client.Final(notice.ReasonConfig, err)
	}
	req.Header.Set("Content-Type", "application/json")
	reply, err := h.client.Do(ctx, req)
	if err != nil {
		return "", err
	}
	if err := h.client.Verdict(req.URL, reply, wire.Rules{Accept: []int{http.StatusOK}}); err != nil {
		return strings.TrimSpace(string(reply.Body)), err
	}
	if reply.Err != nil {
		return "", reply.Err
	}
	if strings.TrimSpace(string(reply.Body)) != "ok" {
		return "", h.client.Retry(notice.ReasonServer, 0, fmt.Errorf("%s://%s did not answer \"ok\" as Slack does: %q", req.URL.Scheme, req.URL.Host, h.client.Snippet(reply.Body)))
	}
	return "", nil
}

// Preview implements notice.Previewer.
func (h *webhook) Preview(d notice.Delivery) ([]byte, error) {
	return json.MarshalIndent(h.message(d.Notice), "", "  ")
}
