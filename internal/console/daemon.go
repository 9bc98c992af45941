package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/egress"
)

// Call asks the daemon over its control socket and decodes the answer.
func (c *Console) Call(ctx context.Context, method, path string, body, into any) error {
	socket := c.SocketPath()
	client := egress.Unix(socket)
	client.Timeout = 15 * time.Second
	var rd io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		rd = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://recoveryd"+path, rd)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return c.unreachable(socket, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var e struct{ Error string }
		if json.Unmarshal(data, &e) == nil && e.Error != "" {
			if resp.StatusCode == http.StatusUnprocessableEntity {
				return &ExitError{Usage, errors.New(e.Error)}
			}
			return errors.New(e.Error)
		}
		return fmt.Errorf("the daemon answers HTTP %d: %s", resp.StatusCode, bytes.TrimSpace(data))
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	return nil
}

// unreachable says why the daemon could not be asked and what to do about it.
func (c *Console) unreachable(socket string, err error) error {
	switch {
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("the control socket %s refuses user %d: use sudo, or run as root or recoveryd", socket, os.Getuid())
	case errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no daemon answers on %s: is it running (systemctl status recoveryd)? --socket or --config name another", socket)
	case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "server closed idle connection"): // net/http says so, by no exported error, when it hangs up before it is asked
		return fmt.Errorf("the daemon closed the connection on %s: only root and its own user may command it", socket)
	}
	return fmt.Errorf("ask the daemon on %s: %w", socket, err)
}

// WhoSays adds the flag with the name under which a command is recorded. Its default is in no help text: the
// manual pages of a package are the same whoever builds them.
func WhoSays(f *pflag.FlagSet, by *string) {
	f.StringVar(by, "by", Caller(), "who says so (unless given: the user who calls)")
	f.Lookup("by").DefValue = ""
}

// Caller is the name under which a command is recorded.
func Caller() string {
	for _, v := range []string{"SUDO_USER", "USER", "LOGNAME"} {
		if s := os.Getenv(v); s != "" {
			return s
		}
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}

// SocketPath finds the control socket: the flag, the configuration when it can be read, or the
// packaged default.
func (c *Console) SocketPath() string {
	if c.Socket != "" {
		return c.Socket
	}
	known := app.Known()
	known.WithoutSecrets = true
	if cfg, err := config.Load(c.Config, known); err == nil {
		return filepath.Join(cfg.RuntimeDir, app.SocketName)
	}
	if dir := config.DirectoryIn(c.Config, "runtime_dir"); dir != "" {
		return filepath.Join(dir, app.SocketName)
	}
	if dir := os.Getenv("RUNTIME_DIRECTORY"); dir != "" {
		return filepath.Join(dir, app.SocketName)
	}
	return filepath.Join("/run/recoveryd", app.SocketName)
}

// MinWatch keeps --watch from becoming a load of its own.
const MinWatch = 200 * time.Millisecond
