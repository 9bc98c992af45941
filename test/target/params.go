package main

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// params are the parameters of one fault, defaults filled in. The first mistake is kept in err, so
// that a fault can read all of them and check once.
type params struct {
	values url.Values
	err    error
}

func (p *params) text(name string) string { return p.values.Get(name) }

func (p *params) number(name string, low, high int) int {
	n, err := strconv.Atoi(p.values.Get(name))
	if err != nil || n < low || n > high {
		p.fail("%s: must be a number from %d to %d (got %q)", name, low, high, p.values.Get(name))
	}
	return n
}

func (p *params) duration(name string) time.Duration {
	d, err := time.ParseDuration(p.values.Get(name))
	if err != nil || d < 0 {
		p.fail("%s: must be a duration such as 3s (got %q)", name, p.values.Get(name))
	}
	return d
}

func (p *params) oneOf(name string, allowed ...string) string {
	value := p.values.Get(name)
	if !slices.Contains(allowed, value) {
		p.fail("%s: must be one of %s (got %q)", name, strings.Join(allowed, ", "), value)
	}
	return value
}

func (p *params) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}
