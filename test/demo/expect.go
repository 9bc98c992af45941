package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// compare lists what was not as expected. before and after are the runs of the targets.
func (x expectation) compare(r result, before, after map[string]string) (differs []string) {
	bad := func(format string, args ...any) { differs = append(differs, fmt.Sprintf(format, args...)) }
	if len(r.histories) != 1 {
		bad("want one incident, got %d", len(r.histories))
		if len(r.histories) == 0 {
			return differs
		}
	}
	i := r.histories[0].Incident
	if i.Target != x.target || i.Class != x.class {
		bad("want the diagnosis %s of %s, got %s of %s", x.class, x.target, i.Class, i.Target)
	}
	if because := evidenceOf(r); !strings.Contains(because, x.evidence) {
		bad("the evidence does not mention %q", x.evidence)
	}
	if got := verbsOf(r); !slices.Equal(got, x.verbs) {
		bad("want the actions %v, got %v", x.verbs, got)
	}
	if n := len(i.Attempts); n > 0 {
		last := i.Attempts[n-1]
		if last.Verdict != incident.Verified {
			bad("the last action was not verified (%s)", last.Verdict)
		}
		if !strings.Contains(last.Detail, x.detail) {
			bad("the last action does not say %q but %q", x.detail, last.Detail)
		}
	}
	for _, name := range x.sameRun {
		if before[name] != after[name] {
			bad("%s was restarted, and must not have been", name)
		}
	}
	return append(differs, x.comparePages(r.pages)...)
}

// comparePages checks who was woken.
func (x expectation) comparePages(pages []escalatetest.Entry) (differs []string) {
	want := 0
	if x.woken {
		want = 1
	}
	if len(pages) != want {
		return []string{fmt.Sprintf("want %d page(s), got %d", want, len(pages))}
	}
	if x.woken && !strings.Contains(pages[0].Body, x.page) {
		return []string{fmt.Sprintf("the page does not say %q", x.page)}
	}
	return nil
}

// refused lists messages that a receiver did not accept: a real vendor would have lost them.
func refused(entries []escalatetest.Entry) (differs []string) {
	for _, e := range entries {
		if e.Verdict != escalatetest.Accepted {
			differs = append(differs, fmt.Sprintf("%s %s a message (%s): %s", e.Vendor, e.Verdict, e.Kind, e.Why))
		}
	}
	return differs
}

// verbsOf lists what was done, in order.
func verbsOf(r result) (verbs []strategy.Verb) {
	for _, h := range r.histories {
		for _, a := range h.Incident.Attempts {
			verbs = append(verbs, a.Verb)
		}
	}
	return verbs
}

// evidenceOf joins every sentence of evidence that the records give.
func evidenceOf(r result) string {
	var b strings.Builder
	for _, h := range r.histories {
		for _, rec := range h.Records {
			if rec.After != nil {
				b.WriteString(rec.After.Diagnosis.Because + "\n")
			}
		}
	}
	return b.String()
}
