package drill

import "fmt"

// Memory is what is known about the memory of a target and of its host, in bytes; Full is the share
// of the limit at which memory is the problem.
type Memory struct {
	Limit, Current      uint64
	Full                float64
	HostTotal, HostFree uint64 // MemTotal and MemAvailable
}

// hostLeft is the share of the host's memory that a drill leaves available, and hostLeast the least:
// a host that swaps or kills is no drill of one target any more.
const (
	hostLeft  = 0.25
	hostLeast = 512 << 20
)

// Amount is how much fill-memory allocates: enough to reach the middle between the share that
// counts as full and the limit itself, so that the kernel has no reason to kill anybody.
func (m Memory) Amount() (uint64, error) {
	if m.Limit == 0 {
		return 0, fmt.Errorf("no memory limit is known: give the unit MemoryMax=, or the target memory.limit")
	}
	goal := uint64(float64(m.Limit) * (m.Full + (1-m.Full)/2))
	if m.Full >= 1 || goal >= m.Limit {
		return 0, fmt.Errorf("memory.full is %g: it would be full only where the kernel begins to kill", m.Full)
	}
	if m.Current >= goal {
		return 0, fmt.Errorf("its memory is nearly full already (%d of %d MiB)", m.Current>>20, m.Limit>>20)
	}
	want := goal - m.Current
	left := max(uint64(float64(m.HostTotal)*hostLeft), hostLeast)
	if m.HostFree < want+left {
		return 0, fmt.Errorf("the host has %d MiB available, and %d MiB would be taken: less than %d MiB would be left", m.HostFree>>20, want>>20, left>>20)
	}
	return want, nil
}

// Sessions is what is known about the sessions at a database.
type Sessions struct {
	Limit     int // pool.sessions of the target
	Present   int // of its application now
	Used, Max int // of everybody, and max_connections
	Reserved  int // by PostgreSQL itself, for superusers and others
	Reserve   int // drills.reserve
}

// Amount is how many sessions fill-pool opens: two more than the target may have, and never so many
// that fewer than the reserve are left for everybody else.
func (s Sessions) Amount() (int, error) {
	if s.Limit <= 0 {
		return 0, fmt.Errorf("sessions from outside do not fill the service's own pool: set pool.sessions of the target, from which on its sessions at the database count as used up")
	}
	want := s.Limit - s.Present + 2
	if want <= 2 {
		return 0, fmt.Errorf("it has %d sessions already, and %d count as used up", s.Present, s.Limit)
	}
	if left := s.Max - s.Reserved - s.Used - want; left < s.Reserve {
		return 0, fmt.Errorf("%d sessions would be opened, and only %d be left free at the database (drills.reserve is %d)", want, left, s.Reserve)
	}
	return want, nil
}
