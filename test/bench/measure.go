package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/recoveryd/recoveryd/test/target/control"
)

// measureVerb is how bench calls itself in the lab's network: there one process injects the fault
// and asks the server until it is healthy again, with nothing in between but the kernel.
const measureVerb = "measure"

// sample is one measured recovery. Times are those of CLOCK_MONOTONIC in nanoseconds, which systemd
// uses too.
type sample struct {
	Fault   int64 `json:"fault"`
	Healthy int64 `json:"healthy"`
	Failed  int   `json:"failed"` // questions without a healthy answer in between
}

// took is the time from the fault to the first healthy answer.
func (s sample) took() time.Duration { return time.Duration(s.Healthy - s.Fault) }

// Asking: often enough to be exact, and a hung server must not keep the clock waiting.
const (
	pause   = time.Millisecond
	patient = 250 * time.Millisecond
)

// measure injects a fault and waits for the first healthy answer after it.
func measure(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet(measureVerb, flag.ContinueOnError)
	addr := flags.String("addr", "", "host:port of the server")
	pid := flags.Int("pid", 0, "process to signal")
	sig := flags.Int("signal", 0, "signal to send")
	socket := flags.String("wedge", "", "control socket by which to wedge it instead")
	limit := flags.Duration("limit", time.Minute, "give up after")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if !healthy(*addr) {
		return fmt.Errorf("%s is not healthy before the fault", *addr)
	}
	var s sample
	if *socket != "" {
		if err := control.New("unix:"+*socket, nil).Set(ctx, "wedge"); err != nil {
			return err
		}
		s.Fault = monotonic() // the answer of the control endpoint has come: it has taken hold
	} else {
		if *pid < 2 {
			return errors.New("no process to signal")
		}
		s.Fault = monotonic()
		if err := unix.Kill(*pid, unix.Signal(*sig)); err != nil {
			return fmt.Errorf("signal %d to process %d: %w", *sig, *pid, err)
		}
	}
	for {
		// A dying process may answer what it had in hand: a failure must have been seen.
		if healthy(*addr) {
			if s.Failed > 0 {
				s.Healthy = monotonic()
				return json.NewEncoder(out).Encode(s)
			}
		} else {
			s.Failed++
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not healthy within %s", *limit)
		case <-time.After(pause):
		}
	}
}

// healthy asks once, with as little as possible around the question.
func healthy(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, patient)
	if err != nil {
		return false
	}
	defer conn.Close() //nolint:errcheck // it was for one question
	if conn.SetDeadline(time.Now().Add(patient)) != nil {
		return false
	}
	if _, err := io.WriteString(conn, "GET /health/status HTTP/1.0\r\nHost: bench\r\n\r\n"); err != nil {
		return false
	}
	reply, err := io.ReadAll(conn)
	return err == nil && bytes.Contains(reply, []byte(`"status":"healthy"`))
}

// monotonic reads the clock that systemd's ...Monotonic properties use.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // there is no Linux without it
	}
	return ts.Nano()
}
