package detect

// The prose of docs/diagnosis.md. It is here, beside the tables that it explains, so that a change
// of one meets the other.

const pageHead = `# Diagnosis

Generated from ` + "`pkg/detect`" + ` (` + "`go test ./pkg/detect -run TestDiagnosisPage -update`" + ` rewrites it).

Every look at a target ends in one of four verdicts:

- **healthy**: it serves.
- **degraded**: it serves, worse than it should, or will not for long: a pool or a memory that fills steadily.
  Nothing is done about it; it is shown and counted. What calls itself so, or contradicts itself, in every look for
  page_after.degraded (1h) is told once, with severity P3. A class of your own (below) may act on it early.
- **unhealthy**: it does not serve, or soon will not. The diagnosis names a class, a culprit, the
  evidence in one sentence, and the kinds of evidence that agree.
- **unknown**: it could not be told. What could not be measured is never a number and never a verdict,
  and what speaks of the probe (a 404, a web page, a TLS error, a rate limit) is never held against the
  service. An unknown that lasts is paged as such.

When the trouble of one target is explained by another (a service hangs on a frozen database), the other
one is the **culprit**: it is treated, and this target waits in its incident. A dependency on another host
is named as the culprit and never acted on.

## What is looked for, in this order

The first condition that says unhealthy wins; otherwise the first that could not tell; otherwise the first
degraded one. A condition that is about a start, a stop or a stranger on the port ends the judging. ` +
	"`recoveryd explain`" + ` also shows what was considered and did not win.

`

const pageTiming = `
## When a problem is confirmed, and what is tried

A problem is confirmed when as many looks in a row agree, for at least the given time; the second and third
look follow the first at once. When the process is known to be gone (its platform says so and the port is
closed) one look is enough. It is cured when it has stayed clear for the time under *clear*, from a new
process where one was promised. Looks, times, severity and ladder can be changed under ` + "`classes`" + ` in
the configuration. Where two conditions share a class, these are the values that hold.

`

const pageWitnesses = `
## Kinds of evidence

Two facts of the same kind are one witness: asking the same socket twice proves nothing new.

`

const pagePairs = `
## Two witnesses before anything disruptive

An action that ends work in progress (a restart, a kill, ending a transaction, a larger limit) needs two
kinds of evidence that agree. These are the pairs that count. With one witness the milder rungs may run
(starting what does not run disrupts nobody); the rest is held with the reason ` + "`one-witness`" + ` and paged
in its time. An outside system's alert is shown as evidence and is never one of a pair.

`

const pageRules = `
For a class of your own (below), any two different kinds count that its expression names, the alert and the host excepted.

## Classes of your own

A rule declares a failure class in the configuration: an expression over the facts of a look which is true
while the problem is there. It is judged after the built-in classes, and never while a target starts or
stops. Without a ladder a person is told.

` + "```yaml\nrules:\n"

const pageSyntax = "```\n" + `
Expressions are those of [expr-lang](https://expr-lang.org/docs/language-definition), without loops,
variables and built-in functions: ` + "`and`, `or`, `not` (or `&&`, `||`, `!`), `== != < <= > >=`, `+ - * / % **`,\n`in [..]`, `contains`, `startsWith`, `endsWith`, `matches`, `?:`" + `. Four functions exist:

- ` + "`age()`" + `: seconds since its present run began;
- ` + "`has(\"pool.size\")`" + `: whether a fact was measured;
- ` + "`seconds(\"10m\")`, `bytes(\"512MiB\")`" + `: a duration and a size as numbers.

What holds for every rule:

- Names, types and words are checked when the configuration is read: an unknown fact, a word that a fact
  never takes, or a percentage compared with a share is an error that says what may have been meant.
- **A fact that could not be measured makes the rule unknown, never true.** It then says nothing about the
  target. A fact that is never asked for at a target (a synthetic check that it does not have) means that
  the rule does not apply there.
- The evidence of a rule is that of the comparisons which made it true: of ` + "`a or b`" + ` only the side that
  holds counts. A comparison is one piece of evidence, of the first fact that it names; ` + "`age()` and `has()`" + `
  are circumstances and count for nothing. Everything else that you compare counts, so do not write
  ` + "`workload.state == \"running\"`" + ` into a rule that may restart something.
- ` + "`witnesses: [process, http]`" + ` narrows what counts: only these kinds, and two of them must agree before a
  disruptive rung is taken. ` + "`kinds`, `targets`" + ` narrow what the rule is about.
- A rule that can be true without any evidence is refused.

### Facts

Seconds and bytes are plain numbers. A name that is no word goes in brackets. On a quiet day the port and
the process table are not looked at: ` + "`socket.*` and `process.*`" + ` are measured when the health reply is
missing or bad, when memory runs short, and at every look at a target for which a rule names one of them;
` + "`host.*`" + ` where a rule does, and when a target is not content. A file system is measured where ` + "`disks`" + ` lists it, and for the ` + "`targets`" + ` of a rule
that names it.

`

// witnessWords explains the kinds of evidence.
var witnessWords = []struct {
	kind  Witness
	words string
}{
	{ByHTTP, "the service's own reply (over HTTP or MCP), or its silence on an accepted connection; facts `http.*`, `health.*`, `pool.*`"},
	{BySynthetic, "a call of real work"},
	{ByPlatform, "what its platform says of it; facts `workload.*`, and those that only this platform has"},
	{BySocket, "the kernel's view of the port: refused, who listens, what waits to be accepted"},
	{BySQL, "PostgreSQL itself, on a connection of our own"},
	{ByMemory, "its platform's memory accounting; facts `memory.*`"},
	{ByProcess, "the process table: resident memory, stopped processes, descriptors"},
	{ByDependents, "the health replies of the services that need the target"},
	{ByPlain, "a plain dependency's own protocol (PING, /api/tags, a page)"},
	{ByDisk, "the file systems"},
	{ByHost, "pressure on the whole host: it accuses nobody, so never one of a pair"},
	{ByAlert, "an outside system's firing alert: never enough, and never one of a pair"},
}
