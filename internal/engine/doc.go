// Package engine is the shell around the decision core: it does, and decides nothing.
//
// One goroutine owns the state and reads one inbox. For every event it asks the core
// (incident.Policy.Step), makes the record durable, and only then carries out its effects. All
// that is slow (looking, acting, collecting evidence) runs elsewhere and posts an event back.
// It knows no concrete platform, notifier or store: the interfaces it needs are in ports.go.
//
// Start reading at [Engine.Run], then handle in loop.go.
package engine
