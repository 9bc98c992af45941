package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// classWords says in a few words what a failure class means for those who use the target.
func classWords(c detect.Class) string {
	switch c {
	case detect.ClassDown:
		return "down: no process served"
	case detect.ClassHung:
		return "hung: a process ran and did not answer"
	case detect.ClassDatabase:
		return "the database was dead or frozen"
	case detect.ClassPool:
		return "its connections were used up"
	case detect.ClassMemory:
		return "out of memory"
	case detect.ClassLatency:
		return "too slow for too long"
	case detect.ClassDisk:
		return "a disk was full"
	case detect.ClassPort:
		return "another process held its port"
	case detect.ClassMisconfigured:
		return "misconfigured"
	case detect.ClassDependency:
		return "a dependency was down"
	case detect.ClassGateway:
		return "something on the way answered in its place"
	case detect.ClassStarting:
		return "it said that it was still starting"
	case detect.ClassRefusing:
		return "the database let nobody in"
	case detect.ClassUnknown:
		return "unwell, of an unknown kind"
	case ClassCanary:
		return "a test of the channels"
	}
	return "rule " + string(c)
}

// ClassCanary is the class of the marked test incidents by which recoveryd proves its channels.
// They are reported like any other and counted in no figure.
const ClassCanary detect.Class = "canary"

// verdictWords says what became of an attempt.
func verdictWords(a incident.Attempt) string {
	switch a.Verdict {
	case "":
		if a.Result == "" {
			return "in flight"
		}
		return "being proven"
	case incident.Verified:
		return "helped, verified"
	case incident.Relapse:
		return "helped for a while, then a relapse"
	case incident.NextStep:
		return "first step of its plan"
	case incident.ClearedByItself:
		return "clear, though not by this"
	case incident.ActionFailed:
		return "failed"
	case incident.ActionUnknown:
		return "outcome unknown, judged by looking: did not help"
	case incident.NotBegun:
		return "not done: the unit had changed since it was decided"
	case incident.HoldOperator:
		return "a person stepped in before it could be judged"
	case "no-effect":
		return "did not help"
	}
	return string(a.Verdict)
}

// kindWords names a notice by what its receiver notices.
func kindWords(k notice.Kind) string {
	switch k {
	case notice.Trigger:
		return "page"
	case notice.Update:
		return "update"
	case notice.Resolve:
		return "all-clear"
	case notice.Change:
		return "note"
	}
	return string(k)
}

// span writes a duration for people, in at most two units.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return short(d.Round(time.Second))
	case d < 24*time.Hour:
		return short(d.Round(time.Minute))
	}
	d = d.Round(time.Hour)
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// short leaves out the zeros at the end: "5m", not "5m0s".
func short(d time.Duration) string {
	s := strings.TrimSuffix(d.String(), "m0s")
	if s != d.String() {
		if h := strings.TrimSuffix(s, "h0"); h != s {
			return h + "h"
		}
		return s + "m"
	}
	return s
}

// after says when something was, seen from the first bad look.
func after(d time.Duration) string {
	if d <= 0 {
		return "at the first bad look"
	}
	return span(d) + " after the first bad look"
}

// counted writes a number with its noun: "1 page", "2 pages".
func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// listed joins names as a sentence does.
func listed(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// upper begins a sentence.
func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
