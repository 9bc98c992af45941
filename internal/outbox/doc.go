// Package outbox delivers the notices that wait in the journal. It is the shell around the rules
// of package escalate: it stores what they say, calls the notifiers, and stores what became of it.
//
// It never decides what is sent or when; that is queue.OutboxRules. One goroutine owns all
// state ([Outbox.Run]); each channel has at most one call under way, in a goroutine of its own,
// so that a channel which hangs delays no other.
//
// Delivery is at least once. An attempt is stored before the notifier is called, and its end
// before the next one begins; if the daemon dies in between, the same notice is sent once more
// with the same ID and Key, which the vendors take for the same alert. When the journal cannot
// be written, notices still leave: a page about a full disk must not wait for room on it.
//
// Start reading at [Options], then schedule.go for one turn of the loop.
package outbox
