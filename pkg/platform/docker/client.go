package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"go.opentelemetry.io/otel/propagation"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/recoveryd/recoveryd/pkg/egress"
	"github.com/recoveryd/recoveryd/pkg/platform"
)

// newClient makes the client of a socket. Every connection is made by package egress, and every request is checked
// against the list before it is sent.
func newClient(socket string, answer client.ResponseHook) (*client.Client, error) {
	return client.New(
		client.WithHost("unix://"+socket),
		client.WithHTTPClient(egress.Unix(socket)), // after the host, which would set a dialer of its own
		client.WithHTTPRequestHook(allowed),
		client.WithHTTPResponseHook(answer),
		client.WithUserAgent("recoveryd"),
		client.WithTraceProvider(tracenoop.NewTracerProvider()), // what recoveryd traces are incidents, not questions
		client.WithTraceOptions(otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator())),
	)
}

// errRaw says that the socket gives root on this host to whoever may open it.
var errRaw = errors.New("this socket admits everything, which is the same as root on this host")

// gate judges once what the socket admits.
type gate struct {
	accept bool // whatever it is

	mu     sync.Mutex
	judged bool
	err    error
}

// pass returns nil when the socket may be used. An error that wraps errRaw is final until the next start; another one says
// that the runtime could not be asked.
func (g *gate) pass(ctx context.Context, c *client.Client, socket string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.judged {
		return g.err
	}
	raw, err := admitsAll(ctx, c)
	if err != nil {
		return err
	}
	g.judged = true
	if raw && !g.accept {
		g.err = fmt.Errorf("%w: %s. Put a proxy before it that lets only the requests in docs/containers.md through, or use the socket of a rootless Docker or Podman; "+
			"`raw_socket: accept` uses it as it is (%w)", errRaw, socket, platform.ErrPermission)
	}
	return g.err
}

// admitsAll reports whether the socket answers a question that is none of our business, from a runtime that is root. Both questions
// change nothing.
func admitsAll(ctx context.Context, c *client.Client) (bool, error) {
	switch _, err := c.VolumeInspect(ctx, foreignVolume, client.VolumeInspectOptions{}); {
	case err == nil || errdefs.IsNotFound(err) && strings.Contains(strings.ToLower(err.Error()), "no such volume"):
	case answered(err):
		return false, nil // a proxy refuses it
	default:
		return false, err
	}
	info, err := c.Info(ctx, client.InfoOptions{})
	switch {
	case answered(err):
		return true, nil
	case err != nil:
		return false, err
	}
	rootless := slices.ContainsFunc(info.Info.SecurityOptions, func(o string) bool { return strings.Contains(o, "name=rootless") })
	return !rootless, nil
}

// answered reports whether an error is an answer of the runtime (or of a proxy before it), and no lost connection.
func answered(err error) bool {
	return err != nil && !client.IsErrConnectionFailed(err) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) &&
		(errdefs.IsNotFound(err) || errdefs.IsInvalidArgument(err) || errdefs.IsConflict(err) || errdefs.IsPermissionDenied(err) || errdefs.IsUnauthorized(err) ||
			errdefs.IsInternal(err) || errdefs.IsNotImplemented(err) || errdefs.IsUnavailable(err) || errdefs.IsNotModified(err) || errdefs.IsUnknown(err))
}

// refused reports whether the answer is that we may not.
func refused(err error) bool { return errdefs.IsPermissionDenied(err) || errdefs.IsUnauthorized(err) }

// atTime writes a time for the API's since and until.
func atTime(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
