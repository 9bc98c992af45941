package app

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/internal/evidence"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// said is a looker that always says the same.
type said detect.Facts

func (s said) Look(context.Context, string) detect.Observation {
	return detect.Observation{Facts: detect.Facts(s)}
}

func TestALookIsToldWithoutSecrets(t *testing.T) {
	own := detect.Facts{
		"x.words": detect.Word("cannot log in: password is 'hunter2-x'"),
		"x.error": {Err: "dial postgres://mcp:hunter2-x@db/x: the routing-key-7 was refused"},
		"x.state": detect.Word("unhealthy"),
	}
	subjects := discreetly([]engine.Subject{{Name: "x", Looker: said(own)}}, evidence.NewRedactor([]string{"routing-key-7"}))
	for range 2 {
		o := subjects[0].Looker.Look(t.Context(), "poll")
		require.Equal(t, detect.Facts{
			"x.words": detect.Word("cannot log in: password is <secret>"),
			"x.error": {Err: "dial postgres://<secret>@db/x: the <secret> was refused"},
			"x.state": detect.Word("unhealthy"),
		}, o.Facts)
	}
	require.Contains(t, own["x.words"].Text, "hunter2-x", "what belongs to the looker is left alone")
}
