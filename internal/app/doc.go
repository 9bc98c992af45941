// Package app puts the parts of recoveryd together and takes them apart again.
//
// It decides nothing about targets: it turns one checked configuration into a policy, lookers,
// platform adapters, notifiers, a journal and servers, starts them in order and stops them in
// reverse. The daemon, `validate` and `check` share the same building functions, so what
// validates also starts.
//
// Start reading at [New] and [App.Run] in app.go; policy.go and lookers.go translate the
// configuration.
package app
