package detect

import "fmt"

// Verdict is what one look at a target came to. The zero value is "could not tell".
type Verdict uint8

// The four verdicts. Degraded means: it serves, but worse than it should; it never justifies a
// disruptive action by itself.
const (
	Unknown Verdict = iota
	Healthy
	Degraded
	Unhealthy
)

var verdictNames = [...]string{"unknown", "healthy", "degraded", "unhealthy"}

// String returns the lower-case word used in logs, JSON and metrics.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// MarshalText makes verdicts readable in the journal and in -o json.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote; any other word is an error.
func (v *Verdict) UnmarshalText(b []byte) error {
	for i, n := range verdictNames {
		if n == string(b) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("unknown verdict %q (want unknown, healthy, degraded or unhealthy)", b)
}

// Class names one kind of failure. Built-in classes are the constants below; operators may add
// their own in the configuration.
type Class string

// The built-in failure classes. ClassNone belongs to a healthy verdict, ClassUnknown to a
// problem whose kind could not be told.
const (
	ClassNone          Class = ""
	ClassUnknown       Class = "unknown"
	ClassDown          Class = "down"          // no process serves
	ClassHung          Class = "hung"          // a process lives but does not answer
	ClassDatabase      Class = "database"      // the database itself is dead or frozen
	ClassPool          Class = "pool"          // connections are used up: saturation, not death
	ClassMemory        Class = "memory"        // at its memory limit, or killed for it
	ClassLatency       Class = "latency"       // answers, but too slowly for too long
	ClassDisk          Class = "disk"          // a file system that matters is full
	ClassPort          Class = "port"          // another process holds the service's port
	ClassMisconfigured Class = "misconfigured" // restarting cannot help
	ClassDependency    Class = "dependency"    // a plain dependency (Redis, Ollama) is down
	ClassGateway       Class = "gateway"       // something on the way answers in the service's place
	ClassStarting      Class = "starting"      // it says itself that it is not up yet
	ClassRefusing      Class = "refusing"      // a database answers, and lets nobody in
)

// Severity is the runbook's scale, P1 (highest) to P4. The zero value means "not set".
type Severity uint8

// The runbook's four severities.
const (
	SeverityUnset Severity = iota
	P1
	P2
	P3
	P4
)

// String returns "P1" to "P4", or "" when unset.
func (s Severity) String() string {
	if s >= P1 && s <= P4 {
		return fmt.Sprintf("P%d", uint8(s))
	}
	return ""
}

// MarshalText writes "P1".."P4" or an empty string.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads "P1".."P4" (or empty for unset).
func (s *Severity) UnmarshalText(b []byte) error {
	switch string(b) {
	case "":
		*s = SeverityUnset
	case "P1", "P2", "P3", "P4":
		*s = Severity(b[1] - '0')
	default:
		return fmt.Errorf("unknown severity %q (want P1, P2, P3 or P4)", b)
	}
	return nil
}
