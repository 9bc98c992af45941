// Package page is the status page: what is watched, what is wrong, what recoveryd does about it
// and why, for a person on a phone at night as much as for one at a desk.
//
// It shows and never changes anything: there is no form and no button, and every answer is to a
// GET. It is complete without JavaScript (it then reloads itself) and without a network: style,
// script and icon are in the binary, and the content security policy allows nothing else. Every
// text that came from outside (a service's reply, a process name, a person's reason) is escaped
// by html/template; nothing is marked as safe.
//
// Start reading at [New]; view.go turns the state into what is shown, templates/ has the HTML,
// stream.go sends the parts that changed.
package page
