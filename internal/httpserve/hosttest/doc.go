// Package hosttest is a host for tests of what is shown: six targets, looked at and treated by the
// real core (incident.Policy.Step) in a time of its own. What a test sees on a page, in a stream
// or as a metric is therefore what the daemon would have decided, not what the test made up.
//
// It performs no action and asks nothing: facts are set by the test, and an action does to them
// what the test says. Start reading at [New] and [Host.Run]; facts.go has the states of a target.
package hosttest
