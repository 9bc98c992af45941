package docker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/recoveryd/recoveryd/pkg/platform"
)

// Keys are the keys of a target that is a container.
type Keys struct {
	// The container, by its name; with it the platform is docker.
	Container string `yaml:"container" form:"container"`
	// The compose project of the target's service, instead of container; with it the platform is docker.
	Project string `yaml:"project" form:"container"`
	// The service in that compose project. It must have one container.
	Service string `yaml:"service" form:"container"`
	// The socket of Docker, of Podman, or of a proxy before one. All containers of a configuration have the same.
	Socket string `yaml:"socket" form:"path" default:"/run/docker.sock"`
	// accept: use a socket that admits everything, of a runtime that is root. Whoever takes over recoveryd is then root on this host.
	RawSocket string `yaml:"raw_socket"`
}

const wantWord = "a name such as shop-web-1"

// Driver is Docker and Podman as a platform.
func Driver() platform.Driver {
	return platform.Driver{
		Name: "docker", Keys: Keys{}, Judge: judge,
		Forms: map[string]platform.Form{"container": {Want: wantWord, Fits: word.MatchString}},
		Open: func(_ context.Context, o platform.Options) (platform.Adapter, error) {
			opt, err := optionsOf(o)
			if err != nil {
				return nil, err
			}
			return New(opt)
		},
	}
}

// judge says what the keys of a target name.
func judge(_ platform.Target, keys any) (object string, wrong []platform.Wrong) {
	k := keys.(*Keys)
	bad := func(key, what, got, want, hint string) {
		wrong = append(wrong, platform.Wrong{Key: key, What: what, Got: got, Want: want, Hint: hint})
	}
	switch {
	case k.Container != "" && (k.Project != "" || k.Service != ""):
		bad("container", "names the container, and so do project and service", k.Container, "one of both", "")
	case k.Container == "" && k.Project == "" && k.Service == "":
		bad("container", "is missing", "", wantWord, "or project and service, for a service of compose")
	case k.Project == "" && k.Service != "":
		bad("project", "is missing", "", "the compose project of the service", "`docker compose ls` lists them")
	case k.Service == "" && k.Project != "":
		bad("service", "is missing", "", "a service of the compose project", "`docker compose -p "+k.Project+" ps` lists them")
	}
	if k.RawSocket != "" && k.RawSocket != RawSocketAccept {
		bad("raw_socket", "is not known", k.RawSocket, RawSocketAccept, "or leave it out")
	}
	if k.RawSocket == RawSocketAccept {
		wrong = append(wrong, platform.Wrong{Key: "raw_socket", Risk: true, What: "whoever may use such a socket is root on this host",
			Hint: "a proxy before it that lets only recoveryd's requests through, or a rootless runtime, needs no raw_socket: see docs/containers.md"})
	}
	object, err := Object(k.Container, k.Project, k.Service)
	if err != nil && len(wrong) == 0 {
		bad("container", "cannot be such a name", k.Container+k.Project+"/"+k.Service, wantWord, "")
	}
	return object, wrong
}

// optionsOf are the options of the one adapter that all targets share.
func optionsOf(o platform.Options) (Options, error) {
	opt := Options{Logger: o.Logger}
	for i, t := range o.Targets {
		k, ok := t.Keys.(*Keys)
		if !ok {
			return opt, fmt.Errorf("docker: target %s has no keys of a container", t.Name)
		}
		socket := k.Socket
		if socket == "" {
			socket = DefaultSocket
		}
		socket = filepath.Clean(socket)
		switch {
		case i == 0:
			opt.Socket, opt.RawSocket = socket, k.RawSocket
		case socket != opt.Socket:
			return opt, fmt.Errorf("docker: target %s has the socket %s, and others %s: one configuration has one container runtime", t.Name, socket, opt.Socket)
		case k.RawSocket != opt.RawSocket:
			return opt, errors.New("docker: raw_socket must be the same at all containers, since they have the same socket")
		}
	}
	return opt, nil
}
