package docker

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/moby/moby/api/types/container"
)

// Labels that compose writes on its containers.
const (
	labelProject = "com.docker.compose.project"
	labelService = "com.docker.compose.service"
	labelNumber  = "com.docker.compose.container-number"
	labelOneOff  = "com.docker.compose.oneoff"
)

// word is what the runtimes accept as the name of a container, and compose as one of a project or service.
var word = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// Object is what actions and facts call a target: the container's name, or "project/service" of compose.
// Either container is set, or project and service are.
func Object(container, project, service string) (string, error) {
	switch {
	case container != "" && (project != "" || service != ""):
		return "", errors.New("give either container, or project and service: not both")
	case container != "":
		if !word.MatchString(container) {
			return "", fmt.Errorf("container: %q cannot be the name of a container", container)
		}
		return container, nil
	case project == "" && service == "":
		return "", errors.New("container is missing (or project and service, for a service of compose)")
	case !word.MatchString(project):
		return "", fmt.Errorf("project: %q cannot be the name of a compose project", project)
	case !word.MatchString(service):
		return "", fmt.Errorf("service: %q cannot be the name of a compose service", service)
	}
	return project + "/" + service, nil
}

// object is a target as it is looked for.
type object struct{ name, project, service string }

func parseObject(s string) (object, error) {
	project, service, compose := strings.Cut(s, "/")
	if compose {
		_, err := Object("", project, service)
		return object{project: project, service: service}, err
	}
	_, err := Object(s, "", "")
	return object{name: s}, err
}

// compose reports whether it is a service of compose.
func (o object) compose() bool { return o.name == "" }

// matches reports whether a container with this name and these labels is the object.
func (o object) matches(name string, labels map[string]string) bool {
	if o.compose() {
		return labels[labelProject] == o.project && labels[labelService] == o.service && !strings.EqualFold(labels[labelOneOff], "true")
	}
	return strings.TrimPrefix(name, "/") == o.name
}

// errSeveral says that an object is more than one container.
var errSeveral = errors.New("several containers")

// pick chooses the container of a compose service; "" = there is none. While compose puts a new container in the place
// of an old one both are there for a moment, with the same number.
func (o object) pick(list []container.Summary) (id string, err error) {
	numbers := map[string]bool{}
	var best *container.Summary
	better := func(c *container.Summary) bool {
		if best == nil {
			return true
		}
		if runs, ran := c.State == container.StateRunning, best.State == container.StateRunning; runs != ran {
			return runs
		}
		return c.Created > best.Created
	}
	for i := range list {
		c := &list[i]
		if !o.matches("", c.Labels) {
			continue
		}
		numbers[c.Labels[labelNumber]] = true
		if better(c) {
			best = c
		}
	}
	switch {
	case best == nil:
		return "", nil
	case len(numbers) > 1:
		return "", fmt.Errorf("%w: the compose service %s/%s has %d, and a target is one of them: name it by `container:`", errSeveral, o.project, o.service, len(numbers))
	}
	return best.ID, nil
}
