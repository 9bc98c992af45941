package httpserve

import (
	"net"
	"net/netip"
	"sync"
)

// Connections that a listener keeps open. A stranger who opens thousands closes only those of
// strangers: the daemon has 4,096 descriptors as packaged, and watching some hundred targets, paging
// and the journal take some hundred of them. A browser takes up to seven, a scrape one.
const (
	mostOpen     = 128
	mostOpenEach = 64 // of one address, and of one user on the control socket
	// socketBuffer bounds what the kernel holds for one connection in each direction: it counts
	// as memory of the unit, and grows to megabytes for a client that does not read.
	socketBuffer = 64 << 10
)

// crowd lets in everybody, and closes the oldest connection of whoever has most when there are too
// many. So a request that is answered at once is answered in a flood too, and what waits for nothing
// goes first. Nobody waits in the kernel's queue, where nothing bounds the waiting.
type crowd struct {
	net.Listener
	most, each int
	who        func(net.Conn) string

	mu   sync.Mutex // guards what follows
	open map[string][]*counted
	all  int
}

// counted is one connection of a crowd.
type counted struct {
	net.Conn
	crowd *crowd
	from  string
	once  sync.Once
}

func newCrowd(l net.Listener, most, each int, who func(net.Conn) string) *crowd {
	return &crowd{Listener: l, most: most, each: each, who: who, open: map[string][]*counted{}}
}

// Accept returns the next connection.
func (c *crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if b, ok := conn.(interface {
		SetReadBuffer(int) error
		SetWriteBuffer(int) error
	}); ok {
		_ = b.SetReadBuffer(socketBuffer) // the connection is gone already: the first read says so
		_ = b.SetWriteBuffer(socketBuffer)
	}
	in := &counted{Conn: conn, crowd: c, from: c.who(conn)}
	if out := c.enter(in); out != nil {
		_ = out.Close() // nobody is left to tell
	}
	return in, nil
}

// enter counts a connection and returns the one that has to go for it, or nil.
func (c *crowd) enter(in *counted) *counted {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[in.from] = append(c.open[in.from], in)
	c.all++
	from := in.from
	if len(c.open[from]) <= c.each {
		if c.all <= c.most {
			return nil
		}
		for other, conns := range c.open {
			if len(conns) > len(c.open[from]) {
				from = other
			}
		}
	}
	return c.open[from][0]
}

func (c *crowd) leave(out *counted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conns := c.open[out.from]
	for i, conn := range conns {
		if conn == out {
			conns = append(conns[:i], conns[i+1:]...)
			c.all--
			break
		}
	}
	if c.open[out.from] = conns; len(conns) == 0 {
		delete(c.open, out.from)
	}
}

// Close closes the connection.
func (c *counted) Close() error {
	c.once.Do(func() { c.crowd.leave(c) })
	return c.Conn.Close()
}

// address is who is on the other end of a TCP connection. A network of IPv6 is one: whoever has an
// address there has all of its 2^64.
func address(c net.Conn) string {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return ""
	}
	ip := a.Addr().Unmap()
	if ip.Is6() {
		if p, err := ip.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}
