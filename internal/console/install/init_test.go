package install

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/console"
)

func TestInitReplacesNothingButTheUntouchedPackagedConfiguration(t *testing.T) {
	packaged, err := os.ReadFile("../../../configs/default.yaml")
	require.NoError(t, err)
	for _, c := range []struct {
		name, text string
		may        bool
	}{
		{"none yet", "", true},
		{"the packaged one", string(packaged), true},
		{"the packaged one, with a line end more", string(packaged) + "\n", true},
		{"one's own", "version: 1\n", false},
		{"the packaged one, and a notifier was added", string(packaged) + "\nnotifiers: [{name: x, type: log}]\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "recoveryd.yaml")
			if c.text != "" {
				require.NoError(t, os.WriteFile(file, []byte(c.text), 0o644))
			}
			err := (&cli{&console.Console{Config: file}}).mayWrite()
			require.Equal(t, c.may, err == nil, "%v", err)
			if !c.may {
				require.ErrorContains(t, err, "--stdout", "it says what to do")
			}
		})
	}
}
