package live

import (
	"encoding/json"
	"fmt"
	"time"
)

// A minute of all targets is kept as one row: a day is then 1,440 of them, however many targets
// there are and however often they are looked at, and one pass reads them all.

// saveMinute hands the minute that is over to Save; the lock is held.
func (f *Feed) saveMinute() {
	row := map[string]Slot{}
	for name, m := range f.targets {
		if m.minute.Total() > 0 {
			row[name] = m.minute
		}
		m.minute = Slot{}
	}
	if f.o.Save == nil || len(row) == 0 {
		return
	}
	if body, err := json.Marshal(row); err == nil { // numbers and names: it cannot fail
		f.o.Save(f.minute, body)
	}
}

// Restore takes back a minute that Save was given, by an earlier process or this one. It may be
// called at any time and in any order: what was seen since stays.
func (f *Feed) Restore(minute time.Time, body []byte) error {
	row := map[string]Slot{}
	if err := json.Unmarshal(body, &row); err != nil {
		return fmt.Errorf("what was remembered of %s: %w", minute.Format(time.RFC3339), err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, s := range row {
		if _, known := f.o.Target(name); !known {
			continue // no longer configured
		}
		s.From = minute
		m := f.memory(name)
		m.hour.recall(s)
		m.day.recall(s)
	}
	return nil
}
