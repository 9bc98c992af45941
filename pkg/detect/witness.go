package detect

import "slices"

// Witness is a kind of evidence. Two facts of the same kind are one witness: asking the same
// socket twice proves nothing new.
type Witness string

// The kinds of evidence.
const (
	ByHTTP       Witness = "http"       // the service's own reply, or the lack of one on an accepted connection
	BySynthetic  Witness = "synthetic"  // a call of real work
	ByPlatform   Witness = "workload"   // what its platform says of it
	BySocket     Witness = "socket"     // the kernel's view of the port: refused, nobody listens, backlog unread
	BySQL        Witness = "sql"        // PostgreSQL itself, asked on a connection of our own
	ByMemory     Witness = "memory"     // what its platform counts of its memory
	ByProcess    Witness = "process"    // the process table: resident memory, stopped state
	ByDependents Witness = "dependents" // health replies of the services that need this target
	ByPlain      Witness = "plain"      // the dependency's own protocol (PING, /api/tags)
	ByDisk       Witness = "disk"       // statfs
	ByHost       Witness = "host"       // pressure on the whole host: it accuses nobody, so it is never one of a pair
	ByAlert      Witness = "alert"      // an outside system's firing alert; never enough alone, never one of a pair that restarts
)

// UnmarshalText reads a kind of a journal; two have other names in earlier builds.
func (w *Witness) UnmarshalText(b []byte) error {
	switch *w = Witness(b); *w {
	case "unit":
		*w = ByPlatform
	case "cgroup":
		*w = ByMemory
	}
	return nil
}

// Pair is two kinds of evidence that together justify a disruptive action for a class.
type Pair struct {
	Class Class
	A, B  Witness
	Why   string // why the two are independent, and what they prove together
}

// Pairs is the one table of the second promise: no disruptive action without two kinds of
// evidence that agree. A class that is not in it is never acted on disruptively.
func Pairs() []Pair {
	return []Pair{
		{ClassDown, ByPlatform, BySocket, "its platform says that no process runs, and the kernel refuses connections"},
		{ClassHung, ByHTTP, ByPlatform, "the port accepts but no reply comes, twice, from a process that its platform sees running since before; every database it needs answers us"},
		{ClassHung, ByHTTP, BySocket, "no reply comes, and the kernel holds connections that the process does not accept"},
		{ClassHung, ByHTTP, ByProcess, "no reply comes, and the process table shows the process stopped"},
		{ClassHung, ByHTTP, BySynthetic, "neither the health call nor a call of real work is answered, and they go different ways or straight to the process"},
		{ClassHung, BySocket, ByPlatform, "its platform sees the process running, and the port that it served before is closed"},
		{ClassDatabase, BySQL, ByPlatform, "PostgreSQL does not answer us, and its platform says that the cluster is not running"},
		{ClassDatabase, BySQL, ByDependents, "PostgreSQL does not answer us, and a service that needs it says the same or hangs on it"},
		{ClassDatabase, BySQL, ByProcess, "PostgreSQL does not answer us, and its postmaster is stopped in the process table"},
		{ClassDatabase, ByPlatform, ByDependents, "its platform says that the cluster is not running, and a service has lost all its connections"},
		{ClassPool, ByHTTP, BySQL, "the service reports a full pool, and PostgreSQL counts as many sessions of it"},
		{ClassPool, ByHTTP, BySynthetic, "the service reports a full pool, and a call of real work fails"},
		{ClassPool, BySQL, ByDependents, "PostgreSQL answers that it has no connection left, and a service that needs it finds none"},
		{ClassMemory, ByMemory, ByProcess, "its memory accounting and its processes' resident memory are both at the limit"},
		{ClassMemory, ByMemory, ByHTTP, "it is at its memory limit, and the service itself reports as much or answers badly"},
		{ClassMemory, ByProcess, ByHTTP, "its processes' resident memory is at the limit, and the service itself reports as much or answers badly"},
		{ClassMemory, ByPlatform, BySocket, "its platform saw the kernel kill it for memory, and its port is closed"},
		{ClassMemory, ByPlatform, ByMemory, "its platform saw the kernel kill it for memory, and the counter of such kills agrees"},
		{ClassDependency, ByPlain, ByPlatform, "the dependency does not answer its protocol, and its platform says that it does not run or runs unanswering"},
		{ClassDependency, BySocket, ByPlatform, "the kernel refuses connections, and its platform says that it does not run"},
		{ClassUnknown, ByHTTP, BySynthetic, "the service calls itself unhealthy, and a call of real work fails"},
	}
}

// Agree reports whether the witnesses justify a disruptive action for the class, and which pair
// does. For a class that operators declared, any two different kinds count,
// except those that accuse nobody in particular: an outside alert and pressure on the whole host.
func Agree(c Class, ws []Witness) (Pair, bool) {
	known := false
	for _, p := range Pairs() {
		if p.Class != c {
			continue
		}
		known = true
		if slices.Contains(ws, p.A) && slices.Contains(ws, p.B) {
			return p, true
		}
	}
	if known || slices.Contains(builtinClasses, c) {
		return Pair{}, false
	}
	var first Witness
	for _, w := range ws {
		switch {
		case w == ByAlert || w == ByHost || w == first:
		case first == "":
			first = w
		default:
			return Pair{Class: c, A: first, B: w, Why: "two kinds of evidence in the operator's rule"}, true
		}
	}
	return Pair{}, false
}

var builtinClasses = []Class{ClassUnknown, ClassDown, ClassHung, ClassDatabase, ClassPool, ClassMemory,
	ClassLatency, ClassDisk, ClassPort, ClassMisconfigured, ClassDependency, ClassGateway, ClassStarting, ClassRefusing}

// BuiltinClasses lists the failure classes that need no configuration.
func BuiltinClasses() []Class { return slices.Clone(builtinClasses) }
