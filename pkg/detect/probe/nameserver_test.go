package probe

import (
	"bytes"
	"context"
	"net"
)

// useNameServer lets all tests ask a name server of our own that knows no name: the one of the
// machine may be missing, or be one that never answers. Names of /etc/hosts are still found.
func useNameServer() error {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { // ends with the process
		query := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(query)
			if err != nil {
				return
			}
			if answer := noSuchName(query[:n]); answer != nil {
				_, _ = server.WriteTo(answer, from)
			}
		}
	}()
	net.DefaultResolver.PreferGo = true
	net.DefaultResolver.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server.LocalAddr().String())
	}
	return nil
}

// noSuchName answers a question of DNS with NXDOMAIN; nil when it is none.
func noSuchName(query []byte) []byte {
	const header = 12
	if len(query) < header {
		return nil
	}
	end := bytes.IndexByte(query[header:], 0) // of the name
	if end < 0 || header+end+5 > len(query) {
		return nil
	}
	answer := bytes.Clone(query[:header+end+5]) // with type and class
	answer[2], answer[3] = 0x81, 0x83           // a response; recursion was available; no such name
	copy(answer[6:header], make([]byte, 6))     // nothing but the question follows
	return answer
}
