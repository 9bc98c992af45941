package notice

// Bounds of a shortened notice. They keep it below a megabyte, the usual limit of receivers, also
// when JSON doubles every byte: three lists and the attempts come to 360 KB, a text rendered of
// it to less than 130.
const (
	shortItems = 60
	shortTried = 30
	shortText  = 1500 // bytes of one text
)

// Shorten bounds a notice for receivers that take it as a whole, and makes its texts valid UTF-8
// without control characters, which terminals would obey. The first items of each list stay,
// since the most telling come first, and the last attempts. It reports whether anything was left
// out. The notice that it is given is not changed.
func Shorten(n Notice) (short Notice, cut bool) {
	text := func(s string) string {
		out := CutBytes(Printable(s), shortText)
		cut = cut || len(out) < len(s)
		return out
	}
	list := func(in []string) []string {
		cut = cut || len(in) > shortItems
		out := make([]string, 0, min(len(in), shortItems))
		for _, s := range in[:min(len(in), shortItems)] {
			out = append(out, text(s))
		}
		return out
	}
	n.Summary, n.Next, n.Link, n.Runbook = text(n.Summary), text(n.Next), text(n.Link), text(n.Runbook)
	n.Host, n.Target, n.Class = text(n.Host), text(n.Target), text(n.Class)
	n.Affected, n.Evidence, n.Commands = list(n.Affected), list(n.Evidence), list(n.Commands)
	cut = cut || len(n.Tried) > shortTried
	newest := n.Tried[max(len(n.Tried)-shortTried, 0):]
	n.Tried = make([]Attempt, 0, len(newest))
	for _, t := range newest {
		n.Tried = append(n.Tried, Attempt{At: t.At, What: text(t.What), Result: text(t.Result)})
	}
	return n, cut
}
