// Package onhost brings a drill's fault about and takes it back: by systemd over D-Bus, by sessions
// at a database, by memory within the target's control group.
//
// It decides nothing. What must be undone is written down and a guard is started before anything is
// done: a transient unit that watches the process of the drill and, however that ends, has systemd
// run the undoing. Undoing twice is harmless, and never touches a later run of the target's unit.
//
// Start reading at [Hands].
package onhost
