// Package escalatetest holds what proves a notifier: a conformance suite that every notifier
// runs ([Run]), and fake vendors that enforce the documented contracts, rejections included
// ([PagerDuty], [Slack], [SMTP], [Statuspage], [Alertmanager], [Webhook]).
//
// A fake accepts only what the vendor's documentation accepts, and behaves towards its user as
// the vendor does: PagerDuty answers 202 to a resolve that it then drops, Slack answers 200 to a
// refusal. What arrived, and what became of it, is in its [Log]; [Fault] makes it fail. The fakes
// serve tests in this process and, through cmd/fakevendors, a daemon beside it. They are never
// part of the daemon.
//
// Start reading at [Case], then [Fault], then pagerduty.go.
package escalatetest
