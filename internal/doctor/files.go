package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/recoveryd/recoveryd/pkg/egress"
)

// socketName is the control socket in the runtime directory.
const socketName = "control.sock"

// leastFree is the space below which the journal is in danger: it grows by some MiB a month, and
// evidence is bounded at 200 MiB.
const leastFree = 256 << 20

// directories tries to write where recoveryd must be able to.
func (o Options) directories(n *notes) {
	state := o.Config.StateDir
	if o.writable(n, state) {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(state, &fs); err != nil {
			n.add("files", state, Warn, "", "the free space cannot be told: %v", err)
		} else if free := fs.Bavail * uint64(fs.Bsize); free < leastFree { //nolint:gosec // the kernel's own number
			n.add("files", state, Warn, "make room: without its journal recoveryd takes no action", "only %d MiB are free", free>>20)
		} else {
			n.ok("files", state, "%d MiB are free", free>>20)
		}
	}
	for _, t := range o.Config.Targets {
		if t.Pool.EnvFile != "" {
			o.writable(n, filepath.Join(o.Config.RuntimeDir, "env"))
			return
		}
	}
}

// writable makes a file and takes it away again.
func (o Options) writable(n *notes, dir string) bool {
	mend := "recoveryd setup --apply"
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err == nil {
		_, err = f.WriteString("can this be written?\n")
		err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
	}
	switch {
	case errors.Is(err, syscall.EROFS):
		n.add("files", dir, Fail, mend+", then systemctl restart recoveryd (its unit allows only its own directories)", "is read-only for this user: %v", err)
	case err != nil:
		n.add("files", dir, Fail, mend, "cannot be written: %v", err)
	default:
		n.ok("files", dir, "can be written")
	}
	return err == nil
}

// socket looks at who may command the daemon, and whether it answers.
func (o Options) socket(ctx context.Context, n *notes) {
	path := filepath.Join(o.Config.RuntimeDir, socketName)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		n.add("socket", path, Warn, "systemctl start recoveryd (and systemctl status recoveryd, if it does not)", "is not there: the daemon does not run")
		return
	}
	if err != nil {
		n.add("socket", path, Fail, "recoveryd setup --apply", "%v", err)
		return
	}
	if m := info.Mode().Perm(); m&0o007 != 0 {
		n.add("socket", path, Fail, "systemctl restart recoveryd", "is open to every user of this host (%04o)", m)
	}
	client := egress.Unix(path)
	if _, err := get(ctx, client, "http://recoveryd/livez"); err != nil {
		n.add("socket", path, Warn, "systemctl status recoveryd", "the daemon does not answer on it: %v", err)
		return
	}
	var running struct{ Warnings []string }
	if body, err := get(ctx, client, "http://recoveryd/api/v1/status"); err == nil && json.Unmarshal(body, &running) == nil {
		for _, w := range running.Warnings { // such as a configuration that is not the one of the file
			n.add("daemon", "warning", Warn, "", "%s", w)
		}
	}
	n.ok("socket", path, "the daemon answers; only root and its own user are listened to (%04o)", info.Mode().Perm())
}

// get asks for a page and wants it without an error.
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("HTTP %d: %.200s", resp.StatusCode, body)
	}
	return body, err
}
