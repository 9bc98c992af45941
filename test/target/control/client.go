// Package control switches the faults of a running mcp-target from a test or from the demo.
//
// It only speaks to the control endpoint (flag -control); which faults there are, and what they
// take, is listed in faults.go of mcp-target. Start reading at [New].
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Dial opens a connection to the control endpoint; a lab gives one that reaches into its network.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// Client switches faults. Safe for concurrent use.
type Client struct {
	http *http.Client
}

// State is what a target says about itself at the control endpoint.
type State struct {
	PID     int               `json:"pid"`
	Started time.Time         `json:"started"`
	Faults  map[string]string `json:"faults"` // faults that are on, with their parameters as a query string
	Pool    struct {
		Size int `json:"size"`
		Min  int `json:"min_size"`
		Max  int `json:"max_size"`
		Free int `json:"free"`
	} `json:"pool"`
}

// New makes a client of the endpoint at addr, which is spelled as for the flag -control: host:port
// or unix:PATH. With a nil dial it connects from where it runs.
func New(addr string, dial Dial) *Client {
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return &Client{http: &http.Client{
		// A leak may wait for its connections, and a stop for its leaks, for some seconds.
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true, // the target may be another process at the next call
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dial(ctx, network, addr)
			},
		},
	}}
}

// Set switches a fault on. Parameters are "key=value"; those left out keep their defaults. A fault
// that is on is switched off first.
func (c *Client) Set(ctx context.Context, fault string, params ...string) error {
	values := url.Values{}
	for _, p := range params {
		key, value, ok := strings.Cut(p, "=")
		if !ok {
			return fmt.Errorf("fault %s: parameter %q is not key=value", fault, p)
		}
		values.Set(key, value)
	}
	return c.do(ctx, http.MethodPost, "/faults/"+url.PathEscape(fault)+"?"+values.Encode(), nil)
}

// Clear switches a fault off.
func (c *Client) Clear(ctx context.Context, fault string) error {
	return c.do(ctx, http.MethodDelete, "/faults/"+url.PathEscape(fault), nil)
}

// ClearAll switches every fault off.
func (c *Client) ClearAll(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "/faults", nil)
}

// State asks which process answers, which faults are on, and what the pool looks like.
func (c *Client) State(ctx context.Context) (State, error) {
	var s State
	err := c.do(ctx, http.MethodGet, "/", &s)
	return s, err
}

func (c *Client) do(ctx context.Context, method, path string, into any) (err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://control"+path, nil)
	if err != nil {
		return fmt.Errorf("control endpoint: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("control endpoint: %w", err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("control endpoint: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("control endpoint: %s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(body))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("control endpoint: %w", err)
	}
	return nil
}
