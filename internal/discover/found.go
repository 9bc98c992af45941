package discover

// Found is what was found on a host.
type Found struct {
	Host     string
	When     string // date of the look, for the first comment
	Services []Service
	Clusters []Cluster
	Plain    []Plain
	Others   []Other // services that listen and that nothing is known of
	Notes    []string
}

// Service is a server that looks like an MCP server.
type Service struct {
	Unit      string
	Why       string // what it was recognised by
	URL       string // of its health; "" when none was found
	MCP       bool   // its health is asked in the protocol MCP
	Says      string // what it answered: "healthy", "healthy, pool of 30"
	Pool      bool   // its reply tells about a connection pool
	Ports     []int
	Needs     []string // names of clusters and plain dependencies that it is connected to
	MemoryMax uint64   // bytes; 0 = its unit has none
}

// Cluster is a PostgreSQL cluster.
type Cluster struct {
	Name    string // as a target
	Unit    string
	Port    int
	Socket  string // directory of its socket
	DataDir string // "" when it could not be told
	Running bool
}

// Plain is a dependency with a simple check.
type Plain struct {
	Name, Unit, Type string // Type is redis or ollama
	Port             int
}

// Other is a service that listens.
type Other struct {
	Unit  string
	Ports []int
}
