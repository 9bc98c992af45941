// Package builtin lists the notifiers that recoveryd is built with, by the name that the
// configuration uses. The list is explicit: what is not in it does not exist.
//
// Start reading at [All].
package builtin

import (
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/escalate/alertmanager"
	"github.com/recoveryd/recoveryd/pkg/escalate/command"
	"github.com/recoveryd/recoveryd/pkg/escalate/email"
	"github.com/recoveryd/recoveryd/pkg/escalate/log"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/pagerduty"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/escalate/slack"
	"github.com/recoveryd/recoveryd/pkg/escalate/statuspage"
	"github.com/recoveryd/recoveryd/pkg/escalate/webhook"
)

// New makes a notifier from its section of the configuration: decode fills the notifier's own
// struct strictly, with every secret resolved to plain text, and the error names every problem.
type New = func(decode func(any) error) (notice.Notifier, error)

// All returns the constructors by type name. The logger is for the type "log" only.
func All(logger *zap.Logger) map[string]New {
	return map[string]New{
		"alertmanager": alertmanager.New,
		"command":      command.New,
		"email":        email.New,
		"log":          log.New(logger),
		"pagerduty":    pagerduty.New,
		"slack":        slack.New,
		"statuspage":   statuspage.New,
		"webhook":      webhook.New,
	}
}

// Configs are the structs that the types read their sections into, for whoever documents their keys.
func Configs() map[string]any {
	return map[string]any{
		"alertmanager": alertmanager.Config{},
		"command":      command.Config{},
		"email":        email.Config{},
		"log":          log.Config{},
		"pagerduty":    pagerduty.Config{},
		"slack":        slack.Config{},
		"statuspage":   statuspage.Config{},
		"webhook":      webhook.Config{},
	}
}

// Threaded reports whether a type keeps one conversation per incident: its channels are told of
// later tiers under the key of the first, and show the rise themselves.
func Threaded(name string) bool { return name == "slack" }

// Reach says what a notice of a type does to people. Of what is behind a webhook, a program or an
// Alertmanager recoveryd knows nothing: it may wake somebody.
func Reach(name string) queue.Reach {
	switch name {
	case "slack", "email":
		return queue.Waits
	case "log":
		return queue.Records
	default:
		return queue.Wakes
	}
}

// Vendor names who delivers for all channels of a type, so that they fail together; "" where each
// has a server of its own.
func Vendor(name string) string {
	switch name {
	case "pagerduty", "slack", "statuspage":
		return name
	default:
		return ""
	}
}
