// Package config turns one YAML file into one immutable [Config], or into the list of everything
// that is wrong with it.
//
// It decides what may be written in the file: which keys exist, their types, units, defaults and
// bounds, which settings contradict each other, and which are legal but risky. It reports all
// problems at once, each with file, line and column. It never watches the file, never expands
// anything but secrets, never keeps a value that it did not understand, and never lets a secret
// out except through [strictyaml.Secret.Reveal]. It knows no strategy, class, notifier or platform by name:
// the caller passes those names in [Known], so that "recoveryd validate" and the daemon judge a
// file by the same code.
//
// The way of a file: [Load] reads it, package strictyaml compares it with the Go types and fills in defaults, decode.go
// lets viper fill the struct, check*.go judge what one key alone cannot tell. The field comments and tags of the structs
// in config.go, target.go, probe.go, policy.go, playbook.go, escalation.go and drill.go are the only place where a key is
// described: docs/configuration.md and configs/recoveryd.schema.json are generated from them by the program in reference/.
//
// It has more than fifteen files because each section of the file has its own, and its checks another.
//
// Start reading at [Config], then [Parse].
package config

//go:generate go run ./reference
