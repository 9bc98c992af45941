// Package cgroup knows where a host keeps its control groups: in one hierarchy (cgroup v2), in one for
// each controller (v1), or in both (hybrid hosts).
//
// It reads a table of mounts and nothing else, and decides nothing. There is one function: [Parse].
package cgroup

import "strings"

// Mounts are where the hierarchies are mounted; "" = this host has none.
type Mounts struct {
	Unified string // cgroup2: the whole tree on a v2 host, systemd's own part of it on a hybrid one
	Memory  string // the memory controller of v1
	Systemd string // systemd's own of v1 (name=systemd)
}

// Parse reads a table of mounts, as /proc/self/mounts is.
func Parse(table string) (m Mounts) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line) // source, mount point, type, options
		if len(f) < 4 {
			continue
		}
		opts := "," + f[3] + ","
		switch {
		case f[2] == "cgroup2" && m.Unified == "":
			m.Unified = f[1]
		case f[2] == "cgroup" && strings.Contains(opts, ",memory,"):
			m.Memory = f[1]
		case f[2] == "cgroup" && strings.Contains(opts, ",name=systemd,"):
			m.Systemd = f[1]
		}
	}
	return m
}
