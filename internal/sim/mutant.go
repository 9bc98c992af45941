package sim

import "github.com/recoveryd/recoveryd/pkg/incident"

// mutant is a deliberately broken rule. The tests put one into a world to see that an invariant
// catches it: invariants that nothing can break prove nothing.
type mutant struct {
	name   string // short, as a file name
	says   string // what the broken daemon does, as a sentence
	calm   bool   // it shows in calm worlds only
	worlds int    // it must be caught within that many; 0 = the usual number

	options func(*incident.Options)             // breaks the configuration's rules
	core    func(*world, *incident.Policy) core // stands between the shell and the core
	daemon  func(*daemon)                       // breaks the shell
}
