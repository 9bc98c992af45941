package app

import (
	"net"
	"os"
	"time"
)

// herald tells the service manager the same things over and over, on one socket: making a new one each
// time costs more than what is said. It belongs to one goroutine.
type herald struct {
	path string // of the manager's socket; "" when there is no manager
	conn *net.UnixConn
}

// newHerald takes the address that the service manager gave us.
func newHerald() *herald { return &herald{path: os.Getenv("NOTIFY_SOCKET")} }

// tell sends one message. A socket that does not take it is made anew once: the manager may have made
// its own anew. What then still fails is nobody's loss: without a manager there is nobody to tell.
func (h *herald) tell(message string) error {
	if h.path == "" {
		return nil
	}
	var err error
	for range 2 {
		if h.conn == nil {
			if h.conn, err = net.DialUnix("unixgram", nil, &net.UnixAddr{Name: h.path, Net: "unixgram"}); err != nil {
				h.conn = nil
				return err
			}
		}
		// A manager that reads nothing must not hold up the loop that feeds its watchdog.
		_ = h.conn.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err = h.conn.Write([]byte(message)); err == nil {
			return nil
		}
		h.close()
	}
	return err
}

func (h *herald) close() {
	if h.conn != nil {
		_ = h.conn.Close()
		h.conn = nil
	}
}
