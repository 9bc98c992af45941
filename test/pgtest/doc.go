// Package pgtest runs a private PostgreSQL cluster on a free loopback port, with the machine's
// own PostgreSQL programs, in a directory of its own and never as root.
//
// A [Cluster] can be stopped, killed and frozen in the ways that real databases fail. Nothing of
// it outlives the process that started it: the server is told to end by the kernel when that
// process dies. It decides nothing about recoveryd, and never touches another cluster of the host.
//
// Tests call [Start]; programs (the demo) call [StartCluster] and [Cluster.Close]. Start reading
// at [StartCluster].
package pgtest
