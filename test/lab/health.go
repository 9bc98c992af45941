package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/recoveryd/recoveryd/test/target/control"
)

// healthTimeout is longer than the second after which a server with a full pool answers.
const healthTimeout = 3 * time.Second

// Health is a health payload as the servers of the lab send it (variant A).
type Health struct {
	Status   string `json:"status"`
	Database string `json:"database_status"`
	Pool     struct {
		Size int `json:"size"`
		Min  int `json:"min_size"`
		Max  int `json:"max_size"`
		Free int `json:"free"`
	} `json:"connection_pool"`
	Took time.Duration `json:"-"` // until the reply was complete
}

// Health asks the server at addr once, with a timeout of three seconds.
func (l *Lab) Health(ctx context.Context, addr string) (h Health, err error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/health/status", nil)
	if err != nil {
		return h, fmt.Errorf("health of %s: %w", addr, err)
	}
	began := time.Now()
	resp, err := l.HTTPClient().Do(req)
	if err != nil {
		return h, fmt.Errorf("health of %s: %w", addr, err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if err := json.NewDecoder(resp.Body).Decode(&h); err != nil {
		return h, fmt.Errorf("health of %s: %s: %w", addr, resp.Status, err)
	}
	h.Took = time.Since(began)
	return h, nil
}

// Control returns a client of the fault switches of a server, for example at CodebaseControl or
// "unix:/run/victim-8100.sock".
func (l *Lab) Control(addr string) *control.Client { return control.New(addr, l.DialContext) }
