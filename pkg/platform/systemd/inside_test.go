package systemd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Root is never asked by polkit, so what an unprivileged daemon may do is tried by this test
// binary itself, run inside the lab as user recoveryd (see lab_unprivileged_test.go). It then does
// one job, prints what it learnt as JSON, and ends.

const insideVariable = "RECOVERYD_TEST_INSIDE"

// polkitRule lets recoveryd start, stop and restart two units, and nothing else. The verbs kill,
// reset-failed and set-property are left out on purpose.
const polkitRule = `polkit.addRule(function(action, subject) {
    if (subject.user !== "recoveryd") return polkit.Result.NOT_HANDLED;
    if (action.id !== "org.freedesktop.systemd1.manage-units") return polkit.Result.NOT_HANDLED;
    var units = ["sleep@allowed.service", "stubborn@allowed.service", "limit@allowed.service"];
    var verbs = ["start", "stop", "restart"];
    if (units.indexOf(action.lookup("unit")) >= 0 && verbs.indexOf(action.lookup("verb")) >= 0)
        return polkit.Result.YES;
    return polkit.Result.NO;
});
`

// outcomeInside is what an action came to inside the lab.
type outcomeInside struct {
	Result     platform.Result
	Detail     string
	Err        string
	Permission bool
	Took       time.Duration
	Fact       string // workload.permission afterwards
}

func inside() int {
	if err := insideJob(os.Getenv(insideVariable)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func insideJob(job string) error {
	switch job {
	case "hold-lock":
		return holdLock("/var/lib/dpkg/lock-frontend")
	case "maintenance":
		h := hostFiles{root: "/"}
		_, _, err := askLock("/var/lib/dpkg/lock-frontend")
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"uid": os.Getuid(), "maintenance": h.maintenance(), "mayOpen": err == nil})
	}
	var a strategy.Action
	if err := json.Unmarshal([]byte(job), &a); err != nil {
		return err
	}
	ctx := context.Background()
	ad, err := New(ctx, Options{EnvDir: "/tmp/env", EnvKeys: []string{"DB_POOL_SIZE"}})
	if err != nil {
		return err
	}
	defer ad.Close()
	began := time.Now()
	rep, err := ad.Do(ctx, a)
	out := outcomeInside{Result: rep.Result, Detail: rep.Detail, Permission: errors.Is(err, platform.ErrPermission), Took: time.Since(began)}
	if err != nil {
		out.Err = err.Error()
	}
	f, err := ad.Inspect(ctx, a.Object)
	if err != nil {
		return err
	}
	out.Fact = f.Text(detect.WorkloadPermission)
	return json.NewEncoder(os.Stdout).Encode(out)
}

// holdLock takes a lock as dpkg does, says so, and keeps it until standard input ends.
func holdLock(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lk); err != nil {
		return err
	}
	fmt.Println("held")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, f.Close())
}

// decodeInside reads the JSON line among what a test binary prints.
func decodeInside(out string, v any) error {
	i := strings.IndexByte(out, '{')
	if i < 0 {
		return fmt.Errorf("no result in %q", out)
	}
	return json.NewDecoder(strings.NewReader(out[i:])).Decode(v)
}
