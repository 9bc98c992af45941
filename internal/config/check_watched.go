package config

import (
	"fmt"
	"regexp"
	"time"
)

// publicType is the notifier type that outsiders read: tests have no place there.
const publicType = "statuspage"

// canaryMin is the shortest time between two canaries: a channel must have time to fail.
const canaryMin = time.Minute

// watched judges how the watcher itself is watched.
func (k *checker) watched() {
	h := k.c.Heartbeat
	if h.URL.IsSet() && !isURL(h.URL.Reveal()) { // not quoted: it may be nearly the right one
		k.fail(Problem{Path: "heartbeat.url", What: "is no address", Want: formWants["url"]})
	}
	if h.Timeout > h.Interval && k.sound("heartbeat.interval") {
		k.fail(Problem{Path: "heartbeat.timeout", What: "is longer than the interval", Got: writeDuration(h.Timeout), Want: "at most " + writeDuration(h.Interval)})
	}
	if _, err := regexp.Compile(h.Accept); err != nil {
		k.fail(Problem{Path: "heartbeat.accept", What: "is no regular expression: " + err.Error(), Got: h.Accept, Want: `a pattern such as ^OK$`})
	}
	c := k.c.Canary
	if c.Every > 0 && c.Every < canaryMin {
		k.fail(Problem{Path: "canary.every", What: "is too often", Got: writeDuration(c.Every), Want: "0s, or at least " + writeDuration(canaryMin)})
	}
	k.eachAmong("canary.channels", "notifier", c.Channels, k.notifierNames())
	for i, name := range c.Channels {
		for _, n := range k.c.Notifiers {
			if n.Name == name && n.Type == publicType {
				k.fail(Problem{Path: k.source.item("canary.channels", i), What: "is read by outsiders, who would see the test", Got: fmt.Sprintf("%q", name), Hint: "leave it out; try it with: recoveryd notify test --channel " + name})
			}
		}
	}
	if c.Every > 0 && len(k.c.Notifiers) == 0 && k.sound("notifiers") {
		k.fail(Problem{Path: "canary.every", What: "asks for a test of the channels, and there is no channel", Hint: "add a notifier, or remove it"})
	}
}
