package config

import "time"

// Heartbeat tells a dead-man service outside of this host that recoveryd works.
type Heartbeat struct {
	// Address that is called, of any dead-man service (Healthchecks, Dead Man's Snitch, Cronitor, an
	// Uptime Kuma of your own). It is called only when every target was looked at in time, the journal
	// can be written and some channel can tell people; when the calls stop, the service tells people.
	// Whoever knows the address can keep the service quiet. Empty: nobody outside notices a dead daemon.
	URL Secret `yaml:"url"`
	// Time between two calls. The service should wait for three before it tells people.
	Interval time.Duration `yaml:"interval" default:"1m" want:"min=1s,max=1d"`
	// Regular expression that the body of an answer must match, beside a status of 2xx: a service may
	// answer 200 to an address that it does not know. Empty: the words of Healthchecks ("OK", and not
	// "OK (not found)"), Uptime Kuma ({"ok":true}), Dead Man's Snitch ("Got it, thanks!"), Cronitor,
	// Better Stack, Opsgenie, PagerTree and the like. A web page is never an acceptance.
	Accept string `yaml:"accept"`
	// HTTP method of the call, of which HEAD has no answer to judge. With POST the body is one line about what is watched.
	Method string `yaml:"method" enum:"GET|HEAD|POST" default:"GET"`
	// Time after which a call is given up. It holds nothing else up.
	Timeout time.Duration `yaml:"timeout" default:"10s" want:"min=100ms,max=1m"`
}

// Canary is a marked test incident that proves, again and again, that people can be told.
type Canary struct {
	// Time between two canaries. Each is written to the journal, sent through the outbox and the
	// notifiers as a page of low severity marked as a test, and taken back when every channel has
	// accepted it. A channel that does not is reported through others. 0s: none.
	Every time.Duration `yaml:"every" default:"0s" want:"max=30d"`
	// Notifiers that it is sent through.
	Channels []string `yaml:"channels" want:"nonempty" shown:"every notifier that is not public (statuspage)"`
}
