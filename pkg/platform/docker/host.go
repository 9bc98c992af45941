package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform/cgroup"
	"github.com/recoveryd/recoveryd/pkg/platform/kernfile"
	"github.com/recoveryd/recoveryd/pkg/platform/proctable"
	"github.com/recoveryd/recoveryd/pkg/platform/procview"
)

const table = proctable.Table("/proc")

// maxStats bounds the answer about memory: it has a few kilobytes.
const maxStats = 1 << 20

// addHost adds what the kernel says of the container's processes, where they are in our process table, and its memory from
// there, or else from the runtime.
func (a *Adapter) addHost(ctx context.Context, f detect.Facts, c container.InspectResponse) {
	dirs, ours := groupsOf(c)
	if ours {
		pid := c.State.Pid
		f[detect.WorkloadPID] = detect.Num(float64(pid))
		if state, err := table.State(pid); err != nil {
			f[detect.ProcessState] = detect.NotMeasured(err.Error())
		} else {
			f[detect.ProcessState] = detect.Word(state)
		}
		if rss, err := table.Resident(table.Tree(pid)); err != nil {
			f[detect.ProcessRSS] = detect.NotMeasured(err.Error())
		} else {
			f[detect.ProcessRSS] = detect.Num(float64(rss))
		}
		if n, limit, err := table.Files(pid); err == nil {
			f[detect.ProcessFDs] = detect.Num(float64(n))
			if limit > 0 {
				f[detect.ProcessFDLimit] = detect.Num(float64(limit))
			}
		}
	} else {
		delete(f, detect.WorkloadPID) // a number of another process table
	}
	if n, ok := dirs.number("memory.current", "memory.usage_in_bytes"); ok {
		f[detect.MemoryCurrent], f[detect.MemorySource] = detect.Num(float64(n)), detect.Word("cgroup")
		if kills, ok := dirs.keyed("oom_kill"); ok {
			f[detect.MemoryOOMKills] = detect.Num(float64(kills))
		}
		return
	}
	n, err := a.usage(ctx, c.ID)
	if err != nil {
		f[detect.MemoryCurrent] = detect.NotMeasured(clean(err.Error()))
		return
	}
	f[detect.MemoryCurrent], f[detect.MemorySource] = detect.Num(float64(n)), detect.Word("runtime")
}

// usage asks the runtime for the memory in use.
func (a *Adapter) usage(ctx context.Context, id string) (uint64, error) {
	r, err := a.client.ContainerStats(ctx, id, client.ContainerStatsOptions{})
	if err != nil {
		return 0, fmt.Errorf("memory of container %s: %w", shortID(id), err)
	}
	defer r.Body.Close() //nolint:errcheck // it is read
	var s container.StatsResponse
	if err := json.NewDecoder(io.LimitReader(r.Body, maxStats)).Decode(&s); err != nil {
		return 0, fmt.Errorf("memory of container %s: %w", shortID(id), err)
	}
	if s.MemoryStats.Usage == 0 {
		return 0, fmt.Errorf("the runtime counts no memory for container %s", shortID(id))
	}
	return s.MemoryStats.Usage, nil
}

// groups are the directories of a container's memory accounting.
type groups struct{ v2, v1 string }

// mounts are found once; they do not move while the host is up.
var mounts = sync.OnceValue(func() cgroup.Mounts {
	b, err := kernfile.Read("/proc/self/mounts")
	if err != nil {
		return cgroup.Mounts{}
	}
	return cgroup.Parse(string(b))
})

// groupsOf finds the control groups of the container's main process; ours = its number is one of our own process table. The number that the runtime
// tells may be one of another table: it is believed when the groups of that process bear the container's id.
func groupsOf(c container.InspectResponse) (g groups, ours bool) {
	if c.State.Pid <= 1 || len(c.ID) < 12 {
		return g, false
	}
	b, err := procview.Read(c.State.Pid, "cgroup")
	if err != nil {
		return g, false
	}
	unified, memory, ours := groupPaths(string(b), c.ID)
	m := mounts()
	if unified != "" && m.Unified != "" {
		g.v2 = filepath.Join(m.Unified, unified)
	}
	if memory != "" && m.Memory != "" {
		g.v1 = filepath.Join(m.Memory, memory)
	}
	return g, ours
}

// groupPaths reads /proc/PID/cgroup: the paths that bear the container's id.
func groupPaths(table, id string) (unified, memory string, ours bool) {
	for line := range strings.Lines(table) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || !strings.Contains(f[2], id) {
			continue
		}
		ours = true
		switch {
		case f[0] == "0":
			unified = f[2]
		case strings.Contains(","+f[1]+",", ",memory,"):
			memory = f[2]
		}
	}
	return unified, memory, ours
}

func (g groups) number(v2, v1 string) (uint64, bool) {
	for _, path := range []string{in(g.v2, v2), in(g.v1, v1)} {
		if path == "" {
			continue
		}
		if b, err := kernfile.Read(path); err == nil {
			n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

func (g groups) keyed(key string) (uint64, bool) {
	for _, path := range []string{in(g.v2, "memory.events"), in(g.v1, "memory.oom_control")} {
		if path == "" {
			continue
		}
		b, err := kernfile.Read(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok && k == key {
				n, err := strconv.ParseUint(v, 10, 64)
				return n, err == nil
			}
		}
	}
	return 0, false
}

func in(dir, name string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, name)
}
