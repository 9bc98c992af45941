package onhost

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// guardMargin is how much later than the drill itself its guard takes the fault back.
const guardMargin = 15 * time.Second

// mendAgain is how soon the guard begins anew when it, or what it runs at its end to take the fault back,
// was killed or failed: then it finds the drill gone and takes the fault back again.
const mendAgain = time.Second

// Hands bring faults about and take them back. Build it with [New]; one drill at a time.
type Hands struct {
	Store   Store
	Program string // of recoveryd, for the units of its own
	Config  string // configuration file, for what logs in to a database
	User    string // as whom: the daemon's own
	conn    *sd.Conn
	hog     *hog
}

// New connects to systemd. The caller must call Close.
func New(ctx context.Context, h Hands) (*Hands, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a drill breaks a service on purpose: run it as root (sudo)")
	}
	// The connection must outlive ctx: after Ctrl-C it is needed to put things back.
	c, err := sd.NewSystemConnectionContext(context.WithoutCancel(ctx))
	if err != nil {
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	h.conn = c
	return &h, nil
}

// Close ends the connection.
func (h *Hands) Close() { h.conn.Close() }

func guardName(id string) string  { return "recoveryd-drill-guard-" + id + ".service" }
func fillerName(id string) string { return "recoveryd-drill-fill-" + id + ".service" }

// Prepare finds out what the fault will hit, and refuses what cannot be done safely here.
func (h *Hands) Prepare(ctx context.Context, r Record) (Record, error) {
	u, err := inspect(ctx, h.conn, r.Unit)
	if err != nil {
		return r, err
	}
	if u.active != "active" {
		return r, fmt.Errorf("%s is %s/%s", r.Unit, u.active, u.sub)
	}
	r.Run, r.Boot = u.run, bootID()
	if r.Fault == incident.FaultMemory {
		if _, err := groupsOf(u.group); err != nil {
			return r, err
		}
	}
	return r, nil
}

// Guard writes the record and starts the guard. From here on the fault is taken back whatever
// becomes of this process.
func (h *Hands) Guard(ctx context.Context, r Record) error {
	if err := h.Store.SaveRecord(r); err != nil {
		return err
	}
	mend := []string{h.Program, "drill", "mend", "--if-left", "--dir", h.Store.Dir, r.ID}
	watch := []string{h.Program, "drill", "guard", fmt.Sprint(os.Getpid())}
	err := transient(ctx, h.conn, guardName(r.ID), "Takes back what drill "+r.ID+" does to "+r.Unit, watch,
		property("Type", "exec"), property("CollectMode", "inactive-or-failed"), after(mend), property("Restart", "on-failure"), sd.Property{Name: "RestartUSec", Value: dbus.MakeVariant(uint64(mendAgain.Microseconds()))}, atMost(time.Until(r.Until)+guardMargin))
	if err != nil {
		return errors.Join(fmt.Errorf("no guard for the drill: %w", err), h.Store.Forget(r.ID))
	}
	return nil
}

// Unguard drops the record, and then the guard, which finds nothing to undo.
func (h *Hands) Unguard(ctx context.Context, r Record) error {
	if err := h.Store.Forget(r.ID); err != nil {
		return err
	}
	return job(ctx, "stop", guardName(r.ID), h.conn.StopUnitContext, "replace")
}

// Inject brings the fault about and says what was done. size is in bytes, or in sessions.
func (h *Hands) Inject(ctx context.Context, r *Record, size uint64) (string, error) {
	switch r.Fault {
	case incident.FaultKill:
		return "SIGKILL to every process of " + r.Unit, signal(ctx, h.conn, r.Unit, syscall.SIGKILL)
	case incident.FaultStop:
		return "stop job for " + r.Unit, job(ctx, "stop", r.Unit, h.conn.StopUnitContext, "replace")
	case incident.FaultFreeze:
		return "SIGSTOP to every process of " + r.Unit, signal(ctx, h.conn, r.Unit, syscall.SIGSTOP)
	case incident.FaultPool:
		return h.fill(ctx, *r)
	case incident.FaultMemory:
		return h.fillMemory(ctx, r, size)
	}
	return "", fmt.Errorf("unknown fault %q", r.Fault)
}

// fill starts the unit that opens the sessions; it is ready when all are open.
func (h *Hands) fill(ctx context.Context, r Record) (string, error) {
	name := fillerName(r.ID)
	argv := []string{h.Program, "drill", "sessions", "--config", h.Config, "--target", r.Target}
	err := transient(ctx, h.conn, name, "Sessions of drill "+r.ID+" under the name of "+r.Target, argv,
		property("Type", "notify"), property("User", h.User), atMost(time.Until(r.Until)+guardMargin))
	said := ""
	if p, perr := h.conn.GetUnitTypePropertyContext(ctx, name, "Service", "StatusText"); perr == nil {
		said, _ = p.Value.Value().(string)
	}
	if err != nil {
		_ = h.conn.ResetFailedUnitContext(ctx, name) // so that systemd forgets it
		if said != "" {
			return "", errors.New(said)
		}
		return "", fmt.Errorf("%w (see: journalctl -u %s)", err, name)
	}
	return said, nil
}

// Undo takes back what is left of the fault and says what that was; "" when nothing was.
func (h *Hands) Undo(ctx context.Context, r Record) (string, error) {
	if r.gone() {
		return "", nil
	}
	switch r.Fault {
	case incident.FaultFreeze:
		u, err := inspect(ctx, h.conn, r.Unit)
		if err != nil {
			return "", err
		}
		if u.run != r.Run {
			return "", nil // the run that was frozen is gone
		}
		return "SIGCONT to every process of " + r.Unit, signal(ctx, h.conn, r.Unit, syscall.SIGCONT)
	case incident.FaultKill, incident.FaultStop:
		u, err := inspect(ctx, h.conn, r.Unit)
		if err != nil {
			return "", err
		}
		if u.run != r.Run || u.active != "inactive" && u.active != "failed" {
			return "", nil // it was started since
		}
		if u.active == "failed" {
			if err := h.conn.ResetFailedUnitContext(ctx, r.Unit); err != nil {
				return "", fmt.Errorf("reset-failed %s: %w", r.Unit, err)
			}
		}
		return "start job for " + r.Unit, job(ctx, "start", r.Unit, h.conn.StartUnitContext, "replace")
	case incident.FaultPool:
		u, err := inspect(ctx, h.conn, fillerName(r.ID))
		if err != nil || u.active == "inactive" || u.active == "failed" {
			return "", err
		}
		return "the sessions of the drill are closed", job(ctx, "stop", fillerName(r.ID), h.conn.StopUnitContext, "replace")
	case incident.FaultMemory:
		return h.freeMemory(r)
	}
	return "", fmt.Errorf("unknown fault %q", r.Fault)
}

// Mend takes back the fault of a drill that has not done so itself, and says what that was.
// Nothing happens when there is no record of it.
func (h *Hands) Mend(ctx context.Context, id string) (r Record, did string, found bool, err error) {
	r, err = h.Store.Record(id)
	if errors.Is(err, fs.ErrNotExist) {
		return r, "", false, nil
	}
	if err != nil {
		return r, "", false, err
	}
	if did, err = h.Undo(ctx, r); err != nil {
		return r, did, true, fmt.Errorf("take back drill %s: %w", id, err)
	}
	return r, did, true, h.Store.Forget(id)
}
