package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Schedule says whose turn it is: a rotation with a handover at the same time of the wall clock
// all year, or a fixed list, and exceptions from either.
type Schedule struct {
	Name string `yaml:"name"`
	// Members are roles or channels, in the order of their turns.
	Members []string `yaml:"members"`
	// Start is the first handover, such as "2026-01-05 09:00", in TimeZone.
	Start string `yaml:"start"`
	// Days is the length of a turn: 7 for a week, 1 for a day. 0 makes the members a fixed list:
	// all of them, always.
	Days int `yaml:"days"`
	// Turn is the length of a turn instead of Days where it is not whole days, such as 12h. Such
	// handovers are counted in hours that pass, and move when the clocks change.
	Turn time.Duration `yaml:"turn"`
	// TimeZone is a name such as Europe/Berlin; empty: UTC.
	TimeZone string `yaml:"time_zone"`
	// Overrides replace the turn for a while: holidays, swaps. The last one that applies counts.
	Overrides []Override `yaml:"overrides"`
}

// Override puts others on call from From until Until, both such as "2026-12-24 18:00" in the
// schedule's time zone.
type Override struct {
	From    string   `yaml:"from"`
	Until   string   `yaml:"until"`
	Members []string `yaml:"members"`
}

// Rota is a schedule that was checked. It is immutable.
type Rota struct {
	name      string
	members   []string
	days      int
	length    time.Duration // instead of days
	start     civil
	zone      *time.Location
	overrides []cover
}

type cover struct {
	from, until time.Time
	members     []string
}

// civil is a moment of the wall clock without a time zone.
type civil struct {
	year         int
	month        time.Month
	day          int
	hour, minute int
}

const civilForm = "2006-01-02 15:04"

func parseCivil(s string) (civil, error) {
	t, err := time.Parse(civilForm, s)
	if err != nil {
		return civil{}, fmt.Errorf("want a moment such as %q (got %q)", "2026-01-05 09:00", s)
	}
	return civil{t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute()}, nil
}

// in returns the moment, a number of days later, in a zone. Of a time that comes twice, and for
// one that the clocks skip, it is the instant that time.Date gives, always the same one.
func (c civil) in(zone *time.Location, days int) time.Time {
	return time.Date(c.year, c.month, c.day+days, c.hour, c.minute, 0, 0, zone)
}

// Zones finds a time zone by its name; it is time.LoadLocation outside of tests.
type Zones func(name string) (*time.Location, error)

func (z Zones) find(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	l, err := z(name)
	if err != nil {
		return nil, fmt.Errorf("time_zone: %w", err)
	}
	return l, nil
}

// NewRota checks a schedule. The error names every problem.
func NewRota(s Schedule, zones Zones) (*Rota, error) {
	var errs []error
	r := &Rota{name: s.Name, members: slices.Clone(s.Members), days: s.Days, length: s.Turn}
	var err error
	if r.zone, err = zones.find(s.TimeZone); err != nil {
		errs = append(errs, err)
		r.zone = time.UTC
	}
	if len(s.Members) == 0 {
		errs = append(errs, errors.New("members: missing"))
	}
	switch {
	case s.Days < 0 || s.Days > 366:
		errs = append(errs, fmt.Errorf("days: want 0 (a fixed list) to 366 (got %d)", s.Days))
	case s.Turn != 0 && (s.Turn < time.Hour || s.Days != 0):
		errs = append(errs, errors.New("turn: at least 1h, and not together with days"))
	case s.Days > 0 || s.Turn > 0:
		if r.start, err = parseCivil(s.Start); err != nil {
			errs = append(errs, fmt.Errorf("start: %w", err))
		}
	case s.Start != "":
		errs = append(errs, errors.New("start: has an effect only with days"))
	}
	for i, o := range s.Overrides {
		from, err1 := parseCivil(o.From)
		until, err2 := parseCivil(o.Until)
		if err1 != nil || err2 != nil {
			errs = append(errs, fmt.Errorf("overrides[%d]: %w", i, errors.Join(err1, err2)))
			continue
		}
		c := cover{from.in(r.zone, 0), until.in(r.zone, 0), slices.Clone(o.Members)}
		if !c.from.Before(c.until) {
			errs = append(errs, fmt.Errorf("overrides[%d]: until is not after from", i))
		}
		if len(c.members) == 0 {
			errs = append(errs, fmt.Errorf("overrides[%d].members: missing", i))
		}
		r.overrides = append(r.overrides, c)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// OnCall returns who is on call at that instant: one member of a rotation, all of a fixed list,
// or those of an override. Before the first handover it is the first member.
func (r *Rota) OnCall(at time.Time) []string {
	for _, o := range slices.Backward(r.overrides) {
		if !at.Before(o.from) && at.Before(o.until) {
			return o.members
		}
	}
	if r.days == 0 && r.length == 0 {
		return r.members
	}
	turn := max(r.turn(at), 0)
	return r.members[turn%len(r.members) : turn%len(r.members)+1]
}

// everybody are all who may ever be on call.
func (r *Rota) everybody() []string {
	out := slices.Clone(r.members)
	for _, o := range r.overrides {
		out = append(out, o.members...)
	}
	return out
}

// turn counts the handovers until at, the first one being turn 0; it is negative before that.
// Handovers are counted in days of the calendar, not in hours: they stay at the same time of the
// wall clock when the clocks change.
func (r *Rota) turn(at time.Time) int {
	if r.length > 0 {
		since := at.Sub(r.start.in(r.zone, 0))
		if since < 0 {
			since -= r.length - 1
		}
		return int(since / r.length)
	}
	local := at.In(r.zone)
	days := int(time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC).
		Sub(time.Date(r.start.year, r.start.month, r.start.day, 0, 0, 0, 0, time.UTC)) / (24 * time.Hour))
	turn := days / r.days
	if days < 0 {
		turn = -((-days + r.days - 1) / r.days)
	}
	for r.start.in(r.zone, turn*r.days).After(at) {
		turn--
	}
	for !r.start.in(r.zone, (turn+1)*r.days).After(at) {
		turn++
	}
	return turn
}

// Next returns the next instant at which somebody else may be on call; ok is false for a fixed
// list without a later override.
func (r *Rota) Next(at time.Time) (next time.Time, ok bool) {
	consider := func(t time.Time) {
		if t.After(at) && (!ok || t.Before(next)) {
			next, ok = t, true
		}
	}
	switch {
	case r.length > 0:
		consider(r.start.in(r.zone, 0).Add(time.Duration(max(r.turn(at)+1, 0)) * r.length))
	case r.days > 0:
		consider(r.start.in(r.zone, max(r.turn(at)+1, 0)*r.days))
	}
	for _, o := range r.overrides {
		consider(o.from)
		consider(o.until)
	}
	return next, ok
}

// office is Hours that were checked.
type office struct {
	zone     *time.Location
	days     [7]bool
	from, to civil // only hour and minute
	holidays map[string]bool
}

func newOffice(h Hours, zones Zones) (office, error) {
	o := office{from: civil{hour: 9}, to: civil{hour: 17}, holidays: map[string]bool{}}
	var errs []error
	var err error
	if o.zone, err = zones.find(h.TimeZone); err != nil {
		errs = append(errs, err)
		o.zone = time.UTC
	}
	if len(h.Days) == 0 {
		h.Days = []string{"mon", "tue", "wed", "thu", "fri"}
	}
	names := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	for _, d := range h.Days {
		i := slices.Index(names, strings.ToLower(d))
		if i < 0 {
			errs = append(errs, fmt.Errorf("days: want mon, tue, wed, thu, fri, sat or sun (got %q)", d))
			continue
		}
		o.days[i] = true
	}
	clock := func(key, s string, into *civil) {
		if s == "" {
			return
		}
		t, err := time.Parse("15:04", s)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: want a time of day such as 09:00 (got %q)", key, s))
			return
		}
		into.hour, into.minute = t.Hour(), t.Minute()
	}
	clock("from", h.From, &o.from)
	clock("to", h.To, &o.to)
	if o.from.hour*60+o.from.minute >= o.to.hour*60+o.to.minute {
		errs = append(errs, errors.New("to: is not later than from"))
	}
	for _, d := range h.Holidays {
		if _, err := time.Parse(time.DateOnly, d); err != nil {
			errs = append(errs, fmt.Errorf("holidays: want a date such as 2026-12-25 (got %q)", d))
		}
		o.holidays[d] = true
	}
	return o, errors.Join(errs...)
}

// searchDays bounds the search for business hours: a year of holidays is a mistake.
const searchDays = 400

// day returns the opening and closing of the day that is n days after at's; ok is false for a
// day off.
func (o office) day(at time.Time, n int) (open, shut time.Time, ok bool) {
	local := at.In(o.zone)
	c := civil{year: local.Year(), month: local.Month(), day: local.Day() + n}
	c.hour, c.minute = o.from.hour, o.from.minute
	open = c.in(o.zone, 0)
	c.hour, c.minute = o.to.hour, o.to.minute
	shut = c.in(o.zone, 0)
	return open, shut, o.days[open.Weekday()] && !o.holidays[open.Format(time.DateOnly)]
}

// within returns at itself in business hours, else their next beginning.
func (o office) within(at time.Time) time.Time {
	if open, shut, ok := o.day(at, 0); ok && !at.Before(open) && at.Before(shut) {
		return at
	}
	return o.next(at)
}

// next returns the first beginning of business hours after at.
func (o office) next(at time.Time) time.Time {
	for n := range searchDays {
		if open, _, ok := o.day(at, n); ok && open.After(at) {
			return open
		}
	}
	return at // no business day in sight: better now than never
}
