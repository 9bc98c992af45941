package report_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/report"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

var update = flag.Bool("update", false, "write the golden files anew")

func source(h *host, target string) report.Source {
	i, recs := h.only(target)
	var rows []queue.Queued
	for _, q := range h.rows {
		if q.Notice.Incident == i.ID {
			rows = append(rows, q)
		}
	}
	return report.Source{Incident: i, Records: recs, Notices: rows, Host: "db1", Runbook: "recoveryd runbook " + string(i.Class), Unit: target + ".service", At: h.now, Version: "1.0.0"}
}

// stories are incidents as the real core lives through them.
func stories() map[string]func(*testing.T) report.Source {
	return map[string]func(*testing.T) report.Source{
		"crash": func(t *testing.T) report.Source {
			h := newHost(t).run(20 * time.Second)
			h.facts[mcp] = crashed("c1")
			h.do = func(strategy.Action) end {
				return end{took: 304 * time.Millisecond, result: incident.ResultDone, then: func() { h.facts[mcp] = well("c2") }}
			}
			return source(h.run(4*time.Minute), mcp)
		},
		"ladder": func(t *testing.T) report.Source {
			h := newHost(t).run(20 * time.Second)
			run := 1
			h.facts[mcp] = but(noReply("c1"), detect.SocketBacklog, 3)
			h.do = func(a strategy.Action) end {
				return end{took: 5200 * time.Millisecond, result: incident.ResultDone, then: func() {
					run++
					h.facts[mcp] = but(noReply("c"+string(rune('0'+run))), detect.SocketBacklog, 3)
				}}
			}
			h.deliver = func(q *queue.Queued) {
				switch {
				case q.Channel == "slack":
					q.State, q.Attempts, q.Settled, q.LastError = queue.Refused, 1, q.Enqueued.Add(time.Second), `auth: slack: invalid_auth`
				case q.Kind == notice.Trigger:
					q.State, q.Attempts, q.Settled = queue.Delivered, 4, q.Enqueued.Add(95*time.Second)
				default:
					q.State, q.Attempts, q.Settled = queue.Delivered, 1, q.Enqueued.Add(200*time.Millisecond)
				}
			}
			h.run(5 * time.Minute)
			i, _ := h.only(mcp)
			require.False(t, i.Paged.IsZero(), "this story ends with a page")
			h.says(incident.Command{Verb: incident.CmdAck, Incident: i.ID, By: "ann (uid 0)", Why: "looking | at <it>", Until: h.now.Add(time.Hour)})
			h.run(25 * time.Minute)
			h.facts[mcp] = well("c9")
			return source(h.run(4*time.Minute), mcp)
		},
		"database": func(t *testing.T) report.Source {
			h := newHost(t).run(20 * time.Second)
			lost := func(run string) detect.Facts {
				return but(well(run), detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.HTTPStatus, 503, detect.PoolSize, 0, detect.PoolFree, 0)
			}
			h.facts[pg], h.facts[mcp], h.facts["workflow-mcp"] = dead("p1"), lost("c1"), lost("w1")
			h.do = func(strategy.Action) end {
				return end{took: 2100 * time.Millisecond, result: incident.ResultDone, then: func() {
					h.facts[pg], h.facts[mcp], h.facts["workflow-mcp"] = database("p2"), well("c1"), well("w1")
				}}
			}
			s := source(h.run(4*time.Minute), pg)
			s.Unit = "postgresql@15-main.service"
			s.Evidence = []report.Piece{{Name: "20261122T030020.000Z/unit", At: s.Incident.Opened, Text: "unit.active failed\n"}, {Name: "20261122T030020.000Z/log", At: s.Incident.Opened.Add(time.Millisecond), Text: "LOG:  server process was terminated by signal 9: Killed\n``` not the end of the block\n<script>alert(1)</script>\n"}}
			return s
		},
		"pool-enlarged": func(t *testing.T) report.Source {
			h := newHost(t).run(20 * time.Second)
			h.facts[mcp], h.facts[pg] = full("c1"), but(database("p1"), detect.SQLAppSessions+mcp, 30)
			h.do = func(a strategy.Action) end {
				e := end{took: 40 * time.Millisecond, result: incident.ResultDone, detail: "0 sessions ended"}
				switch a.Verb {
				case strategy.SetEnv:
					e.detail = ""
				case strategy.Restart:
					e.took, e.detail = 1900*time.Millisecond, ""
					e.then = func() { h.facts[mcp], h.facts[pg] = well("c2"), database("p1") }
				}
				return e
			}
			return source(h.run(6*time.Minute), mcp)
		},
		"held": func(t *testing.T) report.Source {
			h := newHost(t, func(o *incident.Options) { o.Modes = map[string]incident.Mode{mcp: incident.Observe} }).run(20 * time.Second)
			h.facts[mcp] = crashed("c1")
			h.deliver = func(q *queue.Queued) {
				q.State, q.Attempts, q.Reason, q.LastError = queue.Waiting, 7, notice.ReasonNetwork, "network: connection refused"
			}
			return source(h.run(9*time.Minute), mcp)
		},
	}
}

func TestReportsAreAsInTheGoldenFiles(t *testing.T) {
	for name, story := range stories() {
		t.Run(name, func(t *testing.T) {
			r := report.Build(story(t))
			html, err := r.HTML()
			require.NoError(t, err)
			for ext, got := range map[string]string{".md": r.Markdown(), ".html": html} {
				file := filepath.Join("testdata", name+ext)
				if *update {
					require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err, "make it with: go test ./internal/report -update")
				require.Equal(t, string(want), got, "when the change is meant: go test ./internal/report -update")
			}
		})
	}
}

func TestAReportFillsEverySectionOfTheRunbooksTemplate(t *testing.T) {
	for name, story := range stories() {
		t.Run(name, func(t *testing.T) {
			r := report.Build(story(t))
			html, err := r.HTML()
			require.NoError(t, err)
			at := 0
			for _, title := range []string{"Summary", "Timeline", "Root Cause", "Resolution", "Impact", "Communication", "Lessons Learned", "Action Items"} {
				next := strings.Index(r.Markdown(), "\n## "+title+"\n")
				require.Greater(t, next, at, "%s, in the runbook's order", title)
				at = next
				require.Contains(t, html, "<h2>"+title+"</h2>")
			}
			for _, word := range []string{"Incident ID", "Severity", "Duration", "Impact", "Users affected", "Requests failed", "Data loss"} {
				require.Contains(t, r.Markdown(), "**"+word+"**")
			}
			require.GreaterOrEqual(t, strings.Count(r.Markdown(), "\n- [ ] "), 5)
			require.NotContains(t, r.Markdown(), "[x]", "nobody has done anything yet")
		})
	}
}

func TestAnIncidentOfWhichOnlyTheLastStateIsLeftIsStillReported(t *testing.T) {
	s := stories()["crash"](t)
	s.Records, s.Notices = nil, nil
	r := report.Build(s)
	require.Equal(t, s.Incident.Closed, r.Cleared, "the end of the incident is the best that is known")
	require.Contains(t, r.Markdown(), "confirmed: ")
	require.Contains(t, r.Markdown(), "Nobody was told.")
	_, err := r.HTML()
	require.NoError(t, err)
	require.NotPanics(t, func() { _ = report.Build(report.Source{}).Markdown() })
}

func TestWhatWasLearnedFromAnIncidentIsLeftToDecide(t *testing.T) {
	s := stories()["crash"](t)
	lessons := func(r report.Report) (out []report.Item) {
		for _, item := range r.Open {
			if strings.HasPrefix(item.Text, "Decide whether what recoveryd learned") {
				out = append(out, item)
			}
		}
		return out
	}
	require.Empty(t, lessons(report.Build(s)))
	s.Incident.Lessons = []string{"start on " + mcp + " is now propose: it did not help 2 times in a row, and needs approval from now on"}
	require.Equal(t, []report.Item{{Text: "Decide whether what recoveryd learned is to stay: " + s.Incident.Lessons[0] + ".", Command: "recoveryd forget " + mcp}}, lessons(report.Build(s)))
}

func TestARelapseMovesTheEndOfTheTrouble(t *testing.T) {
	h := newHost(t).run(20 * time.Second)
	h.facts[mcp] = crashed("c1")
	run := 1
	h.do = func(strategy.Action) end {
		return end{took: 3 * time.Second, result: incident.ResultDone, then: func() { run++; h.facts[mcp] = well("c" + string(rune('0'+run))) }}
	}
	h.run(30 * time.Second)
	first := report.Build(source(h, mcp))
	require.Equal(t, report.Watched, first.State)
	h.facts[mcp] = crashed("c2")
	h.run(6 * time.Second)
	require.Equal(t, report.Ongoing, report.Build(source(h, mcp)).State, "clear no more")
	h.run(5 * time.Minute)
	last := report.Build(source(h, mcp))
	require.Equal(t, report.Finished, last.State)
	require.True(t, last.Cleared.After(first.Cleared))
	require.Contains(t, strings.Join(last.Better, "\n"), "came back 1 time")
}

func TestNothingFromOutsideFormatsAReport(t *testing.T) {
	s := stories()["crash"](t)
	evil := "<script>alert(1)</script> **bold** `code` | [x](http://evil) \n# heading"
	s.Incident.Diagnosis.Because, s.Incident.Attempts[0].Detail, s.Incident.HeldWhy = evil, evil, evil
	for n := range s.Records {
		s.Records[n].Sentence = evil
		if i := s.Records[n].Incident; i != nil {
			c := *i
			c.Diagnosis.Because = evil
			s.Records[n].Incident = &c
		}
	}
	s.Incident.Skipped = []string{evil}
	for n := range s.Notices {
		s.Notices[n].Notice.Summary, s.Notices[n].LastError = evil, evil
	}
	s.Evidence = []report.Piece{{Name: evil, Text: "```\n# heading\n</pre><script>"}}
	r := report.Build(s)
	html, err := r.HTML()
	require.NoError(t, err)
	require.NotContains(t, html, "<script")
	require.NotContains(t, r.Markdown(), "**bold**")
	require.NotContains(t, r.Markdown(), "[x](http")
	require.Equal(t, 1, strings.Count(r.Markdown(), "\n# heading"), "inside the block of evidence only")
	require.Contains(t, r.Markdown(), "\n````\n```\n# heading")
}

func TestAReportIsReadByMachines(t *testing.T) {
	b, err := json.Marshal(report.Build(stories()["ladder"](t)))
	require.NoError(t, err)
	var back struct {
		ID, State string
		Timeline  []struct{ What, Text string }
		Told      []struct{ Channel, State string }
	}
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, "closed", back.State)
	require.NotEmpty(t, back.Timeline)
	require.NotEmpty(t, back.Told)
}
