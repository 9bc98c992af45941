package httpserve

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Command is the body of POST /api/v1/command on the control socket.
type Command struct {
	Verb     incident.CommandVerb `json:"verb"`              // hold, release, pause, resume, ack, close, approve, retry, recover, forget
	Target   string               `json:"target,omitzero"`   // for hold, release, retry, recover, forget
	Incident string               `json:"incident,omitzero"` // for ack, close, approve
	By       string               `json:"by"`                // who says so
	Strategy string               `json:"strategy,omitzero"` // for recover and forget; "" = the whole ladder, all
	DryRun   bool                 `json:"dry_run,omitzero"`  // for recover and playbook-run: say what would come of it, and do nothing
	Playbook string               `json:"playbook,omitzero"` // for playbook-run
	Run      string               `json:"run,omitzero"`      // for playbook-approve, playbook-stop
	Why      string               `json:"why,omitzero"`      //
	For      string               `json:"for,omitzero"`      // Go duration; "" = until taken back
}

// Answer is what a command led to.
type Answer struct {
	Sentence string         `json:"sentence"`
	Target   string         `json:"target,omitzero"`
	Phase    incident.Phase `json:"phase"`
	Reason   string         `json:"reason"`
	// Refused says that the command led to nothing. Sentence says why.
	Refused bool `json:"refused,omitzero"`
	// Done says of recover that the first action was begun (of a dry run: would be), and of
	// playbook-stop that there was something to end.
	Done bool `json:"done,omitzero"`
	// Rungs is, of a dry run, what each rung would do now.
	Rungs []incident.RungView `json:"rungs,omitzero"`
	// Run is the run of a playbook that the command was about, as it stands after it.
	Run *incident.Run `json:"run,omitzero"`
}

func (s *Server) command(w http.ResponseWriter, r *http.Request) {
	var c Command
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		refuse(w, http.StatusBadRequest, "the command cannot be read: %v", err)
		return
	}
	ev, err := s.event(r.Context(), c)
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	if c.DryRun {
		reply(w, s.rehearse(ev))
		return
	}
	rec, err := s.o.Daemon.Ask(r.Context(), ev)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "%v", err)
		return
	}
	reply(w, answerOf(rec))
}

// reload answers 422 when the configuration is refused: the error has a line for everything that is wrong.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	done, err := s.o.Reload(r.Context())
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, "%v", err)
		return
	}
	reply(w, done)
}

func answerOf(rec incident.Record) Answer {
	begun := slices.ContainsFunc(rec.Effects, func(e incident.Effect) bool { return e.Kind == incident.Perform })
	return Answer{Sentence: rec.Sentence, Target: rec.Target, Phase: rec.To, Reason: string(rec.Reason), Refused: rec.Refused, Done: begun || rec.Run != nil || rec.Reason == incident.Mended, Run: rec.Run}
}

// rehearse takes the step that the command would take, and drops it: the core decides by the state
// and the time alone, so that this is what would happen now, guards and all. What waits for a fresh look
// is shown with the last one.
func (s *Server) rehearse(ev incident.Event) Answer {
	state, now := s.o.Daemon.State(), time.Now()
	next, rec := s.o.Daemon.Policy().Step(state, now, ev)
	if rec.Waits() && !rec.After.Last.At.IsZero() {
		last := rec.After.Last
		_, rec = s.o.Daemon.Policy().Step(next, now, incident.Event{Kind: incident.Observed, Target: ev.Target, Observation: &last})
	}
	a := answerOf(rec)
	if ev.Command.Verb == incident.CmdRecover {
		a.Rungs = s.o.Daemon.Policy().Rungs(state, now, ev.Target, ev.Command.Strategy)
	}
	return a
}

// event checks a command and makes an event of it.
func (s *Server) event(ctx context.Context, c Command) (incident.Event, error) {
	known := []incident.CommandVerb{incident.CmdHold, incident.CmdRelease, incident.CmdPause, incident.CmdResume,
		incident.CmdAck, incident.CmdClose, incident.CmdApprove, incident.CmdRetry, incident.CmdRecover, incident.CmdForget,
		incident.CmdPlay, incident.CmdPlayApprove, incident.CmdPlayStop}
	if !slices.Contains(known, c.Verb) {
		return incident.Event{}, fmt.Errorf("unknown command %q (want one of %v)", c.Verb, known)
	}
	if c.By == "" {
		return incident.Event{}, fmt.Errorf("say who you are (--by)")
	}
	cmd := &incident.Command{Verb: c.Verb, Incident: c.Incident, By: c.By + peerOf(ctx), Why: c.Why}
	switch {
	case c.Strategy != "" && c.Verb != incident.CmdRecover && c.Verb != incident.CmdForget:
		return incident.Event{}, fmt.Errorf("strategy is for recover and forget only")
	case c.DryRun && c.Verb != incident.CmdRecover && c.Verb != incident.CmdPlay:
		return incident.Event{}, fmt.Errorf("dry_run is for recover and playbook-run only")
	}
	cmd.Strategy, cmd.Playbook, cmd.Run = c.Strategy, c.Playbook, c.Run
	if c.For != "" {
		d, err := time.ParseDuration(c.For)
		if err != nil || d <= 0 {
			return incident.Event{}, fmt.Errorf("--for %q is no positive duration (such as 30m or 2h)", c.For)
		}
		cmd.Until = time.Now().Add(d)
	}
	ev := incident.Event{Kind: incident.Operator, Target: c.Target, Command: cmd}
	switch c.Verb {
	case incident.CmdPause, incident.CmdResume, incident.CmdPlay, incident.CmdPlayApprove, incident.CmdPlayStop:
		ev.Target = ""
		return ev, nil
	case incident.CmdAck, incident.CmdApprove, incident.CmdClose:
		st := s.o.Daemon.State()
		i, ok := st.Incidents[c.Incident]
		if !ok && c.Verb == incident.CmdAck && slices.ContainsFunc(st.Host.Troubles, func(t incident.Trouble) bool { return t.Run == c.Incident }) {
			return ev, nil
		}
		if !ok {
			return incident.Event{}, s.notOpen(ctx, c, st)
		}
		ev.Target = i.Target
		return ev, nil
	}
	if _, ok := s.o.Daemon.Policy().Target(c.Target); !ok {
		return incident.Event{}, s.noTarget(c.Target)
	}
	return ev, nil
}

func (s *Server) noTarget(name string) error {
	var names []string
	for _, t := range s.o.Daemon.Policy().Targets() {
		names = append(names, t.Name)
	}
	return fmt.Errorf("there is no target %q%s (see: recoveryd status)", name, detect.Meant(name, names))
}

// notOpen says what the thing is that a word about an open incident named.
func (s *Server) notOpen(ctx context.Context, c Command, st incident.State) error {
	names := slices.Sorted(maps.Keys(st.Incidents))
	run := st.Host.Run != nil && st.Host.Run.ID == c.Incident
	for _, t := range st.Host.Troubles {
		run = run || t.Run == c.Incident
		names = append(names, t.Run)
	}
	switch i, _, err := s.o.Daemon.Incident(ctx, c.Incident); {
	case run:
		return fmt.Errorf("%s is the run of a playbook and no incident: recoveryd playbook approve or stop %s", c.Incident, c.Incident)
	case err == nil && i.ID == c.Incident && !i.Open():
		return fmt.Errorf("incident %s has ended at %s already: nothing is left to %s (see: recoveryd report %s)", i.ID, i.Closed.UTC().Format(time.DateTime+" MST"), c.Verb, i.ID)
	}
	for _, id := range names {
		if st.Incidents[id] != nil && st.Incidents[id].Target == c.Incident {
			return fmt.Errorf("%q is a target; its open incident is %s", c.Incident, id)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("there is no open incident %q, and no other one (see: recoveryd incidents)", c.Incident)
	}
	return fmt.Errorf("there is no open incident %q%s (see: recoveryd incidents)", c.Incident, detect.Meant(c.Incident, names))
}

// guarded lets only root and the daemon's own user in: whoever may command recoveryd may restart
// services.
type guarded struct {
	net.Listener
	may func(uid uint32) bool
}

// mayCommand is who may: root, and the user that the daemon runs as.
func mayCommand(uid uint32) bool { return uid == 0 || uid == uint32(os.Geteuid()) }

// Accept returns the next connection of an allowed peer.
func (g guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if uid, err := peerUID(c); err == nil && g.may(uid) {
			return c, nil
		}
		_ = c.Close() // not allowed: nothing to say to it
	}
}

// peerUID asks the kernel who is on the other end.
func peerUID(c net.Conn) (uint32, error) {
	if in, ok := c.(*counted); ok {
		c = in.Conn
	}
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

// user is who is on the other end of a connection of the control socket.
func user(c net.Conn) string {
	uid, err := peerUID(c)
	if err != nil {
		return ""
	}
	return strconv.FormatUint(uint64(uid), 10)
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
