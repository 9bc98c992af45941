package config

import (
	"time"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// Call is how a server is asked over HTTP. It is part of health and synthetic checks.
type Call struct {
	// Address to ask.
	URL string `yaml:"url" form:"url" want:"required"`
	// HTTP method. Not for type mcp and ndjson.
	Method string `yaml:"method" form:"method" shown:"GET; POST for a synthetic check with a body"`
	// Headers to send.
	Headers []Header `yaml:"headers"`
	// Token to send as "Authorization: Bearer ...". Some servers count health checks against a
	// rate limit for each client: a token of its own gives recoveryd its own allowance.
	BearerToken strictyaml.Secret `yaml:"bearer_token"`
	// The answer is not read beyond this.
	MaxBody strictyaml.Size `yaml:"max_body" default:"1MiB" want:"min=1KiB,max=64MiB"`
	// Do not check the certificate of the server.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify" default:"false"`
	// File with the certificates (PEM) that vouch for the server.
	CAFile string `yaml:"ca_file" form:"path" shown:"the certificates of the system"`
	// How MCP is spoken: streamable (streamable HTTP) or sse. Only for type mcp.
	Transport string `yaml:"transport" enum:"streamable|sse" default:"streamable"`
}

// Header is one HTTP header. Its value counts as a secret.
type Header struct {
	// Name of the header.
	Name string `yaml:"name" form:"token" want:"required"`
	// Its value.
	Value strictyaml.Secret `yaml:"value" want:"required" literal:"fine"`
}

// HealthCheck is how a service is asked for its health.
type HealthCheck struct {
	// How to ask: http (a request) or mcp (read a resource of an MCP server).
	Type string `yaml:"type" enum:"http|mcp" default:"http"`
	Call `yaml:",inline"`
	// Time that an answer may take. It must be shorter than interval. A server whose pool is full
	// takes a second to say so: less than 1.5s makes it look hung.
	Timeout time.Duration `yaml:"timeout" default:"3s" want:"min=10ms,max=10m"`
	// MCP resource to read. A server that does not offer it is judged by ping and tools/list. Only for type mcp.
	Resource string `yaml:"resource" default:"health://status" want:"nonempty"`
	// What the service's own words mean: healthy, degraded or unhealthy, as in {sunny: healthy}. They go
	// before the words that recoveryd knows (docs/dialects.md), for the reply as a whole and for its parts.
	Words strictyaml.Values `yaml:"words"`
	// Parts of the reply without which the service is unhealthy, named as the reply does, alone or with
	// their path: database, or checks.redis. A part that is missing makes the service unknown.
	RequiredParts []string `yaml:"required_parts"`
	// Parts of the reply that count for nothing, named in the same way. A reply that calls itself bad
	// for them alone is healthy.
	IgnoredParts []string `yaml:"ignored_parts"`
}

// SyntheticCheck is one call of real work.
type SyntheticCheck struct {
	// Name of the check in messages. Unique within the target.
	Name string `yaml:"name" form:"name" want:"required"`
	// How to call: http (a request), mcp (call a tool of an MCP server) or ndjson (POST
	// {"tool", "input"} and read a stream of JSON lines).
	Type string `yaml:"type" enum:"http|mcp|ndjson" default:"http"`
	Call `yaml:",inline"`
	// Body of the request. Only for type http. It is not kept secret.
	Body string `yaml:"body"`
	// Tool to call. For type mcp and ndjson.
	Tool string `yaml:"tool"`
	// Arguments of the tool, as the tool wants them. They are not kept secret.
	Arguments strictyaml.Values `yaml:"arguments"`
	// Regular expression that the answer must match. Empty: any answer without an error will do.
	Match string `yaml:"match" form:"regexp"`
	// Time that the answer may take. It must be shorter than every.
	Timeout time.Duration `yaml:"timeout" default:"10s" want:"min=10ms,max=10m"`
	// Time between two calls.
	Every time.Duration `yaml:"every" default:"1m" want:"min=1s,max=1d"`
}

// PlainCheck is how a plain dependency is asked.
type PlainCheck struct {
	// How to ask: redis (PING), ollama (GET /api/tags), tcp (connect) or http (a 2xx answer).
	Type string `yaml:"type" enum:"redis|ollama|tcp|http" want:"required"`
	// Host and port to connect to. For type redis and tcp.
	Address string `yaml:"address" form:"address"`
	// Address to ask. For type ollama and http.
	URL string `yaml:"url" form:"url"`
	// User to log in as. Only for type redis with access control lists.
	User string `yaml:"user"`
	// Password to log in with. Only for type redis.
	Password strictyaml.Secret `yaml:"password"`
	// Time that an answer may take. It must be shorter than the interval of the target.
	Timeout time.Duration `yaml:"timeout" default:"2s" want:"min=10ms,max=10m"`
}

// Postgres is how a PostgreSQL cluster is asked.
type Postgres struct {
	// How to connect: "host=/run/postgresql user=recoveryd dbname=postgres", or an address
	// such as postgres://recoveryd@127.0.0.1/postgres. Connect straight to the server and not through
	// a pooler: recoveryd has to see the server itself. A role in pg_monitor and
	// pg_signal_backend is enough; with reserved connections it still gets in when all others
	// are taken.
	DSN strictyaml.Secret `yaml:"dsn" want:"required" literal:"dsn"`
	// Time that connecting may take.
	ConnectTimeout time.Duration `yaml:"connect_timeout" default:"2s" want:"min=10ms,max=10m"`
	// Time that one statement may take. Together with connect_timeout it must be shorter than
	// the interval of the target.
	StatementTimeout time.Duration `yaml:"statement_timeout" default:"2s" want:"min=10ms,max=10m"`
	// Data directory of the cluster. Before a start recoveryd looks whether its file system is
	// full. Empty: it does not look.
	DataDir string `yaml:"data_dir" form:"path"`
}

// The types of health, synthetic and plain checks.
const (
	TypeHTTP   = "http"
	TypeMCP    = "mcp"
	TypeNDJSON = "ndjson"
	TypeRedis  = "redis"
	TypeOllama = "ollama"
	TypeTCP    = "tcp"
)
