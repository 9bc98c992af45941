package doctest

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// DeadLinks lists the relative links of the pages below root that lead nowhere: no such file, or no
// such heading in it. Links to other hosts are not followed.
func DeadLinks(root string, pages []Page) (out []string) {
	byPath := map[string]Page{}
	for _, p := range pages {
		byPath[p.Path] = p
	}
	for _, p := range pages {
		for _, l := range p.Links {
			u, err := url.Parse(l.Value)
			if err != nil {
				out = append(out, fmt.Sprintf("%s: %q is no address: %v", l.At, l.Value, err))
				continue
			}
			if u.Scheme != "" || u.Host != "" {
				continue
			}
			to := p.Path
			if u.Path != "" {
				to = path.Join(path.Dir(p.Path), u.Path)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(to))); err != nil || strings.HasPrefix(to, "../") {
				out = append(out, fmt.Sprintf("%s: %q leads to %s, which is not there", l.At, l.Value, to))
				continue
			}
			if page, ok := byPath[to]; u.Fragment != "" && (!ok || !page.Anchors[u.Fragment]) {
				out = append(out, fmt.Sprintf("%s: %q: there is no heading #%s in %s", l.At, l.Value, u.Fragment, to))
			}
		}
	}
	return out
}
