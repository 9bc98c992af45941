package detect

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// DiagnosisPage renders docs/diagnosis.md from the conditions, the table of witness pairs and the
// table of facts. A test keeps the page in step with them.
func DiagnosisPage() string {
	var b strings.Builder
	b.WriteString(pageHead)
	b.WriteString("| | class | on | what it looks like |\n|---|---|---|---|\n")
	for i, c := range Builtin() {
		fmt.Fprintf(&b, "| %d | [`%s`](runbooks/%s.md) | %s | %s |\n", i+1, c.Class, c.Class, joinKinds(c.Kinds), c.Summary)
	}
	b.WriteString(pageTiming)
	b.WriteString("| class | on | severity | looks | for | clear | ladder |\n|---|---|---|---|---|---|---|\n")
	for _, class := range BuiltinClasses() {
		for _, k := range kindsInOrder {
			if c, ok := ConditionFor(class, k, nil); ok {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %d | %s | %s | %s |\n", class, k, c.Severity, max(c.Looks, 1),
					pageTime(c.For), pageTime(c.Clear), pageLadder(c))
			}
		}
	}
	b.WriteString(pageWitnesses)
	for _, w := range witnessWords {
		fmt.Fprintf(&b, "- `%s`: %s\n", w.kind, w.words)
	}
	b.WriteString(pagePairs)
	b.WriteString("| class | two kinds of evidence | because |\n|---|---|---|\n")
	for _, class := range BuiltinClasses() {
		for _, p := range Pairs() {
			if p.Class == class {
				fmt.Fprintf(&b, "| `%s` | `%s` and `%s` | %s |\n", p.Class, p.A, p.B, p.Why)
			}
		}
	}
	var none []string
	for _, class := range BuiltinClasses() {
		if !slices.ContainsFunc(Pairs(), func(p Pair) bool { return p.Class == class }) {
			none = append(none, "`"+string(class)+"`")
		}
	}
	fmt.Fprintf(&b, "\nNothing disruptive is ever done about %s: no pair counts for them.\n", join(none))
	b.WriteString(pageRules)
	for _, r := range ruleExamples() {
		fmt.Fprintf(&b, "  - name: %s\n    when: %s\n    because: %s\n    for: %s\n    severity: %s\n", r.Name, yamlWord(r.When), r.Because, pageTime(r.For), r.Severity)
		if len(r.Ladder) > 0 {
			fmt.Fprintf(&b, "    ladder: [%s]\n", strings.Join(r.Ladder, ", "))
		}
	}
	b.WriteString(pageSyntax)
	b.WriteString("| fact | holds | meaning |\n|---|---|---|\n")
	for _, f := range FactTable() {
		name, holds := f.Name, f.Type.String()
		if f.Prefix {
			name = strings.TrimSuffix(name, ".") + `["..."]`
		}
		if f.Words != nil {
			holds += ": " + strings.Join(slices.DeleteFunc(slices.Clone(f.Words), func(w string) bool { return w == "" }), ", ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, holds, f.What)
	}
	return b.String()
}

var kindsInOrder = []Kind{KindService, KindPostgres, KindPlain}

func joinKinds(ks []Kind) string {
	names := make([]string, len(ks))
	for i, k := range ks {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

func pageTime(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	s := d.String()
	for _, z := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, z) {
			s = s[:len(s)-2]
		}
	}
	return s
}

func pageLadder(c Condition) string {
	if len(c.Ladder) == 0 {
		return "none: a person is told"
	}
	return strings.Join(c.Ladder, ", ")
}

func yamlWord(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// ruleExamples are the operator-declared classes that the page shows; a test compiles them.
func ruleExamples() []Rule {
	return []Rule{
		{Name: "slow-everywhere", When: `http.latency > 2 and synthetic.latency > 5`,
			Because: "health replies and calls of real work are both slow", For: 2 * time.Minute, Severity: P2, Ladder: []string{"restart"}},
		{Name: "forgotten-transaction", When: `sql.longest_tx > seconds("1h") and sql.blocked > 0`,
			Because: "a transaction has been open for an hour and others wait for it", For: 2 * time.Minute, Severity: P3},
		{Name: "disk-soon", When: `disk.share["/var/lib/postgresql"] > 0.85`,
			Because: "the database's disk fills up", For: 10 * time.Minute, Severity: P4},
		{Name: "pool-soon", When: `trend.pool_left < seconds("3m") and pool.utilization > 0.6`,
			Because: "the pool will be used up within minutes, so its idle sessions are ended early", For: 20 * time.Second, Severity: P3, Ladder: []string{"terminate-idle"}},
		{Name: "memory-soon", When: `trend.memory_left < seconds("15m") and age() > seconds("30m")`,
			Because: "memory will be at its limit within a quarter of an hour", For: 2 * time.Minute, Severity: P3},
		{Name: "degraded-for-long", When: `trend.degraded_for > seconds("10m")`,
			Because: "the service has called itself degraded for ten minutes", For: 30 * time.Second, Severity: P4},
		{Name: "slow-after-warm-up", When: `age() > seconds("10m") and synthetic.latency > 2`,
			Because: "calls of real work are slow although the service is warm", For: time.Minute, Severity: P3},
	}
}
