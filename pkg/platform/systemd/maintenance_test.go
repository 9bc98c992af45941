package systemd

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFindLock(t *testing.T) {
	const locks = `1: FLOCK  ADVISORY  WRITE 8045 fe:00:399754 0 EOF
2: POSIX  ADVISORY  READ 7987 fe:00:100 0 EOF
3: POSIX  ADVISORY  WRITE 4711 fe:00:200 0 EOF
3: -> POSIX  ADVISORY  WRITE 4712 fe:00:300 0 EOF
4: OFDLCK ADVISORY  WRITE -1 00:28:400 0 EOF
`
	tests := []struct {
		name  string
		inode string
		pid   int
		held  bool
	}{
		{"a write lock", "fe:00:200", 4711, true},
		{"a read lock is no package manager at work", "fe:00:100", 0, false},
		{"somebody who only waits holds nothing", "fe:00:300", 0, false},
		{"a lock without a process number", "00:28:400", -1, true},
		{"the same inode number on another device", "fe:01:200", 0, false},
		{"an inode number that begins alike", "fe:00:20", 0, false},
		{"no lock", "fe:00:500", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pid, held := findLock([]byte(locks), []string{"00:01:1", tt.inode})
			require.Equal(t, tt.held, held)
			require.Equal(t, tt.pid, pid)
		})
	}
}

func TestDeviceOf(t *testing.T) {
	const mountinfo = `100 80 0:40 / / rw,relatime shared:1 - overlay overlay rw
101 100 254:0 /x /var/lib rw - ext4 /dev/vda rw
102 100 254:1 / /var/lib/dpkgs rw - ext4 /dev/vdb rw
103 101 254:2 / /srv rw - ext4 /dev/vdc rw
104 101 254:3 / /srv rw - ext4 /dev/vdd rw
`
	tests := []struct {
		name, path   string
		major, minor uint32
	}{
		{"below the longest mount point", "/var/lib/dpkg/lock", 254, 0},
		{"a mount point that only begins alike does not count", "/var/lib/dpkgs/lock", 254, 1},
		{"elsewhere: the root", "/etc/passwd", 0, 40},
		{"of two mounts on one point the later", "/srv/x", 254, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			major, minor, ok := deviceOf([]byte(mountinfo), tt.path)
			require.True(t, ok)
			require.Equal(t, []uint32{tt.major, tt.minor}, []uint32{major, minor})
		})
	}
	_, _, ok := deviceOf(nil, "/etc")
	require.False(t, ok)
}
