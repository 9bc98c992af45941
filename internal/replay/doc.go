// Package replay records what the decision core was told during an incident, and tells it again to
// the rules of another configuration.
//
// A [Recorder] listens to the decision loop. When a target leaves the quiet state it notes the
// state that the core was in, and from then on every event that can have mattered, until the target is
// quiet again; the recording is kept with the incident. [Run] puts the recorded events to a
// [incident.Policy] and compares what it decides with what was decided. Since the core is a pure function
// of state, time and event, the same configuration decides the same, to the byte.
//
// It decides nothing itself, never touches a host, and never guesses: after the first decision that
// differs, the recording tells what happened after another decision, and the comparison says so. A
// recording is bounded in size, time and number; one that was cut short says where and why.
//
// Start reading at [Recorder.Stepped], then [Run].
package replay
