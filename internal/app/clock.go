package app

import (
	"reflect"
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// clockBack is how far the clock may be behind what was written last without having been set: records are
// written with the time at which their event was taken.
const clockBack = 2 * time.Second

// onThisClock puts every time of a restored state on the clock of this process. Where the clock was set back
// since the newest record, by hours after a boot with a wrong one, say, all of them move with it: a pause or a
// page must not wait until the old time has come again. Each gets the reading of the monotonic clock that
// belongs to it, so that it does not matter how the clock is set from here on. It returns how far they moved.
func onThisClock(s *incident.State, newest, now time.Time) (moved time.Duration) {
	if d := newest.Sub(now.Round(0)); d > clockBack {
		moved = -d
	}
	eachTime(reflect.ValueOf(s), map[uintptr]bool{}, func(t time.Time) time.Time {
		return now.Add(t.Add(moved).Sub(now.Round(0)))
	})
	return moved
}

var timeType = reflect.TypeFor[time.Time]()

// eachTime changes every time that is set in what v leads to. What is pointed to from two places is changed once.
func eachTime(v reflect.Value, seen map[uintptr]bool, change func(time.Time) time.Time) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] {
			return
		}
		seen[v.Pointer()] = true
		eachTime(v.Elem(), seen, change)
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			if !t.IsZero() && v.CanSet() {
				v.Set(reflect.ValueOf(change(t)))
			}
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachTime(v.Field(i), seen, change)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			eachTime(v.Index(i), seen, change)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			e := v.MapIndex(k)
			if e.Kind() == reflect.Pointer || !holdsTime(e.Type(), map[reflect.Type]bool{}) {
				eachTime(e, seen, change)
				continue
			}
			c := reflect.New(e.Type()).Elem() // a value in a map cannot be changed in place
			c.Set(e)
			eachTime(c, seen, change)
			v.SetMapIndex(k, c)
		}
	}
}

// holdsTime reports whether a value of the type has a time in it.
func holdsTime(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == timeType {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsTime(t.Field(i).Type, seen) {
				return true
			}
		}
	case reflect.Slice, reflect.Array, reflect.Pointer, reflect.Map:
		return holdsTime(t.Elem(), seen)
	}
	return false
}
