package drills

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/drill"
	"github.com/recoveryd/recoveryd/internal/drill/conduct"
	"github.com/recoveryd/recoveryd/internal/drill/onhost"
	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// drillDaemon is the running daemon as a drill sees it, over the control socket.
type drillDaemon struct{ c *cli }

var _ conduct.Daemon = drillDaemon{}

func (d drillDaemon) get(ctx context.Context, path string, into any) error {
	return d.c.Call(ctx, http.MethodGet, path, nil, into)
}

func (d drillDaemon) Target(ctx context.Context, name string) (t conduct.Target, err error) {
	var st httpserve.Status
	if err := d.get(ctx, "/api/v1/status", &st); err != nil {
		return t, err
	}
	for _, x := range st.Targets {
		if x.Name == name {
			return conduct.Target{Unit: x.Unit, Phase: x.Phase, Verdict: x.Verdict, Facts: x.Facts}, nil
		}
	}
	return t, fmt.Errorf("there is no target %q (see: recoveryd status)", name)
}

func (d drillDaemon) order(ctx context.Context, o httpserve.DrillOrder) error {
	var a httpserve.DrillAnswer
	return d.c.Call(ctx, http.MethodPost, "/api/v1/drill", o, &a)
}

func (d drillDaemon) Announce(ctx context.Context, o drill.Order) error {
	return d.order(ctx, httpserve.DrillOrder{ID: o.ID, Target: o.Target, Fault: o.Fault, For: o.Timeout.String(), By: o.By})
}

func (d drillDaemon) Over(ctx context.Context, o drill.Order, why string) error {
	return d.order(ctx, httpserve.DrillOrder{ID: o.ID, Target: o.Target, By: o.By, Over: true, Why: why})
}

func (d drillDaemon) Incidents(ctx context.Context) (list []incident.Incident, err error) {
	return list, d.get(ctx, "/api/v1/incidents?limit=20", &list)
}

func (d drillDaemon) Records(ctx context.Context, id string) ([]incident.Record, error) {
	var h httpserve.History
	err := d.get(ctx, "/api/v1/incidents/"+url.PathEscape(id), &h)
	return h.Records, err
}

func (d drillDaemon) Notices(ctx context.Context, id string) (list []queue.Queued, err error) {
	return list, d.get(ctx, "/api/v1/incidents/"+url.PathEscape(id)+"/notices", &list)
}

// drillHands are the hands of one drill.
type drillHands struct {
	*onhost.Hands
	cfg    *config.Config
	socket string
	rec    onhost.Record
	size   uint64 // bytes that fill-memory allocates
}

var _ conduct.Hands = (*drillHands)(nil)

func (h *drillHands) Prepare(ctx context.Context, o drill.Order, t conduct.Target) (err error) {
	cfg, ok := h.cfg.Target(o.Target)
	if !ok || cfg.Platform != "systemd" || t.Unit == "" {
		return fmt.Errorf("%s is no unit of systemd on this host: it cannot be drilled", o.Target)
	}
	h.rec = onhost.Record{Order: o, Unit: t.Unit, At: time.Now(), Socket: h.socket}
	switch o.Fault {
	case incident.FaultPool:
		// How many are open and free is asked by what opens them; that they would be noticed is known here.
		if _, err := (drill.Sessions{Limit: cfg.Pool.Sessions, Max: 1 << 20}).Amount(); err != nil {
			return err
		}
		if cfg.Pool.Application == "" || cfg.Pool.Database == "" {
			return fmt.Errorf("pool.application and pool.database of %s are needed to open sessions of its own", o.Target)
		}
	case incident.FaultMemory:
		m := drill.Memory{Full: cfg.Memory.Full, Limit: uint64(cfg.Memory.Limit)}
		if n, ok := t.Facts.Num(detect.MemoryMax); ok && (m.Limit == 0 || uint64(n) < m.Limit) {
			m.Limit = uint64(n)
		}
		n, _ := t.Facts.Num(detect.MemoryCurrent)
		m.Current = uint64(n)
		m.HostTotal, m.HostFree = hostMemory()
		if h.size, err = m.Amount(); err != nil {
			return err
		}
	}
	h.rec, err = h.Hands.Prepare(ctx, h.rec)
	return err
}

func (h *drillHands) Guard(ctx context.Context, until time.Time) error {
	h.rec.Until = until
	return h.Hands.Guard(ctx, h.rec)
}

func (h *drillHands) Inject(ctx context.Context) (string, error) {
	return h.Hands.Inject(ctx, &h.rec, h.size)
}

func (h *drillHands) Undo(ctx context.Context) (string, error) { return h.Hands.Undo(ctx, h.rec) }

func (h *drillHands) Unguard(ctx context.Context) error { return h.Hands.Unguard(ctx, h.rec) }

// hostMemory is MemTotal and MemAvailable in bytes; 0 when it cannot be told, which refuses.
func hostMemory() (total, free uint64) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseUint(f[1], 10, 64)
		switch f[0] {
		case "MemTotal:":
			total = kib << 10
		case "MemAvailable:":
			free = kib << 10
		}
	}
	return total, free
}
