package residency

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const smaps = `00400000-018a4000 r-xp 00000000 fe:00 396                        /usr/bin/recoveryd
Size:              21136 kB
Rss:               12000 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
Locked:                0 kB
018a4000-02d48000 r--p 014a4000 fe:00 396                        /usr/bin/recoveryd
Private_Dirty:      2044 kB
Anonymous:             0 kB
02d48000-02e48000 r--p 029a0000 fe:00 396                        /usr/bin/recoveryd
Private_Dirty:        80 kB
Anonymous:             8 kB
02e48000-02f10000 rw-p 02a00000 fe:00 396                        /usr/bin/recoveryd
Private_Dirty:       120 kB
c000000000-c000800000 rw-p 00000000 00:00 0 
Private_Dirty:      4000 kB
7f0000000000-7f0000100000 r--p 00000000 fe:00 397                        /etc/recoveryd
Private_Dirty:         0 kB
7fff00000000-7fff00001000 r-xp 00000000 00:00 0                          [vdso]
Private_Dirty:         0 kB
`

func TestOnlyReadOnlyPagesThatEqualTheFileAreGivenBack(t *testing.T) {
	require.Equal(t, []span{{0x400000, 0x18a4000}, {0x18a4000, 0x2d48000}}, cleanSpans(strings.NewReader(smaps), "/usr/bin/recoveryd"),
		"what was written to (relocated) would be lost; other files and memory are not ours to drop")
}

func TestTheProgramGoesOnAfterItGaveBackItsPages(t *testing.T) {
	exe, err := os.Readlink("/proc/self/exe")
	require.NoError(t, err)
	require.NotEmpty(t, spans(t, exe), "there is something to give back")
	require.NoError(t, Trim())
	require.NotEmpty(t, spans(t, exe), "it is mapped still, and its code runs")
}

func spans(t *testing.T, exe string) []span {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	require.NoError(t, err)
	defer f.Close()
	return cleanSpans(f, exe)
}
