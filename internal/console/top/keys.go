package top

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
)

var _ tea.Model = topModel{}

// topModel is the live view: what was heard last, and what the person chose. It is a value; Update
// returns the next one.
type topModel struct {
	ask   func(live.Span) topData
	paint func(console.Hue, string) string
	every time.Duration

	span          live.Span
	chosen        string // name of the target; "" = the first
	stopped       bool
	width, height int
	heard         topData // the last answer that was one
	at            time.Time
	trouble       error // why there is no newer one
	turn          int   // of the question that an answer is awaited to; older ones are overtaken
}

// answer is what came of a question, askAgain that it is time for the next one.
type (
	answer struct {
		topData
		turn int
	}
	askAgain struct{ turn int }
)

// Init asks for the first time.
func (m topModel) Init() tea.Cmd { return m.question() }

// question asks beside the loop, so that keys are answered while a daemon hangs.
func (m topModel) question() tea.Cmd {
	ask, span, turn := m.ask, m.span, m.turn
	return func() tea.Msg { return answer{ask(span), turn} }
}

// Update takes a key, a size or an answer.
func (m topModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case answer:
		if msg.turn != m.turn {
			return m, nil
		}
		if m.trouble = msg.err; msg.err == nil {
			m.heard, m.at = msg.topData, msg.st.Now
		}
		turn := m.turn
		return m, tea.Tick(m.every, func(time.Time) tea.Msg { return askAgain{turn} })
	case askAgain:
		if m.stopped || msg.turn != m.turn {
			return m, nil
		}
		return m, m.question()
	case tea.KeyPressMsg:
		return m.key(msg.String())
	}
	return m, nil
}

func (m topModel) key(k string) (tea.Model, tea.Cmd) {
	switch k {
	case "q", "esc", "ctrl+c":
		return m, tea.Quit
	case "down", "j":
		m.choose(1)
	case "up", "k":
		m.choose(-1)
	case "h", "d":
		m.span = map[string]live.Span{"h": live.Hour, "d": live.Day}[k]
		m.turn++
		return m, m.question()
	case "space":
		m.stopped = !m.stopped
		if !m.stopped {
			m.turn++
			return m, m.question()
		}
	}
	return m, nil
}

// choose moves the mark, and keeps it on the target when others come and go.
func (m *topModel) choose(by int) {
	if n := len(m.heard.st.Targets); n > 0 {
		m.chosen = m.heard.st.Targets[min(n-1, max(0, m.index()+by))].Name
	}
}

func (m topModel) index() int {
	for i, t := range m.heard.st.Targets {
		if t.Name == m.chosen {
			return i
		}
	}
	return 0
}
