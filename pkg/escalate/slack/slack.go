// Package slack tells a Slack channel about incidents.
//
// With a bot token it keeps one parent message per key, edited to the incident's current state
// (Investigating, Identified, Monitoring, Resolved), the steps in its thread, and only a rise to
// a further tier broadcast to the channel. With an incoming webhook, which can neither edit nor
// thread, it posts one message per notice. It never retries, never mentions anybody that the
// configuration does not name (texts are escaped), and posts before it would lose: when a message
// can no longer be edited it writes a new one.
//
// Start reading at [Config], then web.go; webhook.go is the simple way; render.go is the text.
package slack

import (
	"errors"
	"net/url"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// DefaultAPIURL is the Web API.
const DefaultAPIURL = "https://slack.com/api"

// Config is a channel's section: either webhook_url, or token and channel.
type Config struct {
	// Token is a bot token (xoxb-...) with the scope chat:write.
	Token string `yaml:"token" secret:"true"`
	// Channel is the id (C0123...) or the name of the channel; the bot must be a member of it.
	Channel string `yaml:"channel" example:"C0123456789"`
	// WebhookURL is an incoming webhook's address; all of it is secret.
	WebhookURL string `yaml:"webhook_url" secret:"true"`
	// APIURL is the base of the Web API. Empty: DefaultAPIURL.
	APIURL string `yaml:"api_url" shown:"https://slack.com/api"`
	// Mention is put before every trigger, as Slack writes it: "<!here>", "<@U0123>",
	// "<!subteam^S0123>". Empty mentions nobody.
	Mention string `yaml:"mention" example:"<!here>"`
	// Quiet leaves updates out with a webhook, where each is a message of its own.
	Quiet bool `yaml:"quiet" example:"true"`
	// Templates overrides texts: title is the heading, step the line in the thread.
	Templates notice.Templates `yaml:"templates"`
	// HTTP says how Slack is reached.
	HTTP wire.Config `yaml:"http"`
}

// New makes a notifier from its decoded section. The error names every problem.
func New(decode func(any) error) (notice.Notifier, error) {
	var cfg Config
	if err := decode(&cfg); err != nil {
		return nil, err
	}
	var errs []error
	hook := cfg.WebhookURL != ""
	switch {
	case hook && (cfg.Token != "" || cfg.Channel != ""):
		errs = append(errs, errors.New("webhook_url: set either this, or token and channel"))
	case hook:
		if u, err := url.Parse(cfg.WebhookURL); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
			errs = append(errs, errors.New("webhook_url: not a URL such as https://hooks.slack.com/services/T0/B0/secret"))
		}
	case cfg.Token == "":
		errs = append(errs, errors.New("token: missing; create a Slack app with a bot token (scope chat:write), or use webhook_url"))
	case cfg.Channel == "":
		errs = append(errs, errors.New("channel: missing; the id (or name) of the channel that the bot was invited to"))
	}
	if cfg.APIURL == "" {
		cfg.APIURL = DefaultAPIURL
	}
	api, err := url.Parse(cfg.APIURL)
	if err != nil || api.Host == "" || (api.Scheme != "https" && api.Scheme != "http") {
		errs = append(errs, errors.New("api_url: not a URL such as "+DefaultAPIURL))
	}
	if m := cfg.Mention; m != "" && (!strings.HasPrefix(m, "<") || !strings.HasSuffix(m, ">")) {
		errs = append(errs, errors.New(`mention: write it as Slack does: "<!here>", "<@U0123>" or "<!subteam^S0123>"`))
	}
	messages, err := notice.NewMessages(cfg.Templates)
	errs = append(errs, err)
	place := api
	if hook {
		place, _ = url.Parse(cfg.WebhookURL) // told above
	}
	client, err := wire.New("slack", cfg.HTTP, []*url.URL{place}, secretsOf(cfg)...)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	render := renderer{messages: messages, mention: cfg.Mention}
	if hook {
		return &webhook{client: client, url: wire.NewSecret(cfg.WebhookURL), render: render, quiet: cfg.Quiet}, nil
	}
	return newWeb(client, cfg, render), nil
}

// secretsOf lists the token, the webhook's address and its path alone: an error may carry either.
func secretsOf(cfg Config) []string {
	secrets := []string{cfg.Token, cfg.WebhookURL}
	if u, err := url.Parse(cfg.WebhookURL); err == nil {
		secrets = append(secrets, u.Path, u.RequestURI())
		for part := range strings.SplitSeq(u.Path, "/") {
			if len(part) >= 16 { // the last part is the real secret
				secrets = append(secrets, part)
			}
		}
	}
	return secrets
}
