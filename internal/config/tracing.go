package config

import "time"

// Tracing sends one OpenTelemetry trace of every incident, when it is closed: finding it, holding
// back, acting, proving and telling people are its spans.
type Tracing struct {
	// Address of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318; /v1/traces is
	// added where there is no path. Empty: no traces.
	Endpoint string `yaml:"endpoint" form:"url"`
	// Value of the Authorization header, such as "Bearer ...".
	Authorization Secret `yaml:"authorization"`
	// Time after which one try is given up. Nothing waits for it.
	Timeout time.Duration `yaml:"timeout" default:"10s" want:"min=100ms,max=1m"`
}
