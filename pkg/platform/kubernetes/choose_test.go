package kubernetes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnUndoGoesOnlyToAProvenRevision(t *testing.T) {
	yesterday, now := time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC), time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		revisions []Revision
		ledger    []Proof
		want      int64 // 0: none
		why       string
	}{
		"good, bad, restarted: the one before the current is bad": {
			[]Revision{{Number: 3, Hash: "c", Current: true}, {Number: 2, Hash: "b"}, {Number: 1, Hash: "a", Ready: 3}}, nil, 1, ""},
		"the old one is gone, and the ledger knows it": {
			[]Revision{{Number: 3, Hash: "c", Current: true}, {Number: 2, Hash: "b"}, {Number: 1, Hash: "a"}}, []Proof{{"a", yesterday}}, 1, ""},
		"nothing was ever seen healthy": {
			[]Revision{{Number: 2, Hash: "b", Current: true}, {Number: 1, Hash: "a"}}, nil, 0, "ever seen healthy"},
		"the current template was proven, too: it is not put back over itself": {
			[]Revision{{Number: 4, Hash: "b", Current: true}, {Number: 3, Hash: "b"}}, []Proof{{"b", now}}, 0, "no older revision"},
		"of two that were proven the later proof counts": {
			[]Revision{{Number: 3, Hash: "c", Current: true}, {Number: 2, Hash: "b"}, {Number: 1, Hash: "a"}}, []Proof{{"a", now}, {"b", yesterday}, {"a", yesterday}}, 1, ""},
		"what serves now goes before what served": {
			[]Revision{{Number: 3, Hash: "c", Current: true}, {Number: 2, Hash: "b"}, {Number: 1, Hash: "a", Ready: 1}}, []Proof{{"b", now}}, 1, ""},
		"never toward something less ready than now": {
			[]Revision{{Number: 2, Hash: "b", Ready: 2, Current: true}, {Number: 1, Hash: "a", Ready: 1}}, []Proof{{"a", now}}, 0, "more ready pods (2)"},
		"the first revision":                {[]Revision{{Number: 1, Hash: "a", Current: true}}, nil, 0, "no older revision"},
		"which one is current is not known": {[]Revision{{Number: 1, Hash: "a", Ready: 3}}, nil, 0, "not known"},
		"no revision at all":                {nil, nil, 0, "not known"},
	} {
		t.Run(name, func(t *testing.T) {
			got, why, ok := ProvenRevision(c.revisions, c.ledger)
			require.Equal(t, c.want != 0, ok, why)
			require.Equal(t, c.want, got.Number)
			require.Contains(t, why, c.why)
		})
	}
}

func TestScalingStaysWithinItsBounds(t *testing.T) {
	for name, c := range map[string]struct {
		wanted, ready int32
		bounds        Bounds
		want          int32
		refused       string
	}{
		"one is missing":              {3, 2, Bounds{Max: 6, Room: 10}, 4, ""},
		"two are missing":             {3, 1, Bounds{Max: 6, Room: 10}, 5, ""},
		"the maximum bounds it":       {3, 0, Bounds{Max: 4, Room: 10}, 4, ""},
		"the room bounds it":          {3, 0, Bounds{Max: 9, Room: 1}, 4, ""},
		"the minimum lifts it":        {1, 0, Bounds{Min: 3, Max: 6, Room: 10}, 3, ""},
		"nothing is missing":          {3, 3, Bounds{Max: 6, Room: 10}, 3, ""},
		"more serve than are wanted":  {3, 4, Bounds{Max: 6, Room: 10}, 3, ""},
		"it is meant to be off":       {0, 0, Bounds{Max: 6, Room: 10}, 0, "operator-intent"},
		"an autoscaler owns it":       {3, 1, Bounds{Max: 6, Room: 10, Owner: "the HorizontalPodAutoscaler web"}, 3, "hpa-owned"},
		"it may not be scaled":        {3, 1, Bounds{Room: 10}, 3, "budget"},
		"it is at its maximum":        {6, 1, Bounds{Max: 6, Room: 10}, 6, "budget"},
		"it is above its maximum":     {8, 1, Bounds{Max: 6, Room: 10}, 8, "budget"},
		"there is no room":            {3, 1, Bounds{Max: 6}, 3, "quota-headroom"},
		"whether there is is unknown": {3, 1, Bounds{Max: 6, Room: -1}, 3, "quota-headroom"},
	} {
		t.Run(name, func(t *testing.T) {
			got, refused, why := ScaleWithin(c.wanted, c.ready, c.bounds)
			require.Equal(t, c.want, got)
			require.Equal(t, c.refused, refused)
			require.Equal(t, refused != "", why != "")
		})
	}
}

func TestTheSchedulersSentenceBecomesCauses(t *testing.T) {
	nodes, causes, ok := SchedulingCauses("0/7 nodes are available: 1 node(s) had untolerated taint {nvidia.com/gpu: true}, 1 node(s) were unschedulable, 5 Insufficient memory. preemption: 0/7 nodes are available: 2 Preemption is not helpful for scheduling, 5 No preemption victims found for incoming pod.")
	require.True(t, ok)
	require.Equal(t, 7, nodes)
	require.Equal(t, []Cause{{5, "too little memory is free", "capacity"}, {1, "taints that the pod does not tolerate {nvidia.com/gpu: true}", "taint"}, {1, "nodes that are cordoned", "cordon"}}, causes)
	_, causes, ok = SchedulingCauses("0/1 nodes are available: 1 node(s) were in a bad mood.")
	require.True(t, ok)
	require.Equal(t, []Cause{{1, `"node(s) were in a bad mood"`, ""}}, causes, "what is not known is quoted")
	_, _, ok = SchedulingCauses("")
	require.False(t, ok)
}
