package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// groupPrefix marks the cgroups of labs.
const groupPrefix = "recoveryd-lab-"

// makeGroups makes the lab's own cgroup in each hierarchy and returns their paths.
func (l *Lab) makeGroups(v1Memory bool) ([]string, error) {
	roots, err := cgroupRoots(v1Memory)
	if err != nil {
		return nil, err
	}
	var groups []string
	for _, root := range roots {
		// On cgroup v2 the controllers must be handed down; v1 has no such file.
		if control := filepath.Join(root, "cgroup.subtree_control"); len(roots) == 1 && exists(control) {
			for _, c := range []string{"+memory", "+pids", "+cpu", "+io"} {
				_ = os.WriteFile(control, []byte(c), 0o644) // a missing controller shows in Probe
			}
		}
		dir := filepath.Join(root, groupPrefix+l.Name)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("make the cgroup of the lab: %w", err)
		}
		groups = append(groups, dir)
	}
	return groups, nil
}

// groups lists the cgroups of a lab that exist, in all hierarchies.
func groups(name string) []string {
	var dirs []string
	for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		found, _ := filepath.Glob(pattern + groupPrefix + name) // the pattern is well-formed
		dirs = append(dirs, found...)
	}
	return dirs
}

// groupPIDs lists every process of a lab: the container's and nspawn itself.
func groupPIDs(name string) []int {
	var pids []int
	for _, dir := range groups(name) {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.Name() != "cgroup.procs" {
				return nil // a group that goes while we look has no process
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			for _, field := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 1 && !slices.Contains(pids, pid) {
					pids = append(pids, pid)
				}
			}
			return nil
		})
	}
	return pids
}

// removeGroups removes the cgroups of a lab that has ended.
func removeGroups(name string) error {
	var errs []error
	for _, dir := range groups(name) {
		errs = append(errs, removeGroup(dir))
	}
	return errors.Join(errs...)
}

// removeGroup removes a cgroup and the groups in it, the deepest first.
func removeGroup(dir string) error {
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			all = append(all, path)
		}
		if errors.Is(err, fs.ErrNotExist) { // it went by itself
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look into the cgroup %s: %w", dir, err)
	}
	slices.Reverse(all)
	for _, path := range all {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the cgroup: %w", err)
		}
	}
	return nil
}
