package app

import (
	"strings"

	"github.com/recoveryd/recoveryd/docs/runbooks"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Runbook says where the runbook of a class is: the link of the operator's own class, the page below
// runbook_url, or the command that prints the page; "" when there is none. The configuration is nil
// when it cannot be read.
func Runbook(c *config.Config, class detect.Class) string {
	if c != nil {
		for _, r := range c.Rules {
			if r.Name == string(class) {
				return r.Runbook
			}
		}
	}
	if _, has := runbooks.Page(string(class)); !has {
		return ""
	}
	if c == nil || c.RunbookURL == "" {
		return "recoveryd runbook " + string(class)
	}
	base := c.RunbookURL
	if !strings.ContainsAny(base[len(base)-1:], "/=#") { // a folder, a parameter, a place on one page
		base += "/"
	}
	return base + string(class)
}
