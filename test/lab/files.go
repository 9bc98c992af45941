package lab

import (
	"embed"
	"fmt"
	"os"
	"path"
	"path/filepath"
)

//go:embed units
var units embed.FS

// bootFiles are the unit files of every lab. They are not part of the cached root file system, so
// that a change to them costs nothing.
func bootFiles() (map[string]File, error) {
	const system = "/etc/systemd/system"
	files := map[string]File{"/run/lab/faults/.keep": {}, "/etc/hostname": {Content: "lab\n"}}
	entries, err := units.ReadDir("units")
	if err != nil {
		return nil, fmt.Errorf("read the units of the lab: %w", err)
	}
	for _, e := range entries {
		text, err := units.ReadFile("units/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read the units of the lab: %w", err)
		}
		files[path.Join(system, e.Name())] = File{Content: string(text)}
	}
	for _, unit := range []string{CodebaseUnit, WorkflowUnit} {
		// %n is the unit's name. The dash: no file, no change.
		files[path.Join(system, unit+".d", "50-recoveryd-env.conf")] = File{
			Content: "[Service]\nEnvironmentFile=-" + EnvDir + "/%n.env\n",
		}
		files[path.Join(system, "multi-user.target.wants", unit)] = File{Symlink: path.Join(system, unit)}
	}
	return files, nil
}

// stage lays files out below dir as they shall be in the lab.
func stage(dir string, files map[string]File) error {
	for name, f := range files {
		target := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return fmt.Errorf("stage %s: %w", name, err)
		}
		if err := f.write(target); err != nil {
			return fmt.Errorf("stage %s: %w", name, err)
		}
	}
	return nil
}

// write makes the file, replacing one that is there.
func (f File) write(target string) error {
	if err := os.Remove(target); err != nil && !os.IsNotExist(err) {
		return err
	}
	if f.Symlink != "" {
		return os.Symlink(f.Symlink, target)
	}
	mode := f.Mode.Perm()
	if mode == 0 {
		mode = 0o644
	}
	if err := os.WriteFile(target, []byte(f.Content), mode); err != nil {
		return err
	}
	if err := os.Chmod(target, mode); err != nil { // past the umask
		return err
	}
	return os.Chown(target, f.UID, f.GID)
}

// Path is where a path of the lab is found on the host, while the lab runs. An absolute symbolic
// link on the way would lead back into the host: use /run, not /var/run.
func (l *Lab) Path(name string) string {
	return fmt.Sprintf("/proc/%d/root%s", l.leader, path.Clean("/"+name))
}

// WriteFile makes a file in the running lab, and its directories as root.
func (l *Lab) WriteFile(name string, f File) error {
	target := l.Path(name)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("write %s in lab %s: %w", name, l.Name, err)
	}
	if err := f.write(target); err != nil {
		return fmt.Errorf("write %s in lab %s: %w", name, l.Name, err)
	}
	return nil
}
