package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// searchInput is what the tool search and POST /search take.
type searchInput struct {
	Query string `json:"query" jsonschema:"text to look for in titles and bodies"`
	Limit int    `json:"limit,omitempty" jsonschema:"at most this many results, 10 by default"`
}

// searchOutput is what they answer.
type searchOutput struct {
	Results   []document `json:"results"`
	Count     int        `json:"count"`
	LatencyMS float64    `json:"latency_ms"`
}

func (a *app) newMCPServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "codebase-mcp", Version: "0.0.0"}, nil)
	// The text/plain type is the real one: the JSON is a string inside JSON.
	resource := func(uri, name string, read func(context.Context) any) {
		s.AddResource(&mcp.Resource{URI: uri, Name: name, MIMEType: "text/plain"},
			func(ctx context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
				text, err := json.Marshal(read(ctx))
				if err != nil {
					return nil, fmt.Errorf("resource %s: %w", uri, err)
				}
				return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{
					{URI: req.Params.URI, MIMEType: "text/plain", Text: string(text)},
				}}, nil
			})
	}
	resource("health://status", "health_status", func(ctx context.Context) any {
		return shape(a.behaviour.healthVariant(), a.check(ctx))
	})
	resource("health://connection-pool", "connection_pool_health", func(context.Context) any {
		return shapeD(report{at: time.Now(), uptime: a.uptime(), pool: a.store.stats()})
	})
	resource("metrics://prometheus", "metrics", func(context.Context) any {
		return object{"counters": []any{}, "histograms": []any{}} // what the real one always says
	})
	mcp.AddTool(s, &mcp.Tool{Name: "search", Description: "Search the documents for a text."},
		func(ctx context.Context, _ *mcp.CallToolRequest, in searchInput) (*mcp.CallToolResult, searchOutput, error) {
			out, err := a.search(ctx, in)
			return nil, out, err
		})
	return s
}

func (a *app) search(ctx context.Context, in searchInput) (searchOutput, error) {
	if in.Limit <= 0 {
		in.Limit = 10
	}
	began := time.Now()
	found, err := a.store.search(ctx, in.Query, in.Limit)
	if err != nil {
		return searchOutput{}, err
	}
	return searchOutput{Results: found, Count: len(found), LatencyMS: milliseconds(time.Since(began))}, nil
}

// closeSessions ends the MCP sessions, whose event streams would otherwise hold up the drain.
func (a *app) closeSessions() {
	for s := range a.mcp.Sessions() {
		_ = s.Close()
	}
}
