// Package live remembers the recent looks at every target and tells those who follow what is
// seen and decided, for the status page and for GET /api/v1/events.
//
// It decides nothing and keeps nothing for good: an hour in minutes and a day in quarters, in
// memory, of a size that does not depend on how often targets are looked at. What was not
// measured stays unmeasured, and a time without looks is a gap. It never slows the decision loop
// down: a follower that does not keep up loses events and is told how many.
//
// Start reading at [Feed]; ring.go has the memory, stream.go writes server-sent events.
package live
