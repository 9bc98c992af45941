package systemd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform/cgroup"
	"github.com/recoveryd/recoveryd/pkg/platform/kernfile"
	"github.com/recoveryd/recoveryd/pkg/platform/proctable"
)

// hostFiles reads the kernel's files of the host that systemd runs on.
type hostFiles struct {
	root  string
	work  lastWord
	locks *lockWatch // nil: not watched

	once   sync.Mutex // guards mounts
	mounts *cgroup.Mounts
}

func (h *hostFiles) path(elem ...string) string {
	return filepath.Join(append([]string{h.root}, elem...)...)
}

// cgroups finds the mounts once; they do not move while the host is up.
func (h *hostFiles) cgroups() cgroup.Mounts {
	h.once.Lock()
	defer h.once.Unlock()
	if h.mounts != nil {
		return *h.mounts
	}
	b, err := kernfile.Read(h.path("proc/self/mounts"))
	if err != nil { // the root of another host has no self
		b, err = kernfile.Read(h.path("proc/1/mounts"))
	}
	if err != nil {
		return cgroup.Mounts{}
	}
	m := cgroup.Parse(string(b))
	h.mounts = &m
	return m
}

// addMemory adds the memory in use: from systemd where it has said so, else from the cgroup's own
// file, which exists whenever some controller accounts memory.
func (h *hostFiles) addMemory(f detect.Facts, p unitProps) {
	if p.cgroup == "" {
		return // it has no processes
	}
	v2, v1 := h.memoryDirs(p.cgroup)
	switch {
	case p.memCurrent != notSet:
		f[detect.MemoryCurrent] = detect.Num(float64(p.memCurrent))
		f[detect.MemorySource] = detect.Word("systemd")
	default:
		n, err := firstNumber(v2, "memory.current", v1, "memory.usage_in_bytes")
		if err != nil {
			f[detect.MemoryCurrent] = detect.NotMeasured("no memory accounting for this unit: " + err.Error())
			break
		}
		f[detect.MemoryCurrent] = detect.Num(float64(n))
		f[detect.MemorySource] = detect.Word("cgroup")
	}
}

// addEvents adds the other cgroup.* facts: kills for memory, and how processes wait for it.
func (h *hostFiles) addEvents(f detect.Facts, p unitProps) {
	if p.cgroup == "" {
		return
	}
	v2, v1 := h.memoryDirs(p.cgroup)
	if n, err := keyed(v2, "memory.events", "oom_kill"); err == nil {
		f[detect.MemoryOOMKills] = detect.Num(float64(n))
	} else if n, err := keyed(v1, "memory.oom_control", "oom_kill"); err == nil {
		f[detect.MemoryOOMKills] = detect.Num(float64(n))
	}
	if b, err := kernfile.Read(filepath.Join(v2, "memory.pressure")); err == nil && v2 != "" {
		if v, ok := someAvg10(b); ok {
			f[detect.MemoryPressure] = detect.Num(v)
		}
	}
}

// addLimit adds the memory limit.
func (h *hostFiles) addLimit(f detect.Facts, p unitProps) {
	if p.cgroup == "" {
		return
	}
	v2, v1 := h.memoryDirs(p.cgroup)
	if limit := h.limit(p, v2, v1); limit != notSet {
		f[detect.MemoryMax] = detect.Num(float64(limit))
	}
}

// accounts reports whether the memory of a cgroup can be read from its own files.
func (h *hostFiles) accounts(cgroup string) bool {
	v2, v1 := h.memoryDirs(cgroup)
	_, err := firstNumber(v2, "memory.current", v1, "memory.usage_in_bytes")
	return err == nil
}

// memoryDirs are the directories of a cgroup in the hierarchies that may account memory.
func (h *hostFiles) memoryDirs(cgroup string) (v2, v1 string) {
	m := h.cgroups()
	if m.Unified != "" {
		v2 = h.path(m.Unified, cgroup)
	}
	if m.Memory != "" {
		v1 = h.path(m.Memory, cgroup)
	}
	return v2, v1
}

// limit is the unit's memory limit in bytes; notSet when it has none. A limit that some other
// hand wrote into the cgroup counts too: the kernel enforces the file.
func (h *hostFiles) limit(p unitProps, v2, v1 string) uint64 {
	n, err := firstNumber(v2, "memory.max", v1, "memory.limit_in_bytes")
	if err != nil {
		return p.memMax
	}
	// v1 says "unlimited" as the largest multiple of a page.
	if n >= 1<<62 {
		n = notSet
	}
	return min(n, p.memMax)
}

// firstNumber reads a number from the v2 file, or from the v1 file when there is none.
func firstNumber(v2, name2, v1, name1 string) (uint64, error) {
	var err error
	for _, f := range [][2]string{{v2, name2}, {v1, name1}} {
		if f[0] == "" {
			continue
		}
		var b []byte
		if b, err = kernfile.Read(filepath.Join(f[0], f[1])); err != nil {
			continue
		}
		s := strings.TrimSpace(string(b))
		if s == "max" {
			return notSet, nil
		}
		return strconv.ParseUint(s, 10, 64)
	}
	if err == nil {
		err = fmt.Errorf("no cgroup file system is mounted")
	}
	return 0, err
}

// keyed reads one value of a "key value" file.
func keyed(dir, name, key string) (uint64, error) {
	if dir == "" {
		return 0, os.ErrNotExist
	}
	b, err := kernfile.Read(filepath.Join(dir, name))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok && k == key {
			return strconv.ParseUint(v, 10, 64)
		}
	}
	return 0, os.ErrNotExist
}

// someAvg10 reads the share of the last ten seconds in which some process waited for memory, in
// percent, from a pressure file.
func someAvg10(b []byte) (float64, bool) {
	for line := range strings.Lines(string(b)) {
		rest, ok := strings.CutPrefix(line, "some avg10=")
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
		return v, err == nil
	}
	return 0, false
}

// addProcess adds the state of the main process.
func (h *hostFiles) addProcess(f detect.Facts, p unitProps) {
	if p.mainPID == 0 {
		return
	}
	s, err := proctable.Table(h.path("proc")).State(int(p.mainPID))
	if err != nil {
		f[detect.ProcessState] = detect.NotMeasured(err.Error())
		return
	}
	f[detect.ProcessState] = detect.Word(s)
}

// addUse adds what the processes use.
func (h *hostFiles) addUse(f detect.Facts, p unitProps) {
	if p.mainPID == 0 {
		return
	}
	h.addResident(f, p)
	// Only root and the owner may look.
	if n, limit, err := proctable.Table(h.path("proc")).Files(int(p.mainPID)); err == nil {
		f[detect.ProcessFDs] = detect.Num(float64(n))
		if limit > 0 {
			f[detect.ProcessFDLimit] = detect.Num(float64(limit))
		}
	}
}

// addResident adds the resident memory of all processes, an independent witness beside the cgroup's
// accounting.
func (h *hostFiles) addResident(f detect.Facts, p unitProps) {
	if p.mainPID == 0 {
		return
	}
	// The pids in cgroup.procs are numbers of our own process table, whatever root is.
	rss, err := proctable.Table("/proc").Resident(h.members(p.cgroup))
	if err != nil {
		table := proctable.Table(h.path("proc"))
		rss, err = table.Resident(table.Tree(int(p.mainPID)))
	}
	if err != nil {
		f[detect.ProcessRSS] = detect.NotMeasured(err.Error())
		return
	}
	f[detect.ProcessRSS] = detect.Num(float64(rss))
}

// maxMembers bounds the work for a unit with very many processes.
const maxMembers = 512

// members lists the processes of a cgroup, without sub-groups: services rarely have them.
func (h *hostFiles) members(cgroup string) (pids []int) {
	m := h.cgroups()
	for _, mount := range []string{m.Unified, m.Systemd} {
		if mount == "" || cgroup == "" {
			continue
		}
		b, err := kernfile.Read(h.path(mount, cgroup, "cgroup.procs"))
		if err != nil {
			continue
		}
		for _, w := range bytes.Fields(b) {
			if pid, err := strconv.Atoi(string(w)); err == nil && pid > 0 && len(pids) < maxMembers {
				pids = append(pids, pid)
			}
		}
		break
	}
	return pids
}
