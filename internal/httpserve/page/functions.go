package page

import (
	"html/template"
	"strings"
	"time"
)

// functions are what the templates call. None of them marks a text as safe.
func (p *Page) functions() template.FuncMap {
	return template.FuncMap{
		// asset is the address of an embedded file, with its sum.
		"asset": func(root, name string) string { return root + "static/" + name + "?v=" + p.static[name].sum },
		"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"clock": func(t, now time.Time) string { return clock(t, now) },
		"exact": func(t time.Time) string { return t.In(p.o.Zone).Format("15:04:05.000") },
		"date":  func(t time.Time) string { return t.In(p.o.Zone).Format("Monday, 2 January 2006") },
		"age":   func(t, now time.Time) string { return age(now.Sub(t)) },
		"set":   func(t time.Time) bool { return !t.IsZero() },
		// web reports whether a text is a web address, to be shown as a link.
		"web": func(s string) bool { return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") },
		"at":  func(now time.Time, v any) stamped { return stamped{now, v} },
	}
}

// stamped hands a template its time beside what it shows.
type stamped struct {
	Now time.Time
	V   any
}
