package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// scene is one fault, and what is expected of recoveryd.
type scene struct {
	name   string // for the summary
	title  string
	inject func(context.Context) (what string, err error) // what was done, in one line
	want   expectation
	// mend is what a person does when the page has arrived; nil when none is expected. It returns
	// what was done, in one line.
	mend    func(context.Context) (string, error)
	limit   time.Duration // for the whole scene; one minute when 0
	servers []*server     // those that must answer again; nil when they never stop answering
}

// expectation is what must have happened at the end of a scene.
type expectation struct {
	target   string // the culprit
	class    detect.Class
	verbs    []strategy.Verb // what was done, in order, nothing else
	evidence string          // part of the sentence that says why
	detail   string          // part of what the platform reported about the last action; "" = anything
	woken    bool            // exactly one page, resolved at the end; otherwise none
	page     string          // part of the page
	sameRun  []string        // targets whose process must be the one from before
}

// scenes lists the faults that can be shown here.
func (st *stage) scenes() []scene {
	list := []scene{st.killed(), st.hung(), st.wedged()}
	if st.postgres != nil {
		list = append(list, st.poolFull(), st.databaseKilled(), st.databaseFrozen())
	}
	list = append(list, st.memoryOver(), st.wrongPage(), st.crashLoop())
	var out []scene
	for _, s := range list {
		if strings.HasPrefix(s.name, st.options.only) {
			if st.postgres == nil {
				s.want.sameRun = without(s.want.sameRun, "postgres")
			}
			out = append(out, s)
		}
	}
	return out
}

func (st *stage) killed() scene {
	return scene{
		name: "killed", title: "codebase-mcp is killed (kill -9)", servers: []*server{st.codebase},
		inject: func(ctx context.Context) (string, error) {
			pid, err := st.pid(ctx, "codebase-mcp")
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("SIGKILL to process %d", pid), kill(pid)
		},
		want: expectation{target: "codebase-mcp", class: detect.ClassDown, verbs: []strategy.Verb{strategy.Start},
			evidence: "killed 9", sameRun: []string{"workflow-mcp", "postgres"}},
	}
}

func (st *stage) hung() scene {
	return scene{
		name: "hung", title: "workflow-mcp hangs: it accepts connections and answers nothing", servers: []*server{st.workflow},
		inject: func(ctx context.Context) (string, error) {
			pid, err := st.pid(ctx, "workflow-mcp")
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("SIGSTOP to process %d", pid), freeze(pid)
		},
		want: expectation{target: "workflow-mcp", class: detect.ClassHung, verbs: []strategy.Verb{strategy.Restart},
			evidence: "no health reply", sameRun: []string{"codebase-mcp", "postgres"}},
	}
}

func (st *stage) wedged() scene {
	return scene{
		name: "wedged", title: "codebase-mcp is wedged: it answers nothing, and ignores SIGTERM", servers: []*server{st.codebase},
		inject: func(ctx context.Context) (string, error) {
			return "deadlock in the server; systemd alone would wait 90 s for its end", st.codebase.faults.Set(ctx, "wedge")
		},
		want: expectation{target: "codebase-mcp", class: detect.ClassHung, verbs: []strategy.Verb{strategy.Restart},
			evidence: "no health reply", detail: "killed after 1s of stop grace", sameRun: []string{"workflow-mcp", "postgres"}},
	}
}

func (st *stage) poolFull() scene {
	return scene{
		name: "pool full", title: "codebase-mcp leaks connections until its pool is full", servers: []*server{st.codebase},
		inject: func(ctx context.Context) (string, error) {
			return "10 of 10 connections taken and never given back; the server calls that \"disconnected\"",
				st.codebase.faults.Set(ctx, "pool-leak", "count=10", "mode=idle")
		},
		want: expectation{target: "codebase-mcp", class: detect.ClassPool, verbs: []strategy.Verb{strategy.PGTerminateIdle},
			evidence: "10 of 10", sameRun: []string{"codebase-mcp", "workflow-mcp", "postgres"}},
	}
}

func (st *stage) databaseKilled() scene {
	return scene{
		name: "database killed", title: "PostgreSQL is killed (kill -9 of all its processes)", servers: []*server{st.codebase, st.workflow},
		inject: func(ctx context.Context) (string, error) {
			pid, err := st.pid(ctx, "postgres")
			if err != nil {
				return "", err
			}
			n, err := killAll(pid)
			return fmt.Sprintf("SIGKILL to %d processes", n), err
		},
		want: expectation{target: "postgres", class: detect.ClassDatabase, verbs: []strategy.Verb{strategy.Start},
			evidence: "refuses connections", sameRun: []string{"codebase-mcp", "workflow-mcp"}},
	}
}

func (st *stage) databaseFrozen() scene {
	return scene{
		name: "database frozen", title: "PostgreSQL freezes: it accepts connections and answers nothing", servers: []*server{st.codebase, st.workflow},
		inject: func(ctx context.Context) (string, error) {
			pid, err := st.pid(ctx, "postgres")
			if err != nil {
				return "", err
			}
			n, err := freezeAll(pid)
			return fmt.Sprintf("SIGSTOP to %d processes; both servers will hang on it", n), err
		},
		want: expectation{target: "postgres", class: detect.ClassDatabase, verbs: []strategy.Verb{strategy.Restart},
			evidence: "does not answer", sameRun: []string{"codebase-mcp", "workflow-mcp"}},
	}
}

// memoryOver shows a refusal: a child process has no memory accounting of its own, this server answers
// well and reports no memory, so there is one witness only, and a restart needs two. Under systemd the
// unit's accounting is the second; a server that reported its memory would be, too.
func (st *stage) memoryOver() scene {
	return scene{
		name: "memory over limit", title: "workflow-mcp leaks memory over its limit of 150 MiB, and answers well all the time",
		inject: func(ctx context.Context) (string, error) {
			return "200 MiB leaked within two seconds", st.workflow.faults.Set(ctx, "memory-leak", "rate=100", "limit=200")
		},
		mend: func(ctx context.Context) (string, error) {
			return "somebody ends the leak", st.workflow.faults.Clear(ctx, "memory-leak")
		},
		want: expectation{target: "workflow-mcp", class: detect.ClassMemory, evidence: "memory is at its limit",
			woken: true, page: "one-witness", sameRun: []string{"codebase-mcp", "workflow-mcp", "postgres"}},
	}
}

func (st *stage) wrongPage() scene {
	return scene{
		name: "404 health page", title: "the health page of codebase-mcp is gone (404): the service works, the probe is wrong", servers: []*server{st.codebase},
		inject: func(ctx context.Context) (string, error) {
			return "a restart cannot cure this", st.codebase.faults.Set(ctx, "reply", "kind=not-found", "path=/health")
		},
		mend: func(ctx context.Context) (string, error) {
			return "somebody puts the page back", st.codebase.faults.Clear(ctx, "reply")
		},
		want: expectation{target: "codebase-mcp", class: detect.ClassMisconfigured, evidence: "has no such page (HTTP 404)",
			woken: true, page: "HTTP 404", sameRun: []string{"codebase-mcp", "workflow-mcp", "postgres"}},
	}
}

// crashLoop shows the end of a ladder.
func (st *stage) crashLoop() scene {
	start := strategy.Start
	return scene{
		name: "crash loop", title: "workflow-mcp dies again 0.3 s after each start: the cure fails", servers: []*server{st.workflow},
		inject: func(ctx context.Context) (string, error) {
			pid, err := st.pid(ctx, "workflow-mcp")
			if err != nil {
				return "", err
			}
			if err := st.workflow.nextStart("crash?delay=300ms"); err != nil {
				return "", err
			}
			return fmt.Sprintf("SIGKILL to process %d, and a bug that ends every process after it", pid), kill(pid)
		},
		mend: func(ctx context.Context) (string, error) {
			if err := st.workflow.nextStart(""); err != nil {
				return "", err
			}
			_, err := st.daemon.say(ctx, "retry", "workflow-mcp", "--by", "demo")
			return "somebody corrects the bug and says: recoveryd retry workflow-mcp", err
		},
		want: expectation{target: "workflow-mcp", class: detect.ClassDown, verbs: []strategy.Verb{start, start, start, start},
			evidence: "exited 3", woken: true, page: "not cured by 3 attempts", sameRun: []string{"codebase-mcp", "postgres"}},
	}
}

func without(list []string, x string) (out []string) {
	for _, s := range list {
		if s != x {
			out = append(out, s)
		}
	}
	return out
}
