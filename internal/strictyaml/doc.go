// Package strictyaml reads YAML into Go structs, strictly: an unknown key, a wrong type, a value out of its bounds is
// a problem with file, line and column, and all problems are told at once.
//
// What may be written is described by the structs and their tags alone ([Shape]); keys may be kept for somebody else, who
// reads them by a struct of his own ([Section]). Texts may come from files, environment variables and systemd
// credentials ([Secret], [Twins]), are never shown, and nothing else is expanded. What people often write instead gets
// its cure in the message (habits.go, cure.go). What a file may cost to read is bounded (syntax.go, tree.go).
//
// It knows nothing of what is configured: package config does. Start reading at [Reader].
package strictyaml
