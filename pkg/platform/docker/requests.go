package docker

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
)

// Request is a request that the driver may make of the runtime; Path is a regular expression for what comes after
// the version of the API.
type Request struct{ Method, Path string }

// Requests lists all requests that the driver ever makes: what a proxy before the socket must let through, and
// nothing else. The last two are made once, to learn what the socket admits; a proxy refuses them.
func Requests() []Request {
	const id = `/containers/[a-zA-Z0-9][a-zA-Z0-9_.-]*`
	return []Request{
		{http.MethodHead, `/_ping`},
		{http.MethodGet, `/_ping`},
		{http.MethodGet, `/events`},
		{http.MethodGet, `/containers/json`},
		{http.MethodGet, id + `/json`},
		{http.MethodGet, id + `/stats`},
		{http.MethodPost, id + `/start`},
		{http.MethodPost, id + `/stop`},
		{http.MethodPost, id + `/restart`},
		{http.MethodPost, id + `/kill`},
		{http.MethodPost, id + `/update`},
		{http.MethodGet, `/volumes/` + foreignVolume},
		{http.MethodGet, `/info`},
	}
}

// foreignVolume is asked for to see whether the socket answers questions that are none of the driver's business.
const foreignVolume = "recoveryd-asks-what-this-socket-admits"

var requests = func() (all []request) {
	for _, r := range Requests() {
		all = append(all, request{r.Method, regexp.MustCompile(`^(/v[0-9.]+)?` + r.Path + `$`)})
	}
	return all
}()

type request struct {
	method string
	path   *regexp.Regexp
}

var errForbidden = errors.New("the docker driver does not make such requests")

// allowed refuses every request that is not in the list. The client calls it before it sends one.
func allowed(r *http.Request) error {
	for _, a := range requests {
		if r.Method == a.method && a.path.MatchString(r.URL.Path) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s %s", errForbidden, r.Method, r.URL.Path)
}
