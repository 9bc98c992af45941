// Package httpserve answers requests: metrics, liveness, readiness and the read-only API over
// TCP, and the same plus a person's commands over a unix socket.
//
// It never decides and never acts: a command becomes an event for the core, whose record is the
// answer. Nothing can be changed over TCP. On the unix socket the peer's credentials are checked:
// only root and the daemon's own user are listened to.
//
// Start reading at [New] and [Server.routes]; control.go has the commands.
package httpserve
