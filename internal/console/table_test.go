package console

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatAServiceSaysCannotCommandTheTerminal(t *testing.T) {
	w := (&Console{}).Table("A", "B")
	w.Row("x\x1b]0;evil\x07", "y\nz\u009bm")
	var b bytes.Buffer
	require.NoError(t, w.Print(&b))
	require.Equal(t, "A           B\nx\ufffd]0;evil\ufffd  y z\ufffdm\n", b.String())
}
