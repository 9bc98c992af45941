// Package apiserver reads the objects of one namespace from a Kubernetes API server. It only reads: it knows no other
// method than GET, and decides nothing.
//
// It is net/http and the structs of package api, since client-go would make the program 4 to 19 MB larger (docs/decisions).
// Start reading at [Load], which reads a kubeconfig, and [Client.Read].
package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/egress"
	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes"
)

// Client asks one API server. It is safe for concurrent use.
type Client struct {
	access *Access
	http   *http.Client
}

// New makes a client.
func New(a *Access) (*Client, error) {
	transport, err := egress.NewTransport(egress.Way{TLS: a.TLS, Proxy: a.Proxy, Keep: true}, a.Server)
	if err != nil {
		return nil, err
	}
	return &Client{access: a, http: egress.Client(transport)}, nil
}

// RefusedError is an answer of the API server that is no success.
type RefusedError struct {
	Code    int    // of HTTP
	Reason  string // of the API: Forbidden, NotFound, Expired
	Message string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the API server answers %d: %s", e.Code, e.Message)
}

// kind is a kind of object that is judged, and where its objects are. A kind whose API is no part of every cluster may be
// unknown to the server; one that is about the cluster needs a right there and may be forbidden.
type kind struct {
	name, path string
	optional   bool
}

// kinds are in the order in which they are read: pods last but events, so that what hangs on a pod is not older than it.
func kinds(namespace string) []kind {
	in := func(group, plural string) string { return path.Join(group, "namespaces", namespace, plural) }
	const core, apps = "/api/v1", "/apis/apps/v1"
	return []kind{
		{"Deployment", in(apps, "deployments"), false},
		{"StatefulSet", in(apps, "statefulsets"), false},
		{"DaemonSet", in(apps, "daemonsets"), false},
		{"ReplicaSet", in(apps, "replicasets"), false},
		{"Job", in("/apis/batch/v1", "jobs"), false},
		{"Service", in(core, "services"), false},
		{"EndpointSlice", in("/apis/discovery.k8s.io/v1", "endpointslices"), false},
		{"ResourceQuota", in(core, "resourcequotas"), false},
		{"PodDisruptionBudget", in("/apis/policy/v1", "poddisruptionbudgets"), false},
		{"HorizontalPodAutoscaler", in("/apis/autoscaling/v2", "horizontalpodautoscalers"), false},
		{"VerticalPodAutoscaler", in("/apis/autoscaling.k8s.io/v1", "verticalpodautoscalers"), true},
		{"NetworkPolicy", in("/apis/networking.k8s.io/v1", "networkpolicies"), false},
		{"Pod", in(core, "pods"), false},
		{"Event", in(core, "events"), false},
		{"Node", core + "/nodes", false},
		{"Namespace", path.Join(core, "namespaces", namespace), false},
	}
}

// pageSize is how many objects one answer may have: kubectl's own number.
const pageSize = 500

// maxPage bounds one answer. An object has at most 1.5 MiB in etcd, and 500 pods some 6 MB.
const maxPage = 256 << 20

// Read reads what is to be judged of a namespace. What the server forbids is noted in the objects ([kubernetes.Objects.Unread])
// and is no error, unless everything is; a server that does not answer is one. now is the server's own clock, by which the
// objects are dated, so that a difference of clocks does not matter.
func (c *Client) Read(ctx context.Context, namespace string) (objects *kubernetes.Objects, now time.Time, err error) {
	objects = &kubernetes.Objects{}
	var forbidden *RefusedError
	read := 0
	for _, k := range kinds(namespace) {
		date, err := c.readKind(ctx, k, objects)
		var refused *RefusedError
		switch {
		case err == nil:
			read++
			if date.After(now) {
				now = date
			}
		case errors.As(err, &refused) && refused.Code == http.StatusNotFound && k.optional:
		case errors.As(err, &refused) && refused.Code == http.StatusNotFound && k.name == "Namespace":
			return nil, now, fmt.Errorf("there is no namespace %q", namespace)
		case errors.As(err, &refused) && (refused.Code == http.StatusForbidden || refused.Code == http.StatusNotFound):
			objects.Unread(k.name, refused.Message)
			forbidden = refused
		default:
			return nil, now, fmt.Errorf("read objects of kind %s of namespace %s: %w", k.name, namespace, err)
		}
	}
	if read == 0 {
		return nil, now, fmt.Errorf("nothing of namespace %s may be read: %w", namespace, forbidden)
	}
	return objects, now, nil
}

// readKind reads all objects of a kind, page by page. A list that has grown too old between two pages is begun anew, once.
func (c *Client) readKind(ctx context.Context, k kind, objects *kubernetes.Objects) (date time.Time, err error) {
	for try := 0; ; try++ {
		next := ""
		for {
			query := ""
			if k.name != "Namespace" {
				query = fmt.Sprintf("limit=%d&continue=%s", pageSize, url.QueryEscape(next))
			}
			text, at, err := c.get(ctx, k.path, query)
			var refused *RefusedError
			if errors.As(err, &refused) && refused.Code == http.StatusGone && next != "" && try == 0 {
				break
			}
			if err != nil {
				return date, err
			}
			if err := objects.Read("the API server's "+k.name+" objects", bytes.NewReader(text)); err != nil {
				return date, err
			}
			date = at
			var list struct {
				Metadata struct{ Continue string }
			}
			if err := json.Unmarshal(text, &list); err != nil || list.Metadata.Continue == "" {
				return date, err
			}
			next = list.Metadata.Continue
		}
	}
}

// get asks for one document. date is when the server says that it answered.
func (c *Client) get(ctx context.Context, path, query string) (text []byte, date time.Time, err error) {
	to := *c.access.Server
	to.Path = strings.TrimSuffix(to.Path, "/") + path
	to.RawQuery = query
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return nil, date, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "recoveryd")
	token, err := c.access.Token()
	if err != nil {
		return nil, date, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, date, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
	switch {
	case err != nil:
		return nil, date, fmt.Errorf("the answer broke off: %w", err)
	case len(text) > maxPage:
		return nil, date, fmt.Errorf("the answer is larger than %d MiB", maxPage>>20)
	case resp.StatusCode != http.StatusOK:
		return nil, date, refusal(resp.StatusCode, text)
	}
	date, err = http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		date = time.Time{} // the objects' own times serve
	}
	return text, date, nil
}

// refusal reads the API's own words; a proxy or another server on that port has none.
func refusal(code int, text []byte) error {
	e := &RefusedError{Code: code}
	if json.Unmarshal(text, e) != nil || e.Message == "" {
		e.Message = http.StatusText(code)
	}
	e.Code = code
	if code == http.StatusUnauthorized {
		e.Message = "it does not know us: the token or certificate is wrong or has expired"
	}
	return e
}
