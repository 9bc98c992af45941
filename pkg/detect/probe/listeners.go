package probe

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
)

// listener is one listening TCP socket of this host.
type listener struct {
	addr    netip.AddrPort
	backlog int    // connections that wait to be accepted
	uid     int    // user that made the socket
	inode   uint64 // names the socket in /proc/PID/fd
}

// stateListen is TCP_LISTEN in the column "st".
const stateListen = "0A"

// listening reads the sockets that a connection to addr:port reaches, from /proc/net/tcp and tcp6.
//
// The kernel lists listening sockets before all others, so reading stops at the first that does
// not listen. Even so it walks its whole table of connections when there are few, which costs 1 to
// 2 ms a file on a host with the usual 262144 buckets. A file that cannot matter is not read.
func listening(dir string, addr netip.AddrPort) ([]listener, error) {
	if addr.Addr().Is4() {
		all, err := readListeners(dir+"/tcp", addr.Port())
		if ls := serving(all, addr.Addr()); err != nil || len(ls) > 0 {
			return ls, err
		}
	}
	all, err := readListeners(dir+"/tcp6", addr.Port())
	if errors.Is(err, os.ErrNotExist) { // IPv6 is off
		err = nil
	}
	return serving(all, addr.Addr()), err
}

func readListeners(path string, port uint16) ([]listener, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	var found []listener
	buf := make([]byte, 0, 8192)
	header := true
	for {
		n, err := f.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		for {
			line, rest, whole := bytes.Cut(buf, []byte{'\n'})
			if !whole {
				break
			}
			if !header {
				l, more, err := parseSocket(line, port)
				if err != nil {
					return found, fmt.Errorf("%s: %w", path, err)
				}
				if !more {
					return found, nil
				}
				if l.inode != 0 || l.addr.IsValid() {
					found = append(found, l)
				}
			}
			header = false
			buf = append(buf[:0], rest...)
		}
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		if len(buf) == cap(buf) {
			return found, fmt.Errorf("%s: a line of more than %d bytes", path, cap(buf))
		}
	}
}

// parseSocket reads one line. more is false when it does not listen; the listener is empty when
// it is of another port.
//
//	sl  local_address rem_address   st tx_queue:rx_queue tr:tm->when retrnsmt   uid  timeout inode
func parseSocket(line []byte, port uint16) (l listener, more bool, err error) {
	f := bytes.Fields(line)
	if len(f) < 10 {
		return l, false, errors.New("a line of unknown form")
	}
	if string(f[3]) != stateListen {
		return l, false, nil
	}
	addr, err := parseAddr(f[1])
	if err != nil || addr.Port() != port {
		return l, true, err
	}
	// For a listening socket the receive queue is the number of connections not yet accepted.
	_, rx, ok := bytes.Cut(f[4], []byte{':'})
	backlog, err1 := strconv.ParseUint(string(rx), 16, 31)
	uid, err2 := strconv.Atoi(string(f[7]))
	inode, err3 := strconv.ParseUint(string(f[9]), 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil || !ok {
		return l, false, errors.New("a line of unknown form")
	}
	return listener{addr: addr, backlog: int(backlog), uid: uid, inode: inode}, true, nil
}

// parseAddr reads "0100007F:1F40": words of 32 bits in the byte order of the host, and the port.
func parseAddr(b []byte) (netip.AddrPort, error) {
	ip, port, ok := bytes.Cut(b, []byte{':'})
	raw := make([]byte, hex.DecodedLen(len(ip)))
	_, err1 := hex.Decode(raw, ip)
	p, err2 := strconv.ParseUint(string(port), 16, 16)
	if err := errors.Join(err1, err2); err != nil || !ok || (len(raw) != 4 && len(raw) != 16) {
		return netip.AddrPort{}, fmt.Errorf("an address of unknown form: %.40q", b)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(p)), nil
}

// serving picks the listeners that a connection to addr reaches: those bound to that very
// address, or else those bound to all addresses.
func serving(all []listener, addr netip.Addr) []listener {
	var exact, wild []listener
	for _, l := range all {
		switch a := l.addr.Addr(); {
		case a == addr:
			exact = append(exact, l)
		// A socket on [::] also serves IPv4, unless it was told not to, which the table does not say.
		case a.IsUnspecified() && (a.Is4() == addr.Is4() || a.Is6()):
			wild = append(wild, l)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return wild
}
