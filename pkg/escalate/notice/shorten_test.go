package notice_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

func TestShorten(t *testing.T) {
	n := notice.Sample(notice.Trigger, "inc", "web-1", night)
	short, cut := notice.Shorten(n)
	require.False(t, cut)
	require.Equal(t, n, short, "what fits is not touched")

	n.Evidence, n.Tried = nil, nil
	for i := range 10_000 {
		n.Evidence = append(n.Evidence, fmt.Sprint(i, strings.Repeat("\"🔥\\\x00", 1000)))
		n.Tried = append(n.Tried, notice.Attempt{What: fmt.Sprint("try ", i), Result: strings.Repeat("\"", 5000)})
	}
	n.Affected, n.Commands = n.Evidence, n.Evidence
	before := n.Evidence[0]
	short, cut = notice.Shorten(n)
	require.True(t, cut)
	require.Equal(t, before, n.Evidence[0], "the notice given is not changed")
	require.True(t, strings.HasPrefix(short.Evidence[0], "0\""), "the most telling evidence stays")
	require.Equal(t, "try 9999", short.Tried[len(short.Tried)-1].What, "and the newest attempts")
	b, err := json.Marshal(short)
	require.NoError(t, err)
	require.Less(t, len(b), 900_000)
}
