package config

// Notifier is a channel by which people are told.
type Notifier struct {
	// Name of the channel, as routes and tiers use it. Unique.
	Name string `yaml:"name" form:"name" want:"required"`
	// Kind of channel: pagerduty, slack, email, webhook, ... Every other key belongs to that kind
	// and is described with it. A secret key may end in _file, _env or _credential there too.
	Type string `yaml:"type" want:"required"`
	// The keys that belong to the notifier.
	Section Section `yaml:"@rest"`
}

// Decode reads the keys that belong to the notifier into its own struct: see [Section.Decode].
// It has the form that notifier packages take.
func (n Notifier) Decode(into any) error { return n.Section.Decode(into) }

// Route says who is told of which incidents.
type Route struct {
	// Severities to which it applies.
	Severity []string `yaml:"severity" enum:"P1|P2|P3|P4" want:"nonempty" shown:"all severities"`
	// Failure classes to which it applies: built-in ones, or names of rules.
	Classes []string `yaml:"classes" want:"nonempty" shown:"all classes"`
	// Targets to which it applies.
	Targets []string `yaml:"targets" want:"nonempty" shown:"all targets"`
	// Notifiers, or on-call schedules, that are told.
	Notify []string `yaml:"notify" want:"required,nonempty"`
}
