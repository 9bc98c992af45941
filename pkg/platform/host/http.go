package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"

	"github.com/recoveryd/recoveryd/pkg/egress"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

const (
	// maxReply bounds what is read of an answer; a size and a few words are expected.
	maxReply = 64 << 10
	// maxPool is the largest pool that is believed to be meant.
	maxPool = 10000
)

// resizePool asks a service for another pool size.
func (a *Adapter) resizePool(ctx context.Context, act strategy.Action) (platform.Report, error) {
	address := act.Args[strategy.ArgURL]
	if address == "" {
		address = act.Object
	}
	pool, ok := a.pools[address]
	if !ok {
		return failed(act, "nothing was done: this URL is not allowed", errors.New("the URL is not one of the configured admin APIs"))
	}
	size, err := strconv.Atoi(act.Args[strategy.ArgMaxSize])
	if err != nil || size < 1 || size > maxPool {
		return failed(act, "nothing was done: the size makes no sense", fmt.Errorf("max_size=%q: want a number from 1 to %d", act.Args[strategy.ArgMaxSize], maxPool))
	}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	body, err := json.Marshal(map[string]int{"max_size": size})
	if err != nil {
		return failed(act, "nothing was done", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return failed(act, "nothing was done", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if pool.Token != "" {
		req.Header.Set("Authorization", "Bearer "+pool.Token)
	}
	straight, err := egress.NewTransport(egress.Way{}, req.URL)
	if err != nil {
		return failed(act, "nothing was done", err)
	}
	resp, err := egress.Client(straight).Do(req)
	if err != nil {
		return lostReply(ctx, act, err, connected.Load())
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return lostReply(ctx, act, err, true)
	}
	return judgeReply(act, resp.StatusCode, reply, size)
}

// lostReply reports a request without an answer. Only one that was never sent has surely failed.
func lostReply(ctx context.Context, act strategy.Action, err error, sent bool) (platform.Report, error) {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL, whose query might hold a secret
	}
	switch {
	case !sent:
		return failed(act, "nothing was done: the service could not be reached", err)
	case ctx.Err() != nil:
		return interrupted(ctx, act, "the service took the request and did not answer")
	}
	return platform.Report{Result: platform.Unknown, Detail: "the service took the request, and its answer was lost"}, fmt.Errorf("%s %s: %w", act.Verb, act.Object, err)
}

func judgeReply(act strategy.Action, status int, reply []byte, size int) (platform.Report, error) {
	code := fmt.Sprintf("HTTP %d", status)
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		// Not ErrPermission, which ends the ladder: the rungs after this one need nothing from that API.
		return failed(act, "the service refuses ("+code+")", errors.New(code+": the admin API lets recoveryd in no further"))
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return failed(act, "there is no such admin API ("+code+")", errors.New(code+": check pool.admin_url"))
	case status < 200 || status > 299:
		return failed(act, "the service did not do it ("+code+")", errors.New(code))
	}
	var said struct {
		MaxSize *int `json:"max_size"`
	}
	// An answer that is not JSON says nothing against it.
	if err := json.Unmarshal(reply, &said); err == nil && said.MaxSize != nil && *said.MaxSize != size {
		return failed(act, fmt.Sprintf("asked for %d, the service says %d", size, *said.MaxSize), errors.New("the service took another size than asked for"))
	}
	return platform.Report{Result: platform.Done, Detail: fmt.Sprintf("the service took max_size %d (%s)", size, code)}, nil
}
