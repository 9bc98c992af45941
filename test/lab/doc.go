// Package lab starts disposable machines for tests: a real systemd, D-Bus, polkit and PostgreSQL,
// and the two MCP servers, in a systemd-nspawn container with a network of its own.
//
// A lab takes about three seconds to start and leaves nothing behind: its root file system is a
// cached directory under a temporary layer in memory, and a lab whose test was killed is ended by
// the kernel and removed when the next one starts. Labs do not see each other, so tests may run in
// parallel. The package decides nothing about recoveryd and needs nothing of the testing package;
// tests use labtest, people use cmd/lab.
//
// It needs root and Linux. [Supported] tells what is missing; [Probe] tells what the kernel offers
// to the labs. Start reading at [Start].
package lab
