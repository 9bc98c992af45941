package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// whileHostStalls is what a look finds when everything on the host waits for memory.
func whileHostStalls(f detect.Facts) detect.Facts { return but(f, detect.HostMemoryStall, 76.33) }

func TestADatabaseThatIsLateOnAHostThatStallsIsNotRestarted(t *testing.T) {
	s := quiet(t)
	for range 10 { // PostgreSQL and both servers are late together: two kinds of evidence
		s.in(3*time.Second).sees("codebase", whileHostStalls(noReply("c1"))).sees("workflow", whileHostStalls(noReply("w1"))).
			sees("postgres", whileHostStalls(frozen("p1")))
	}
	s.heldBy("postgres", HoldStall).noAction().tells()
	require.Contains(t, s.incident("postgres").HeldWhy, "everything on it waited for memory during 76 % of the last 10 s; it would do: restart postgresql@15-main.service")
	s.in(5*time.Minute).sees("postgres", whileHostStalls(frozen("p1"))).tells("trigger t0 postgres: held-too-long").noAction()
	// The stall is over, and the database is still frozen: now it is the database.
	s.in(3*time.Second).sees("codebase", noReply("c1")).sees("postgres", but(frozen("p1"), detect.HostMemoryStall, 3)).
		performed("restart postgresql@15-main.service")
}

func TestAServiceThatHangsOnAHostThatStallsIsNotRestarted(t *testing.T) {
	hung := but(noReply("c1"), detect.SocketBacklog, 3, detect.HostIOStall, 40.0)
	s := quiet(t)
	s.sees("codebase", hung).in(time.Second).sees("postgres", database("p1")).sees("codebase", hung).heldBy("codebase", HoldStall).noAction()
	s = quiet(t, func(o *Options) { o.Limits.StallIO = 0 }) // switched off
	s.sees("codebase", hung).in(time.Second).sees("postgres", database("p1")).sees("codebase", hung).performed("restart")
}

func TestAStallExcusesNothingThatIsNotLateness(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", whileHostStalls(crashed("c1"))).is(Acting, Act).performed("start")
}
