package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/recoveryd/recoveryd/internal/setup"
)

// lookAtOwners compares directories, and who may read the files that recoveryd needs.
func (h Host) lookAtOwners(p *Plan, w setup.Wanted) {
	ids := idents{}
	if _, err := ids.user(w.User); err != nil {
		p.problem("there is no user %s on this host: the package makes it (or: systemd-sysusers recoveryd.conf)", w.User)
		return
	}
	for _, d := range w.Dirs {
		if err := h.lookAtDir(p, ids, d); err != nil {
			p.problem("directory %s: %v", d.Path, err)
		}
	}
	for _, a := range w.Access {
		if err := h.lookAtAccess(p, ids, w.User, a); err != nil {
			p.problem("%s: %v", a.Path, err)
		}
	}
}

func (h Host) lookAtDir(p *Plan, ids idents, d setup.Dir) error {
	uid, err := ids.user(d.Owner)
	if err != nil {
		return err
	}
	gid, err := ids.group(d.Group)
	if err != nil {
		return err
	}
	info, err := os.Lstat(h.path(d.Path))
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		// root's own link may lead elsewhere; one of anybody else would have root give away what it leads to
		if st := info.Sys().(*syscall.Stat_t); st.Uid != 0 || !h.rootOwns(filepath.Dir(d.Path)) {
			return errors.New("is a symbolic link that root did not make: remove it")
		}
		info, err = os.Stat(h.path(d.Path))
	}
	have := "(none)"
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !info.IsDir():
		return errors.New("is not a directory: move it away")
	default:
		st := info.Sys().(*syscall.Stat_t) // Linux only, as all of systemd
		if int(st.Uid) == uid && int(st.Gid) == gid && info.Mode().Perm() == d.Mode {
			return nil
		}
		have = fmt.Sprintf("%s:%s %04o", ids.userName(st.Uid), ids.groupName(st.Gid), info.Mode().Perm())
	}
	p.Steps = append(p.Steps, Step{Kind: "directory", Path: d.Path, Why: "owner and mode as recoveryd needs them, and no wider",
		Diff: permissions(d.Path, have, fmt.Sprintf("%s:%s %04o", d.Owner, d.Group, d.Mode)),
		do:   func(context.Context) error { return h.ownDir(d, uid, gid) }})
	return nil
}

// ownDir makes a directory and gives it away. The parent may be a service user's, who can put a link in its
// place between two calls: so what is opened is what is changed.
func (h Host) ownDir(d setup.Dir, uid, gid int) error {
	name := h.path(d.Path)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(name, d.Mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if h.rootOwns(filepath.Dir(d.Path)) {
		real, err := filepath.EvalSymlinks(name)
		if err != nil {
			return err
		}
		name = real
	}
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w (a symbolic link is not followed)", d.Path, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()                                        //nolint:errcheck // nothing is written through it
	return errors.Join(f.Chown(uid, gid), f.Chmod(d.Mode)) // past the umask
}

// rootOwns reports that nobody but root can put something into a directory.
func (h Host) rootOwns(dir string) bool {
	info, err := os.Lstat(h.path(dir))
	if err != nil || !info.IsDir() {
		return false
	}
	st := info.Sys().(*syscall.Stat_t)
	return st.Uid == 0 && info.Mode().Perm()&0o022 == 0
}

// lookAtAccess gives the group of recoveryd read permission where it has none, and takes it from
// everybody else where the file is a secret. The owner stays.
func (h Host) lookAtAccess(p *Plan, ids idents, service string, a setup.Access) error {
	info, err := os.Stat(h.path(a.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("does not exist, and the configuration names it")
	}
	if err != nil {
		return err
	}
	uid, err := ids.user(service)
	if err != nil {
		return err
	}
	gid, err := ids.group(a.Group)
	if err != nil {
		return err
	}
	st, mode := info.Sys().(*syscall.Stat_t), info.Mode().Perm()
	readable := int(st.Uid) == uid && mode&0o400 != 0 || int(st.Gid) == gid && mode&0o040 != 0 || mode&0o004 != 0 && !a.Secret
	if readable && (!a.Secret || mode&0o007 == 0) {
		return nil
	}
	group, want := int(st.Gid), mode
	if !(int(st.Uid) == uid && mode&0o400 != 0) {
		group, want = gid, want|0o040
		if int(st.Gid) != gid {
			want &^= 0o030 // what another group might do is not ours to hand on
		}
	}
	if a.Secret {
		want &^= 0o007
	}
	line := func(g int, m fs.FileMode) string {
		return fmt.Sprintf("%s:%s %04o", ids.userName(st.Uid), ids.groupName(uint32(g)), m)
	}
	p.Steps = append(p.Steps, Step{Kind: "permissions", Path: a.Path, Why: "recoveryd must be able to read it",
		Diff: permissions(a.Path, line(int(st.Gid), mode), line(group, want)),
		do: func(context.Context) error {
			if err := os.Chown(h.path(a.Path), -1, group); err != nil {
				return err
			}
			return os.Chmod(h.path(a.Path), want)
		}})
	return nil
}

// idents looks up users and groups.
type idents struct{}

func (idents) user(name string) (int, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no user %s", name)
	}
	return strconv.Atoi(u.Uid)
}

func (idents) group(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no group %s", name)
	}
	return strconv.Atoi(g.Gid)
}

func (idents) userName(uid uint32) string {
	n := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(n); err == nil {
		return u.Username
	}
	return n
}

func (idents) groupName(gid uint32) string {
	n := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(n); err == nil {
		return g.Name
	}
	return n
}
