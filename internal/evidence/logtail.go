package evidence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/capture"
)

// logLines is how much of the end of the unit's log is kept.
const logLines = "200"

// gatherLog reads the end of the unit's log. journalctl and not the files themselves: reading those
// needs libsystemd (and cgo) or a second implementation of their format.
func gatherLog(ctx context.Context, k *scene, p *page) error {
	var said bytes.Buffer
	argv := []string{"journalctl", "--unit=" + k.Unit, "--lines=" + logLines, "--no-pager", "--output=short-iso-precise"}
	err := capture.Run(program(ctx, argv, p, &said, "SYSTEMD_COLORS=0"))
	hint := said.String()
	switch {
	case strings.Contains(hint, "insufficient permissions"), strings.Contains(hint, "not seeing messages"):
		return errors.New("recoveryd may not read the journal: add its user to the group systemd-journal")
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no journalctl on this host")
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("journalctl: %w: %s", err, hint)
	}
	return nil
}
