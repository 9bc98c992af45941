package top

import (
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
)

// topOf is the live view of a story, on a screen of that size, after its first answer.
func topOf(t *testing.T, width, height int) topModel {
	t.Helper()
	_, socket := hosttest.Serve(t, hosttest.DatabaseDead)
	c := &cli{&console.Console{Socket: socket}}
	m := topModel{span: live.Hour, every: time.Second, paint: func(_ console.Hue, s string) string { return s },
		ask: func(s live.Span) topData { return c.askTop(t.Context(), s) }}
	return pressed(t, m, tea.WindowSizeMsg{Width: width, Height: height}, answer{m.ask(m.span), 0})
}

// pressed is the model after some messages.
func pressed(t *testing.T, m topModel, list ...tea.Msg) topModel {
	t.Helper()
	for _, msg := range list {
		next, _ := m.Update(msg)
		m = next.(topModel)
	}
	return m
}

// key is a key as it is pressed.
func key(k string) tea.Msg {
	switch k {
	case "down":
		return tea.KeyPressMsg{Code: tea.KeyDown}
	case "space":
		return tea.KeyPressMsg{Code: tea.KeySpace, Text: " "}
	}
	return tea.KeyPressMsg{Code: rune(k[0]), Text: k}
}

func TestTopShowsStateBarsAndCurvesOfEveryTarget(t *testing.T) {
	s := topOf(t, 150, 40).screen()
	require.Contains(t, s, "6 targets, 3 healthy, 3 unhealthy, 1 open incident")
	require.Regexp(t, `(?m)^> postgres +unhealthy +escalated +█+x+·? +\d\d\.\d % `, s)
	require.Regexp(t, `(?m)^  codebase-mcp +unhealthy +held +█+.*x+·? `, s)
	require.Regexp(t, `(?m)^  ollama +healthy +watching +█+·? +100\.0 % .*ms *$`, s)
	require.Contains(t, s, "next        recoveryd will do nothing more by itself")
	require.Contains(t, s, "POOL")
	require.Contains(t, s, console.BarLegend)
}

func TestTopFitsEveryScreen(t *testing.T) {
	for _, size := range [][2]int{{200, 60}, {120, 40}, {80, 24}, {60, 15}, {40, 10}, {20, 5}} {
		m := topOf(t, size[0], size[1])
		for range 6 {
			lines := strings.Split(m.screen(), "\n")
			require.LessOrEqual(t, len(lines), size[1], "%v", size)
			for _, l := range lines {
				require.LessOrEqual(t, ansi.StringWidth(l), size[0], "%v: %s", size, l)
			}
			if size[1] >= 10 {
				require.Contains(t, m.screen(), "> "+m.heard.st.Targets[m.index()].Name, "%v: the chosen target is out of sight", size)
			}
			m = pressed(t, m, key("j"))
		}
	}
}

func TestTopHearsItsKeys(t *testing.T) {
	m := topOf(t, 150, 40)
	m = pressed(t, m, key("down"), key("j"))
	require.Equal(t, "workflow-mcp", m.chosen)
	require.Equal(t, "codebase-mcp", pressed(t, m, key("k")).chosen)
	require.Equal(t, "postgres", pressed(t, m, key("k"), key("k"), key("k"), key("k")).chosen, "it stays at the first")

	next, ask := m.Update(key("d"))
	require.Equal(t, live.Day, next.(topModel).span)
	day := pressed(t, next.(topModel), ask())
	require.Contains(t, day.screen(), "THE LAST 24 HOURS")
	require.Len(t, day.heard.past["postgres"], live.Day.Slots)

	still := pressed(t, m, key("space"))
	require.Contains(t, still.screen(), "stopped")
	_, cmd := still.Update(askAgain{still.turn})
	require.Nil(t, cmd, "a stopped view asks nothing")
	_, cmd = still.Update(key("space"))
	require.NotNil(t, cmd)

	_, cmd = m.Update(key("q"))
	require.Equal(t, tea.QuitMsg{}, cmd())
}

func TestTopAsksOneQuestionAtATime(t *testing.T) {
	m := topOf(t, 150, 40)
	overtaken := answer{topData{err: errors.New("too late")}, m.turn}
	m = pressed(t, m, key("d"))
	next, cmd := m.Update(overtaken)
	require.Nil(t, cmd, "the answer to an older question asks no further one")
	require.NoError(t, next.(topModel).trouble)
	_, cmd = m.Update(askAgain{m.turn - 1})
	require.Nil(t, cmd)
}

func TestTopSaysWhenWhatItShowsIsOld(t *testing.T) {
	m := topOf(t, 150, 40)
	m = pressed(t, m, answer{topData{err: errors.New("no daemon answers on x")}, m.turn})
	require.Contains(t, m.screen(), "NO ANSWER, what is shown is old: no daemon answers on x")
	require.Contains(t, m.screen(), "postgres", "what was known stays")
}
