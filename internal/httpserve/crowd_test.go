package httpserve

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// closed reports whether the other side has closed a connection.
func closed(t *testing.T, c net.Conn) bool {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, err := c.Read(make([]byte, 1))
	return err == io.EOF
}

func TestOfTooManyConnectionsTheOldestOfWhoeverHasMostIsClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	froms := make(chan string, 1)
	c := newCrowd(l, 4, 3, func(net.Conn) string { return <-froms })
	defer c.Close() //nolint:errcheck // nothing follows
	join := func(from string) net.Conn {
		froms <- from
		out, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = out.Close() })
		in, err := c.Accept()
		require.NoError(t, err)
		t.Cleanup(func() { _ = in.Close() })
		return out
	}
	first := join("flood")
	join("flood")
	third := join("flood")
	fourth := join("flood")
	require.True(t, closed(t, first), "an address has its own bound")
	quiet := join("somebody")
	require.Equal(t, 4, c.all)
	join("another")
	require.Equal(t, map[string]int{"flood": 2, "somebody": 1, "another": 1}, map[string]int{"flood": len(c.open["flood"]), "somebody": len(c.open["somebody"]), "another": len(c.open["another"])})
	for _, stays := range []net.Conn{third, fourth, quiet} {
		require.NoError(t, stays.SetReadDeadline(time.Now().Add(time.Millisecond)))
		_, err := stays.Read(make([]byte, 1))
		require.ErrorContains(t, err, "timeout", "it is open")
	}
	for len(c.open["flood"]) > 0 {
		require.NoError(t, c.open["flood"][0].Close())
	}
	require.Equal(t, 2, c.all)
	require.NotContains(t, c.open, "flood", "nothing is kept of who has gone")
}

func TestAddressesOfOneNetworkAreOne(t *testing.T) {
	for from, who := range map[string]string{
		"10.0.0.7:4000": "10.0.0.7", "[::ffff:10.0.0.7]:4000": "10.0.0.7",
		"[2001:db8::1]:4000": "2001:db8::/64", "[2001:db8::ffff:1]:4000": "2001:db8::/64", "[fe80::1%lo]:4000": "fe80::/64",
	} {
		a, err := net.ResolveTCPAddr("tcp", from)
		require.NoError(t, err)
		require.Equal(t, who, address(remote{addr: a}), from)
	}
}

type remote struct {
	net.Conn
	addr net.Addr
}

func (r remote) RemoteAddr() net.Addr { return r.addr }

func TestAFloodIsAnsweredInTurnsAndClosedInTheEnd(t *testing.T) {
	var working, most atomic.Int32
	pages := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		now := working.Add(1)
		defer working.Add(-1)
		for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
		}
		_, _ = w.Write(bytes.Repeat([]byte("x"), freeBytes))
	})
	s, err := New(Options{Gatherer: prometheus.NewRegistry(), Logger: zap.NewNop(), Listen: "127.0.0.1:0", Pages: pages})
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Stop(ctx) // slow readers are still there
		_ = s.tcp.Close()
		require.NoError(t, <-served)
	})
	var flood []net.Conn
	for i := range 600 {
		c, err := net.Dial("tcp", s.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		flood = append(flood, c)
		if i%2 == 0 { // never read; the others never ask
			_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
	}
	c := s.lis.(*crowd)
	require.Eventually(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.all <= mostOpenEach }, 5*time.Second, 10*time.Millisecond)
	require.LessOrEqual(t, most.Load(), int32(atOnce))
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Get("http://" + s.Addr().String() + "/metrics")
	require.NoError(t, err, "a scrape is answered in the flood")
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	_, err = io.Copy(io.Discard, bufio.NewReader(flood[0]))
	_ = err // it may have been answered in part before it was closed
}

func TestWhoeverDoesNotReadHoldsNobodysTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		release := make(chan struct{})
		slow := turns.take(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, heldBytes/4+freeBytes)) }))
		for range 4 {
			go slow.ServeHTTP(stuck{httptest.NewRecorder(), release}, httptest.NewRequest(http.MethodGet, "/", nil))
		}
		synctest.Wait()
		w := httptest.NewRecorder()
		begun := time.Now()
		slow.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		require.Equal(t, http.StatusServiceUnavailable, w.Code, "no further bytes are held")
		require.Equal(t, "5", w.Header().Get("Retry-After"))
		require.Equal(t, waitedFor, time.Since(begun))
		small := httptest.NewRecorder()
		turns.take(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(small, httptest.NewRequest(http.MethodGet, "/", nil))
		require.Equal(t, http.StatusOK, small.Code, "and a turn is free")
		close(release)
		synctest.Wait()
		w = httptest.NewRecorder()
		slow.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, heldBytes/4+freeBytes, w.Body.Len())

		w = httptest.NewRecorder()
		turns.take(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, largestOne+1)) })).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		require.Equal(t, http.StatusInsufficientStorage, w.Code)
		require.Contains(t, w.Body.String(), "limit=N")
	})
}

// stuck is a client that reads when it is released.
type stuck struct {
	http.ResponseWriter
	release chan struct{}
}

func (s stuck) Write(b []byte) (int, error) {
	<-s.release
	return len(b), nil
}
