package strategy

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

func TestAPoolBecomesSmallerWhenLittleOfItIsUsedAndNeverSmallerThanItWas(t *testing.T) {
	pool := func(max, used float64) detect.Facts {
		return detect.Facts{detect.PoolMax: detect.Num(max), detect.PoolSize: detect.Num(used + 2), detect.PoolFree: detect.Num(2)}
	}
	env := func(before, now string) Change {
		return Change{Strategy: "grow-pool", Before: before, Now: now, Set: Action{Verb: SetEnv, Args: map[string]string{ArgKey: "POOL_MAX_SIZE", ArgValue: now}}}
	}
	api := func(before, now string) Change {
		return Change{Strategy: "resize-pool", Before: before, Now: now, Set: Action{Verb: HTTPPoolResize, Args: map[string]string{ArgMaxSize: now}}}
	}
	for name, c := range map[string]struct {
		change Change
		facts  detect.Facts
		value  string
		err    error
		sized  func(*detect.Pool)
	}{
		"one step, by 0.7":                                 {env("", "50"), pool(50, 15), "35", nil, nil},
		"by the configured factor":                         {env("", "50"), pool(50, 15), "40", nil, func(p *detect.Pool) { p.ShrinkFactor = 0.8 }},
		"a factor of 1 would never end":                    {env("", "50"), pool(50, 15), "35", nil, func(p *detect.Pool) { p.ShrinkFactor = 1 }},
		"below the configured share":                       {env("", "50"), pool(50, 20), "35", nil, func(p *detect.Pool) { p.ShrinkBelow = 0.4 }},
		"a step to the first size takes the variable away": {env("", "43"), pool(43, 10), "", nil, nil},
		"no first size is known":                           {env("", "50"), pool(50, 15), "", nil, func(p *detect.Pool) { p.Initial = 0 }},
		"its numbers contradict each other":                {env("", "50"), detect.Facts{detect.PoolMax: detect.Num(50), detect.PoolSize: detect.Num(2), detect.PoolFree: detect.Num(3)}, "", ErrNotApplicable, nil},
		"all connections are free":                         {env("", "50"), pool(50, 0), "35", nil, nil},
		"the value in force is no size":                    {env("", "0"), pool(50, 0), "", ErrNotApplicable, nil},
		"the last step takes the variable away":            {env("", "35"), pool(50, 10), "", nil, nil},
		"the last step is the size before":                 {api("30", "35"), pool(35, 10), "30", nil, nil},
		"a third is in use: it is needed":                  {env("", "45"), pool(45, 15), "", ErrNotApplicable, nil},
		"use is judged against the size in the file":       {env("", "35"), pool(50, 15), "", ErrNotApplicable, nil},
		"nobody knows how much is in use":                  {env("", "45"), detect.Facts{}, "", ErrNotApplicable, nil},
		"the service has its usual pool after a restart":   {api("30", "45"), pool(30, 3), "", ErrGone, nil},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Facts: c.facts, Target: detect.Target{Name: "codebase", Pool: detect.Pool{Initial: 30, Cap: 50}}}
			if c.sized != nil {
				c.sized(&in.Target.Pool)
			}
			a, err := Back(in, c.change)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.change.Set.Verb, a.Verb)
			value, ok := Setting(a)
			require.True(t, ok)
			require.Equal(t, c.value, value)
			require.False(t, a.Disrupts)
		})
	}
}

func TestARaisedMemoryLimitGoesBackWhenWhatIsUsedFitsWellBelowIt(t *testing.T) {
	change := Change{Strategy: "raise-memory", Before: "400000000", Now: "600000000",
		Set: Action{Verb: SetMemory, Object: "codebase-mcp.service", Args: map[string]string{ArgBytes: "600000000"}}}
	for name, c := range map[string]struct {
		limit, used, rss float64
		err              error
	}{
		"half of the old limit is used":        {600e6, 200e6, 180e6, nil},
		"the old limit would be too tight":     {600e6, 330e6, 180e6, ErrNotApplicable},
		"as much as may be used of the old":    {600e6, 320e6, 180e6, nil},
		"resident memory counts too":           {600e6, 200e6, 330e6, ErrNotApplicable},
		"somebody has set another limit":       {800e6, 200e6, 180e6, ErrGone},
		"the host was restarted: it is back":   {400e6, 200e6, 180e6, ErrGone},
		"the kernel rounds the limit to pages": {599998464, 200e6, 180e6, nil},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Target: detect.Target{Name: "codebase"}, Facts: detect.Facts{detect.MemoryMax: detect.Num(c.limit),
				detect.MemoryCurrent: detect.Num(c.used), detect.ProcessRSS: detect.Num(c.rss)}}
			a, err := Back(in, change)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "set-memory codebase-mcp.service (bytes=400000000)", a.String())
			require.Equal(t, "600000000", change.Set.Args[ArgBytes], "the change itself is left alone")
		})
	}
}
