package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/egress"
)

// Socket asks the kernel about a TCP port: does it accept a connection, does anybody listen, how
// many connections wait to be accepted, and whose socket is it.
//
// The name is resolved at each look. What the kernel's tables say counts only for an address of
// this host; for another host only the connection and the name are reported.
type Socket struct {
	host    string
	port    uint16
	timeout time.Duration
	unit    string // the target's systemd unit, "" when it has none
	net     string // "/proc/net"
	proc    procfs

	mu   sync.Mutex // guards what follows
	last search
}

// search is what the last search for the owner of a socket found.
type search struct {
	inode uint64
	main  int // main process of the unit at that time
	owner owner
	why   string // why there is no owner
	at    time.Time

	// Of an owner that we may not see, asked once a search.
	asked     bool
	group     group // in which the socket was made
	found     bool
	unitEmpty bool // the target's own unit has no process
}

// searchAgain is how long a search without result is believed. It reads the descriptors of every
// process, which must not happen at each look.
const searchAgain = time.Minute

var _ Witness = (*Socket)(nil)

// SocketConfig says which port to look at.
type SocketConfig struct {
	Addr    string        // host:port
	Unit    string        // the target's unit, to tell its own listener from another's
	Timeout time.Duration // for the name and the connection; DefaultTimeout when 0
}

// NewSocket makes the witness.
func NewSocket(c SocketConfig) (*Socket, error) {
	if err := checkAddr(c.Addr); err != nil {
		return nil, err
	}
	host, p, _ := net.SplitHostPort(c.Addr)
	port, err := strconv.ParseUint(p, 10, 16)
	if err != nil || port == 0 {
		return nil, errors.New("the port of " + strconv.Quote(c.Addr) + " is not a number from 1 to 65535")
	}
	return &Socket{
		host: host, port: uint16(port), timeout: orTimeout(c.Timeout), unit: c.Unit,
		net: "/proc/net",
	}, nil
}

// Name is "socket".
func (s *Socket) Name() string { return "socket" }

// Leads names the fact that says whether it could look.
func (s *Socket) Leads() string { return detect.SocketConnect }

// Words of socket.connect besides "ok".
var connectWords = map[failure]string{
	failRefused:     "refused",
	failConnectTime: "timeout",
	failUnreachable: "unreachable",
	failForbidden:   "unreachable",
	failReset:       "refused", // reset while connecting: the kernel did not accept it
}

// Look resolves, connects once, and reads the kernel's table.
func (s *Socket) Look(ctx context.Context, unit detect.Facts) detect.Facts {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := make(detect.Facts, 10)
	ctx, cancel, hurried := within(ctx, s.timeout)
	defer cancel()
	addr, ok := s.resolve(ctx, f)
	if !ok {
		return f
	}
	// The table is read before we connect, so that our own connection is not in the backlog.
	s.table(ctx, addr, unit, f)
	s.connect(ctx, addr, hurried, f)
	return f
}

// resolve turns the name into an address, and says whether that worked.
func (s *Socket) resolve(ctx context.Context, f detect.Facts) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(s.host); err == nil {
		f[detect.SocketResolution] = detect.Word("ok")
		return a.Unmap(), true
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", s.host)
	if err == nil && len(addrs) > 0 {
		f[detect.SocketResolution] = detect.Word("ok")
		return prefer4(addrs), true
	}
	kind, why := classify(err)
	if kind == failOurs {
		f[detect.SocketConnect] = detect.NotMeasured(why)
		f[detect.SocketResolution] = detect.NotMeasured(why)
		return netip.Addr{}, false
	}
	f[detect.SocketConnect] = detect.Word("dns")
	f[detect.SocketResolution] = detect.Word(or(why, "the name has no address"))
	return netip.Addr{}, false
}

// prefer4 takes the first IPv4 address: servers that bind "localhost" often mean 127.0.0.1 only.
func prefer4(addrs []netip.Addr) netip.Addr {
	for _, a := range addrs {
		if a.Unmap().Is4() {
			return a.Unmap()
		}
	}
	return addrs[0]
}

func (s *Socket) connect(ctx context.Context, addr netip.Addr, hurried error, f detect.Facts) {
	start := time.Now()
	conn, err := egress.Dial(ctx, "tcp", netip.AddrPortFrom(addr, s.port).String())
	if err == nil {
		f[detect.SocketLatency] = detect.Num(time.Since(start).Seconds())
		f[detect.SocketConnect] = detect.Word("ok")
		_ = conn.Close()
		return
	}
	if hurried != nil && isTimeout(err) {
		err = hurried
	}
	kind, why := classify(err)
	if w, ok := connectWords[kind]; ok {
		f[detect.SocketLatency] = detect.Num(time.Since(start).Seconds())
		f[detect.SocketConnect] = detect.Word(w)
		return
	}
	f[detect.SocketConnect] = detect.NotMeasured(why)
}

// table adds what /proc/net says about listeners on the port.
func (s *Socket) table(ctx context.Context, addr netip.Addr, unit, f detect.Facts) {
	if !isLocal(addr, s.port) {
		why := addr.String() + " is not an address of this host"
		f[detect.SocketListening] = detect.NotMeasured(why)
		f[detect.SocketBacklog] = detect.NotMeasured(why)
		return
	}
	ls, err := listening(s.net, netip.AddrPortFrom(addr, s.port))
	if err != nil {
		why := "the kernel's socket table cannot be read: " + bare(err)
		f[detect.SocketListening] = detect.NotMeasured(why)
		f[detect.SocketBacklog] = detect.NotMeasured(why)
		return
	}
	f[detect.SocketListening] = detect.Flag(len(ls) > 0)
	if len(ls) == 0 {
		s.last = search{}
		return
	}
	backlog := 0
	for _, l := range ls { // several with SO_REUSEPORT
		backlog += l.backlog
	}
	f[detect.SocketBacklog] = detect.Num(float64(backlog))
	s.owned(ctx, ls, unit, f)
}

// owned adds whose the listening socket is.
func (s *Socket) owned(ctx context.Context, ls []listener, unit, f detect.Facts) {
	main, _ := mainPID(unit)
	l := s.pick(ls, main)
	o, why := s.owner(ctx, l, main)
	if why != "" {
		for _, name := range [...]string{detect.SocketOwnerPID, detect.SocketOwner, detect.SocketOwnerUser, detect.SocketOwnerService, detect.SocketOwnerOurs} {
			f[name] = detect.NotMeasured(why)
		}
		s.byGroup(l, unit, f)
		s.doubt(len(ls), "", unit, f)
		return
	}
	f[detect.SocketOwnerPID] = detect.Num(float64(o.pid))
	if who := s.proc.user(o.pid); who != "" {
		f[detect.SocketOwnerUser] = detect.Word(who)
	}
	put := func(name, value string, err error) {
		switch {
		case err != nil:
			f[name] = detect.NotMeasured(s.proc.why(o.pid, err))
		case value != "":
			f[name] = detect.Word(value)
		}
	}
	comm, err := s.proc.command(o.pid)
	put(detect.SocketOwner, comm, err)
	_, path, err := s.proc.cgroup(o.pid)
	name := unitOf(path)
	put(detect.SocketOwnerService, name, err)
	switch {
	case o.ours, s.unit != "" && name == s.unit:
		f[detect.SocketOwnerOurs] = detect.Flag(true)
	case main > 0 || (s.unit != "" && err == nil):
		f[detect.SocketOwnerOurs] = detect.Flag(false)
	default:
		f[detect.SocketOwnerOurs] = detect.NotMeasured("neither the unit nor its main process is known")
	}
	s.doubt(len(ls), path, unit, f)
}

// pick chooses among the listeners of one port (SO_REUSEPORT) one that a process of the unit holds.
func (s *Socket) pick(ls []listener, main int) listener {
	if len(ls) == 1 || main <= 0 {
		return ls[0]
	}
	left := maxLinks
	pids := s.proc.processes(main)
	for _, l := range ls {
		for _, pid := range pids {
			if fd, _ := s.proc.holds(pid, socketName(l.inode), &left); fd != "" {
				return l
			}
		}
	}
	return ls[0]
}

// doubt takes back that a listener is a stranger where it may well serve for the unit: it hands the socket
// or what comes in on to others, or shares the port with listeners that were not looked at.
func (s *Socket) doubt(listeners int, path string, unit, f detect.Facts) {
	if !f.False(detect.SocketOwnerOurs) {
		return
	}
	why := handsOn(f.Text(detect.SocketOwner), path, f.Text(detect.SocketOwnerService))
	dead := over(unit) || unit.Text(detect.WorkloadState) == detect.StateRetrying
	main, _ := mainPID(unit)
	switch {
	case why == activation:
	case dead: // nothing of the unit is there that it could serve for
		return
	case why != "":
	case listeners > 1:
		why = "several processes listen on the port"
	case main == 0:
		why = "the unit has no main process, so what belongs to it cannot be told"
	default:
		return
	}
	f[detect.SocketOwnerOurs] = detect.NotMeasured(why)
}

const activation = "the listener hands its sockets on (socket activation)"

// handsOn says why a listener may stand for another program; "" when nothing is known of that.
func handsOn(comm, path, unit string) string {
	switch comm {
	case "systemd", "inetd", "xinetd", "launchd", "s6-fdholderd":
		return activation
	case "docker-proxy", "rootlessport", "rootlesskit", "slirp4netns", "pasta", "pasta.avx2", "passt", "conmon", "gvproxy", "kube-proxy", "containerd-shim", "containerd-shim-":
		return comm + " passes the port on to a container"
	}
	if strings.HasSuffix(unit, ".scope") && slices.ContainsFunc([]string{"docker-", "libpod-", "crio-", "cri-containerd-", "machine-", "lxc-", "lxc."}, func(p string) bool {
		return strings.HasPrefix(unit, p)
	}) {
		return "the listener runs in a container"
	}
	for _, part := range []string{"/docker/", "/lxc/", "/lxc.payload", "/kubepods", "/machine.slice/", "/libpod_parent"} {
		if strings.Contains(path, part) {
			return "the listener runs in a container"
		}
	}
	return ""
}

// byGroup says what can be said of an owner whose descriptors we may not see: its unit, by the control
// group in which the socket was made, and whether it can be the target's.
func (s *Socket) byGroup(l listener, unit, f detect.Facts) {
	k := &s.last
	if !k.asked {
		k.asked = true
		if id, err := cgroupOf(l.inode); err == nil {
			k.group, k.found = s.proc.groupByID(id)
		}
		if s.unit != "" {
			own, there := s.proc.groupOfUnit(s.unit)
			k.unitEmpty = !there || len(own.pids) == 0
		}
	}
	name := unitOf(k.group.path)
	switch {
	case k.found && name != "":
		f[detect.SocketOwnerService] = detect.Word(name)
		if s.unit != "" {
			f[detect.SocketOwnerOurs] = detect.Flag(name == s.unit)
		}
		// The socket may have been handed on within the group; its first process stands for it.
		if pid := k.group.leader(); pid > 0 {
			f[detect.SocketOwnerPID] = detect.Num(float64(pid))
			if comm := s.proc.commandOf(pid); comm != "" {
				f[detect.SocketOwner] = detect.Word(comm)
			} else {
				delete(f, detect.SocketOwner)
			}
			if who := s.proc.user(pid); who != "" {
				f[detect.SocketOwnerUser] = detect.Word(who)
			}
		}
	case k.unitEmpty && over(unit):
		// Nothing of the unit is left that could hold it.
		f[detect.SocketOwnerOurs] = detect.Flag(false)
	}
}

// over reports that the platform says that the unit has ended.
func over(unit detect.Facts) bool {
	state := unit.Text(detect.WorkloadState)
	return state == detect.StateFailed || state == detect.StateStopped
}

// owner finds who holds the socket, from memory while that is still true.
func (s *Socket) owner(ctx context.Context, l listener, main int) (owner, string) {
	if k := s.last; k.inode == l.inode && k.main == main {
		if k.why == "" && s.proc.still(k.owner, l.inode) {
			return k.owner, ""
		}
		if k.why != "" && time.Since(k.at) < searchAgain {
			return owner{}, k.why
		}
	}
	var pids []int
	if main > 0 {
		pids = s.proc.processes(main)
	}
	o, why := s.proc.findOwner(ctx, l.inode, pids)
	if why != "" {
		if u, err := user.LookupId(strconv.Itoa(l.uid)); err == nil {
			why += "; the socket was made by user " + u.Username
		}
	}
	s.last = search{}
	if ctx.Err() == nil {
		s.last = search{inode: l.inode, main: main, owner: o, why: why, at: time.Now()}
	}
	return o, why
}

// isLocal reports whether an address belongs to this host. The kernel chooses the destination
// itself as the source towards a local address; connecting a UDP socket asks it, sends nothing,
// and needs no netlink socket, which a sandbox may forbid.
func isLocal(addr netip.Addr, port uint16) bool {
	if addr.IsLoopback() || addr.IsUnspecified() {
		return true
	}
	c, err := egress.Dial(context.Background(), "udp", netip.AddrPortFrom(addr, port).String())
	if err != nil {
		return false
	}
	defer c.Close() //nolint:errcheck // nothing was sent
	local, err := netip.ParseAddrPort(c.LocalAddr().String())
	return err == nil && local.Addr().Unmap() == addr.Unmap()
}
