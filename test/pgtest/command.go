package pgtest

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Command returns the program and arguments by which somebody else (a supervisor under test) can
// run the stopped cluster's server, with the settings that Start uses. Run by root it changes to
// the server's user first, which needs setpriv (util-linux); like Start's server, the program ends
// when its parent dies. Close still removes everything, once that server has ended.
func (c *Cluster) Command() ([]string, error) {
	argv := append([]string{filepath.Join(c.bin, "postgres")}, c.args()...)
	if c.cred == nil {
		return argv, nil
	}
	path, err := exec.LookPath("setpriv")
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("PostgreSQL will not run as root, and there is no setpriv (package util-linux) to change the user: %w", err)
	}
	if err != nil {
		return nil, err
	}
	uid, gid := strconv.FormatUint(uint64(c.cred.Uid), 10), strconv.FormatUint(uint64(c.cred.Gid), 10)
	// A change of the user clears the death signal, so it is set anew.
	return append([]string{path, "--reuid", uid, "--regid", gid, "--clear-groups", "--pdeathsig", "QUIT", "--"}, argv...), nil
}

// args are the arguments of the server.
func (c *Cluster) args() []string {
	args := []string{"-D", c.data()}
	for _, s := range append(c.defaults(), c.settings...) {
		args = append(args, "-c", s)
	}
	return args
}
