// Package discover finds what is worth watching on a host, and writes a configuration for it.
//
// [Look] asks systemd for the running services, the process table for who listens where and who is
// connected to whom, and servers that look like MCP servers for their health, as the daemon would.
// It changes nothing. [Found.Config] is pure: it writes the commented configuration, in mode
// observe, so that nothing is acted on before a person has read it. What could not be understood is
// listed in comments and never guessed at.
//
// Start reading at [Found], then write.go.
package discover
