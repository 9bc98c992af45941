package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proposing puts one target into mode propose, with a deadline.
func proposing(deadline time.Duration, more ...func(*Options)) func(*Options) {
	return func(o *Options) {
		o.Modes = map[string]Mode{"codebase": Propose}
		o.Approval.Deadline = deadline
		for _, m := range more {
			m(o)
		}
	}
}

func TestAProposalIsAskedFirstAndPagedAtItsDeadline(t *testing.T) {
	s := quiet(t, proposing(5*time.Minute))
	s.sees("codebase", crashed("c1")).is(Held, HoldApproval).noAction()
	s.tells("change t0 codebase: needs-approval")
	i := s.incident("codebase")
	require.Equal(t, &Proposal{Strategy: "start", Plan: "start: start codebase-mcp.service (reset=yes)", At: s.now, Until: s.now.Add(5 * time.Minute)}, i.Proposal)
	require.Equal(t, "recoveryd holds back (needs-approval): waits for approval of: start codebase-mcp.service (reset=yes). Allow it with: recoveryd approve "+
		i.ID+" (people are paged at 03:05:05 UTC)", i.HoldWords())
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	s.run(4*time.Minute + 50*time.Second).tells("change t0 codebase: needs-approval")
	s.restart().run(11*time.Second).noAction().tells("change t0 codebase: needs-approval", "trigger t0 codebase: needs-approval")
	s.says("codebase", Command{Verb: CmdApprove, Incident: i.ID}).looksAgain("codebase").is(Acting, Act).performed("start")
	require.Equal(t, "ann", s.incident("codebase").Attempts[0].ApprovedBy, "a late yes counts")
}

func TestAYesCountsForThePlanThatWasProposedAndForNoOther(t *testing.T) {
	s := quiet(t, proposing(5*time.Minute))
	s.sees("codebase", crashed("c1")).is(Held, HoldApproval)
	s.says("", Command{Verb: CmdPause})
	s.says("codebase", Command{Verb: CmdApprove, Incident: s.incident("codebase").ID}).noAction()
	hung := but(noReply("c2"), "socket.backlog", 5)
	s.in(time.Second).sees("codebase", hung).in(time.Second).sees("codebase", hung)
	s.says("", Command{Verb: CmdResume})
	s.in(time.Second).sees("postgres", database("p1")).sees("codebase", hung).is(Held, HoldApproval).noAction()
	require.Equal(t, "restart: restart codebase-mcp.service (stop_grace=5s)", s.incident("codebase").Proposal.Plan)
	require.Empty(t, s.incident("codebase").Proposal.By)
	s.tells("change t0 codebase: needs-approval", "change t0 codebase: needs-approval")
}

func TestAStrategyMayHaveAModeOfItsOwn(t *testing.T) {
	kill := func(m Mode, targets ...string) func(*Options) {
		return func(o *Options) {
			o.StrategyModes = append(o.StrategyModes, StrategyMode{Strategy: "start", Targets: targets, Mode: m})
		}
	}
	t.Run("observed: the ladder passes over it, and says so", func(t *testing.T) {
		s := quiet(t, kill(Observe))
		s.sees("codebase", crashed("c1")).is(Acting, Act).performed("start codebase-mcp.service (reset=yes)")
		require.Equal(t, "kill-start", s.s.Targets["codebase"].Plan.Strategy)
		require.Contains(t, s.incident("codebase").Skipped, "start: it is only observed on this target (mode observe)")
	})
	t.Run("proposed on one target only", func(t *testing.T) {
		s := quiet(t, kill(Propose, "codebase"))
		s.sees("codebase", crashed("c1")).is(Held, HoldApproval)
		s.sees("workflow", crashed("w1")).is(Acting, Act)
	})
	t.Run("the later exception counts", func(t *testing.T) {
		s := quiet(t, kill(Propose), kill(Auto, "codebase"))
		s.sees("codebase", crashed("c1")).is(Acting, Act)
		s.sees("workflow", crashed("w1")).is(Held, HoldApproval)
	})
	t.Run("a target in mode observe stays so", func(t *testing.T) {
		s := quiet(t, kill(Auto), func(o *Options) { o.Modes = map[string]Mode{"codebase": Observe} })
		s.sees("codebase", crashed("c1")).is(Held, HoldObserve)
	})
	t.Run("observed rungs only: a person is called", func(t *testing.T) {
		s := quiet(t, func(o *Options) {
			for _, name := range o.Strategies.Names() {
				o.StrategyModes = append(o.StrategyModes, StrategyMode{Strategy: name, Mode: Observe})
			}
		})
		s.sees("codebase", crashed("c1")).is(Escalated, LadderEnded).noAction().tells("trigger t0 codebase: ladder-ended")
	})
}

func TestWhatIsEscalatedIsStillProposed(t *testing.T) {
	s := quiet(t, proposing(5*time.Minute, func(o *Options) { o.Memory = Memory{SkipAfter: 1, Forget: time.Hour} }))
	s.s.Targets["codebase"].Efforts = []Effort{{"down", "start", 1, s.now}, {"down", "restart", 1, s.now}, {"down", "kill-start", 1, s.now}}
	s.sees("codebase", crashed("c1")).is(Escalated, LadderEnded)
	s.says("codebase", Command{Verb: CmdForget}).looksAgain("codebase")
	require.Contains(t, s.told, "update t0 codebase: needs-approval", "who was paged is told that there is something to allow")
	s.in(time.Second).sees("codebase", crashed("c1"))
	require.Equal(t, Escalated, s.last.To)
	id := s.incident("codebase").ID
	s.noAction()
	s.says("codebase", Command{Verb: CmdApprove, Incident: id}).looksAgain("codebase").is(Acting, Act).performed("start")
}
