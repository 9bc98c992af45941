package strictyaml

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestReaderAndStructMustAgree proves the second net: a value that the reader lets through and the
// struct does not have is refused by the decoder.
func TestReaderAndStructMustAgree(t *testing.T) {
	var got struct {
		Timeout time.Duration `yaml:"timeout"`
	}
	require.ErrorContains(t, Fill(map[string]any{"timeout": time.Second, "colour": "red"}, &got), "colour")
	require.Error(t, Fill(map[string]any{"timeout": "1s"}, &got), "no value is converted on the way")
}
