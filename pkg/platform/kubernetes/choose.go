package kubernetes

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// Revision is one version of a workload's template that can be put back: a ReplicaSet, or a ControllerRevision.
type Revision struct {
	Number  int64  // as `kubectl rollout history` counts; it moves when a template is used again
	Name    string // of the ReplicaSet
	Hash    string // pod-template-hash; the same template has the same hash
	Ready   int32  // pods of it that are ready at this moment
	Current bool   // the workload's specification is this one
}

// Proof is an entry of the ledger of good revisions: our own probe, not only the kubelet's, found it healthy.
type Proof struct {
	Hash  string
	Until time.Time // the last moment at which it was seen healthy
}

// ProvenRevision chooses what to undo to: of the revisions that are not the current one, those that were proven healthy, or
// whose pods are ready at this moment (the kubelet's own proof, which needs no memory); of these the one with the most
// ready pods, then the one that was proven last, then the newest. The revision before the current one, which `kubectl
// rollout undo` takes, has no claim of its own: after a restart it is the broken template again.
//
// A revision that is less ready than the current one is never chosen: an undo must not take away what serves. ok is false
// when none is left; why then says so in words.
func ProvenRevision(revisions []Revision, ledger []Proof) (chosen Revision, why string, ok bool) {
	proven := func(r Revision) time.Time {
		at := time.Time{}
		for _, p := range ledger {
			if p.Hash == r.Hash && r.Hash != "" && p.Until.After(at) {
				at = p.Until
			}
		}
		return at
	}
	i := slices.IndexFunc(revisions, func(r Revision) bool { return r.Current })
	if i < 0 {
		return Revision{}, "which revision is the current one is not known", false
	}
	current := revisions[i]
	lessReady, unproven := 0, 0
	for _, r := range revisions {
		switch {
		case r.Current || r.Hash == current.Hash && r.Hash != "":
		case r.Ready == 0 && proven(r).IsZero():
			unproven++
		case r.Ready < current.Ready:
			lessReady++
		case !ok || r.Ready > chosen.Ready || r.Ready == chosen.Ready && proven(r).After(proven(chosen)) ||
			r.Ready == chosen.Ready && proven(r).Equal(proven(chosen)) && r.Number > chosen.Number:
			chosen, ok = r, true
		}
	}
	switch {
	case ok:
		return chosen, "", true
	case lessReady > 0:
		return Revision{}, fmt.Sprintf("the current revision has more ready pods (%d) than any that could be put back", current.Ready), false
	case unproven > 0:
		return Revision{}, "no older revision was ever seen healthy", false
	}
	return Revision{}, "there is no older revision", false
}

// Bounds are between which numbers recoveryd may scale a workload, and who else may.
type Bounds struct {
	Min, Max int32  // from the configuration; Max 0 means that recoveryd may not scale it
	Owner    string // the autoscaler that owns the number, "" when none does
	Room     int32  // pods that quota and nodes have room for beyond those that are wanted; negative: not known
}

// ScaleWithin says to how many replicas a workload may be scaled up so that as many serve as are wanted now: one for each
// that is missing, within the bounds. It never scales down: what was added is taken back by its own expiry. The number is
// wanted itself, with the slug of the guard and why, when nothing may be done.
func ScaleWithin(wanted, ready int32, b Bounds) (replicas int32, refused, why string) {
	switch {
	case wanted == 0:
		return 0, "operator-intent", "it is scaled to 0: it is meant to be off"
	case ready < 0 || ready >= wanted:
		return wanted, "", "" // nothing is missing
	case b.Owner != "":
		return wanted, "hpa-owned", b.Owner + " owns its replicas"
	case b.Max == 0:
		return wanted, "budget", "the configuration does not allow that recoveryd scales it"
	case b.Room < 0:
		return wanted, "quota-headroom", "whether there is room for more pods is not known"
	}
	add := min(wanted-ready, b.Max-wanted, b.Room)
	switch {
	case add > 0:
		return max(wanted+add, min(b.Min, b.Max)), "", ""
	case wanted >= b.Max:
		return wanted, "budget", fmt.Sprintf("it has as many replicas as recoveryd may give it (%d)", b.Max)
	}
	return wanted, "quota-headroom", "quota or nodes have no room for one more pod"
}

// Cause is why the scheduler finds no node for a pod.
type Cause struct {
	Nodes   int    // how many nodes are ruled out by it
	Words   string // in plain words
	Culprit string // "capacity", "taint", "volume claim", ...; "" for a cause that is not known here
}

// SchedulingCauses reads the scheduler's sentence ("0/5 nodes are available: 3 Insufficient memory, 2 node(s) had ...") into
// the number of nodes and the causes, those that rule out most nodes first. ok is false for another sentence.
func SchedulingCauses(message string) (nodes int, causes []Cause, ok bool) {
	nodes, clauses, ok := schedulerClauses(message)
	for _, c := range clauses {
		words, culprit := c.cause()
		causes = append(causes, Cause{c.nodes, words, culprit})
	}
	return nodes, causes, ok
}
