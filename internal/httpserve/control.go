package httpserve

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Command is the body of POST /api/v1/command on the control socket.
type Command struct {
	Verb     incident.CommandVerb `json:"verb"`              // hold, release, pause, resume, ack, approve, retry
	Target   string               `json:"target,omitzero"`   // for hold, release, retry
	Incident string               `json:"incident,omitzero"` // for ack, approve
	By       string               `json:"by"`                // who says so
	Why      string               `json:"why,omitzero"`      //
	For      string               `json:"for,omitzero"`      // Go duration; "" = until taken back
}

// Answer is what a command led to.
type Answer struct {
	Sentence string         `json:"sentence"`
	Target   string         `json:"target,omitzero"`
	Phase    incident.Phase `json:"phase"`
	Reason   string         `json:"reason"`
}

func (s *Server) command(w http.ResponseWriter, r *http.Request) {
	var c Command
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		refuse(w, http.StatusBadRequest, "the command cannot be read: %v", err)
		return
	}
	ev, err := s.event(c, peerOf(r.Context()))
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	rec, err := s.o.Daemon.Ask(r.Context(), ev)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "%v", err)
		return
	}
	reply(w, Answer{Sentence: rec.Sentence, Target: rec.Target, Phase: rec.To, Reason: string(rec.Reason)})
}

// event checks a command and makes an event of it.
func (s *Server) event(c Command, peer string) (incident.Event, error) {
	known := []incident.CommandVerb{incident.CmdHold, incident.CmdRelease, incident.CmdPause, incident.CmdResume,
		incident.CmdAck, incident.CmdApprove, incident.CmdRetry}
	if !slices.Contains(known, c.Verb) {
		return incident.Event{}, fmt.Errorf("unknown command %q (want one of %v)", c.Verb, known)
	}
	if c.By == "" {
		return incident.Event{}, fmt.Errorf("say who you are (--by)")
	}
	cmd := &incident.Command{Verb: c.Verb, Incident: c.Incident, By: c.By + peer, Why: c.Why}
	if c.For != "" {
		d, err := time.ParseDuration(c.For)
		if err != nil || d <= 0 {
			return incident.Event{}, fmt.Errorf("--for %q is no positive duration (such as 30m or 2h)", c.For)
		}
		cmd.Until = time.Now().Add(d)
	}
	ev := incident.Event{Kind: incident.Operator, Target: c.Target, Command: cmd}
	switch c.Verb {
	case incident.CmdPause, incident.CmdResume:
		ev.Target = ""
		return ev, nil
	case incident.CmdAck, incident.CmdApprove:
		i, ok := s.o.Daemon.State().Incidents[c.Incident]
		if !ok {
			return incident.Event{}, fmt.Errorf("there is no open incident %q (see: recoveryd incidents)", c.Incident)
		}
		ev.Target = i.Target
		return ev, nil
	}
	if _, ok := s.o.Daemon.Policy().Target(c.Target); !ok {
		return incident.Event{}, fmt.Errorf("there is no target %q (see: recoveryd status)", c.Target)
	}
	return ev, nil
}

// guarded lets only root and the daemon's own user in: whoever may command recoveryd may restart
// services.
type guarded struct{ net.Listener }

// Accept returns the next connection of an allowed peer.
func (g guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if uid, err := peerUID(c); err == nil && (uid == 0 || uid == uint32(os.Geteuid())) {
			return c, nil
		}
		_ = c.Close() // not allowed: nothing to say to it
	}
}

// peerUID asks the kernel who is on the other end.
func peerUID(c net.Conn) (uint32, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return 0, fmt.Errorf("not a unix connection")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var cerr error
	if err := raw.Control(func(fd uintptr) { cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return 0, err
	}
	if cerr != nil {
		return 0, cerr
	}
	return cred.Uid, nil
}

type peerKey struct{}

// rememberPeer keeps who is on the other end of a connection, for the record of its commands.
func rememberPeer(ctx context.Context, c net.Conn) context.Context {
	if uid, err := peerUID(c); err == nil {
		return context.WithValue(ctx, peerKey{}, fmt.Sprintf(" (uid %d)", uid))
	}
	return ctx
}

func peerOf(ctx context.Context) string {
	s, _ := ctx.Value(peerKey{}).(string)
	return s
}
