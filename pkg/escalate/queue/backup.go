package queue

import (
	"cmp"
	"slices"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Reach says what a notice on a channel does to people. The zero value is the one to be careful with.
type Reach uint8

// The reaches.
const (
	Wakes   Reach = iota // a pager, or a program or receiver of which recoveryd cannot know: it may wake somebody
	Waits                // a chat or mail: read by whoever looks
	Records              // a log: it is written down, and nobody is told
)

// Trait is what has to be known of a channel to choose who is told of the trouble of another one.
type Trait struct {
	Channel string
	Reach   Reach
	Vendor  string // channels of one vendor do not deliver together; "": on its own
}

// quietTold is how many chats and mailboxes are told of a channel's trouble, beside one pager at
// most: one that everybody reads would do, the second is for the case that nobody does.
const quietTold = 2

// trait finds what is known of a channel and its place in the configuration. One of which nothing
// is known may wake people, and is asked last.
func (r OutboxRules) trait(channel string) (Trait, int) {
	i := slices.IndexFunc(r.Traits, func(t Trait) bool { return t.Channel == channel })
	if i < 0 {
		return Trait{Channel: channel}, len(r.Traits)
	}
	return r.Traits[i], i
}

// works reports whether a channel can be expected to deliver. One failure may be the fault of a
// single notice or of a moment; a second one in a row, a call that had its whole time, and bad
// credentials are not.
func (c ChannelState) works() bool {
	switch c.LastReason {
	case notice.ReasonTimeout, notice.ReasonAuth, notice.ReasonConfig:
		return c.Failures == 0
	default:
		return c.Failures < 2
	}
}

// vendorDown reports whether a channel fails in a way that its vendor's other channels share.
func (c ChannelState) vendorDown() bool {
	switch c.LastReason {
	case notice.ReasonNetwork, notice.ReasonTimeout, notice.ReasonServer:
		return !c.works()
	default:
		return false
	}
}

// others are the channels that may be told of one's trouble, by what they do to people, in the
// order of the configuration.
type others struct {
	quiet, pagers, records []ChannelBook
	doubt                  map[string]bool // vendors that do not seem to deliver at all
}

func (r OutboxRules) group(b ChannelBook, books []ChannelBook) others {
	books = slices.Clone(books)
	slices.SortStableFunc(books, func(x, y ChannelBook) int {
		_, i := r.trait(x.State.Channel)
		_, j := r.trait(y.State.Channel)
		return cmp.Or(cmp.Compare(i, j), cmp.Compare(x.State.Channel, y.State.Channel))
	})
	o := others{doubt: map[string]bool{}}
	for _, x := range append(books, b) {
		if t, _ := r.trait(x.State.Channel); t.Vendor != "" && x.State.vendorDown() {
			o.doubt[t.Vendor] = true
		}
	}
	for _, x := range books {
		switch t, _ := r.trait(x.State.Channel); {
		case r.Public[x.State.Channel]: // outsiders do not read of our own troubles
		case t.Reach == Records:
			o.records = append(o.records, x)
		case t.Reach == Waits:
			o.quiet = append(o.quiet, x)
		default:
			o.pagers = append(o.pagers, x)
		}
	}
	return o
}

// Backup chooses who is told of a channel's trouble beside those who were told already: when it
// begins every log and two working chats or mailboxes; a pager only where none of those works, or
// where the trouble is urgent: a page is kept back that nobody else has. Whoever was told and does
// not deliver either is replaced, one by one, until somebody is reached; a pager of a vendor that
// does not seem to deliver at all comes last, and is told only if no other pager is.
func (r OutboxRules) Backup(b ChannelBook, told []string, books []ChannelBook, urgent bool) (more []string) {
	o := r.group(b, books)
	has := func(x ChannelBook) bool {
		return slices.Contains(told, x.State.Channel) || slices.Contains(more, x.State.Channel)
	}
	reaches := func(x ChannelBook) bool { return has(x) && x.State.works() }
	tell := func(from []ChannelBook, fit func(ChannelBook) bool) bool {
		for _, x := range from {
			if !has(x) && fit(x) {
				more = append(more, x.State.Channel)
				return true
			}
		}
		return false
	}
	sure := func(x ChannelBook) bool {
		t, _ := r.trait(x.State.Channel)
		return x.State.works() && !o.doubt[t.Vendor]
	}
	free := func(x ChannelBook) bool { return x.State.works() || len(x.Rows) == 0 } // nothing shows today that it does not deliver
	anyOf := func(ChannelBook) bool { return true }
	pager := func() bool {
		return tell(o.pagers, sure) || !slices.ContainsFunc(o.pagers, has) && (tell(o.pagers, free) || tell(o.pagers, anyOf))
	}
	if len(told) == 0 {
		for _, x := range o.records {
			more = append(more, x.State.Channel)
		}
		for range quietTold {
			tell(o.quiet, ChannelBook.works)
		}
	}
	people := slices.Concat(o.quiet, o.pagers)
	if !slices.ContainsFunc(people, reaches) {
		_ = tell(o.quiet, ChannelBook.works) || tell(o.quiet, free) || pager() || !slices.ContainsFunc(people, has) && tell(people, anyOf)
	}
	if urgent && !slices.ContainsFunc(o.pagers, reaches) {
		pager()
	}
	return more
}

func (b ChannelBook) works() bool { return b.State.works() }

// people are the channels of a list by which a person can learn of something.
func (o others) people(of []string) []ChannelBook {
	return slices.DeleteFunc(slices.Concat(o.quiet, o.pagers), func(x ChannelBook) bool { return !slices.Contains(of, x.State.Channel) })
}

// Unheard reports whether a channel is in trouble and none of those that were told of it works:
// nobody learns of anything from here.
func (r OutboxRules) Unheard(b ChannelBook, books []ChannelBook) bool {
	t := b.State.Trouble
	return t != nil && !b.works() && !slices.ContainsFunc(r.group(b, books).people(r.told(*t, books)), ChannelBook.works)
}

// told are the channels that were told of a trouble. A journal of an earlier build does not name
// them: then it was every one that is not public.
func (r OutboxRules) told(t Trouble, books []ChannelBook) []string {
	if !t.Paged || len(t.To) > 0 {
		return t.To
	}
	var all []string
	for _, x := range books {
		if !r.Public[x.State.Channel] {
			all = append(all, x.State.Channel)
		}
	}
	return all
}

// kept are the pages of the worst severity that wait on a channel and that nobody else has.
func (o others) kept(b ChannelBook) (lines []string) {
	for _, q := range b.Rows {
		if q.Kind == notice.Trigger && q.Origin != FromTrouble && !q.Notice.Test && o.nobodyHas(q.Key, q.Notice.Severity) {
			lines = append(lines, line(q.Notice))
		}
	}
	return lines
}

// nobodyHas reports whether a page is of the worst severity, and no pager has the same or is about
// to get it.
func (o others) nobodyHas(key string, s notice.Severity) bool {
	return weight(s) >= weight(notice.Critical) && !slices.ContainsFunc(o.pagers, func(x ChannelBook) bool {
		return x.Keys[key].Open || x.works() && x.waits(key)
	})
}

// waits reports whether a trigger of a key has not been accepted yet.
func (b ChannelBook) waits(key string) bool {
	return slices.ContainsFunc(b.Rows, func(q Queued) bool { return q.Key == key && q.Kind == notice.Trigger })
}
