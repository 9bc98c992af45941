package evidence

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxSockets bounds how many lines of the kernel's table are read.
	maxSockets = 200_000
	// shownPorts and shownPeers bound what is listed of them.
	shownPorts, shownPeers = 60, 20
)

// states are the states of TCP by their number in the kernel's table.
var states = map[string]string{"01": "established", "02": "syn-sent", "03": "syn-recv", "04": "fin-wait-1", "05": "fin-wait-2",
	"06": "time-wait", "07": "close", "08": "close-wait", "09": "last-ack", "0A": "listen", "0B": "closing", "0C": "new-syn-recv"}

// port is what happens at one listening port.
type port struct {
	address string
	uid     string
	waiting uint64 // connections not accepted yet
	states  map[string]int
}

// socketTable is the kernel's table, counted.
type socketTable struct {
	total  map[string]int
	ports  map[uint16]*port
	peers  map[string]int // remote address of established connections that we made
	others []entry
	lines  int
}

// entry is one connection, kept until it is known which ports listen.
type entry struct {
	local, remote netip.AddrPort
	state         string
}

// gatherSockets lists who listens and how many connections each port has.
func gatherSockets(ctx context.Context, _ *scene, p *page) error { return proc.sockets(ctx, p) }

func (r procRoot) sockets(ctx context.Context, p *page) error {
	t := socketTable{total: map[string]int{}, ports: map[uint16]*port{}, peers: map[string]int{}}
	err := t.read(ctx, string(r)+"/net/tcp")
	if err6 := t.read(ctx, string(r)+"/net/tcp6"); !errors.Is(err6, os.ErrNotExist) { // IPv6 may be off
		err = errors.Join(err, err6)
	}
	t.sort()
	t.print(p)
	return err
}

func (t *socketTable) read(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() // read only: nothing to lose
	lines := bufio.NewScanner(f)
	lines.Scan() // the headings
	for lines.Scan() {
		if t.lines++; t.lines > maxSockets {
			return fmt.Errorf("only %d sockets were counted", maxSockets)
		}
		if t.lines%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		t.add(lines.Text())
	}
	return lines.Err()
}

// add counts one line; one of unknown form is left out.
//
//	sl  local_address rem_address   st tx_queue:rx_queue tr:tm->when retrnsmt   uid  timeout inode
func (t *socketTable) add(line string) {
	f := strings.Fields(line)
	if len(f) < 10 {
		return
	}
	local, ok := address(f[1])
	remote, ok2 := address(f[2])
	if !ok || !ok2 {
		return
	}
	state := states[f[3]]
	if state == "" {
		state = "state " + f[3]
	}
	t.total[state]++
	if state != "listen" {
		t.others = append(t.others, entry{local, remote, state})
		return
	}
	_, rx, _ := strings.Cut(f[4], ":")
	waiting, _ := strconv.ParseUint(rx, 16, 32) // of a listening socket: connections not accepted yet
	x := t.ports[local.Port()]
	if x == nil {
		x = &port{states: map[string]int{}, uid: f[7]}
		t.ports[local.Port()] = x
	} else {
		x.address += ", "
	}
	x.address += local.String()
	x.waiting += waiting
}

// sort puts each connection to the port that was connected to.
func (t *socketTable) sort() {
	for _, e := range t.others {
		if x := t.ports[e.local.Port()]; x != nil {
			x.states[e.state]++
		} else if e.state == "established" {
			t.peers[e.remote.String()]++
		}
	}
}

func (t *socketTable) print(p *page) {
	p.line("all TCP sockets: %s", counts(t.total))
	p.line("listening:")
	ports := slices.Sorted(maps.Keys(t.ports))
	for _, n := range ports[:min(len(ports), shownPorts)] {
		x := t.ports[n]
		waiting := ""
		if x.waiting > 0 {
			waiting = fmt.Sprintf(", %d wait to be accepted", x.waiting)
		}
		p.line("  %-28s uid %-6s %s%s", x.address, x.uid, counts(x.states), waiting)
	}
	if n := len(ports) - shownPorts; n > 0 {
		p.line("  and %d more", n)
	}
	peers := slices.Collect(maps.Keys(t.peers))
	slices.SortFunc(peers, func(a, b string) int {
		if t.peers[a] != t.peers[b] {
			return t.peers[b] - t.peers[a]
		}
		return strings.Compare(a, b)
	})
	p.line("connected from here to:")
	for _, peer := range peers[:min(len(peers), shownPeers)] {
		p.line("  %-28s established %d", peer, t.peers[peer])
	}
	if n := len(peers) - shownPeers; n > 0 {
		p.line("  and %d more", n)
	}
}

func counts(m map[string]int) string {
	if len(m) == 0 {
		return "no connection"
	}
	var parts []string
	for _, s := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", s, m[s]))
	}
	return strings.Join(parts, ", ")
}

// address reads "0100007F:1F40": words of 32 bits in the byte order of the host, and the port.
func address(s string) (netip.AddrPort, bool) {
	ip, portText, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(ip)
	n, err2 := strconv.ParseUint(portText, 16, 16)
	if err != nil || err2 != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	a, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), true
}
