package probe

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// shape says over what a trend is followed.
type shape struct {
	window time.Duration // older points are forgotten
	bucket time.Duration // looks within one are one point
	points int           // fewer tell nothing
	span   time.Duration // points closer together than this tell nothing
	noise  float64       // a change of less than this over the whole span is none
}

// series is a number over time, in buckets. The zero value with a shape is empty.
type series struct {
	shape  shape
	points []point // oldest first

	fitted time.Time // of the last point when the line was drawn: it is drawn once a bucket
	line   line
	why    string // why there is none
}

// clone copies a series so that nothing is shared.
func (s series) clone() series {
	s.points = slices.Clone(s.points)
	for i := range s.points {
		s.points[i].open = slices.Clone(s.points[i].open)
	}
	return s
}

// point is the median of what was measured in one bucket.
type point struct {
	at    time.Time // of the first look in it
	value float64   // of a bucket that is over
	open  []float64 // of the last bucket: what was measured so far
}

// bucketLooks bounds what is kept of one bucket: quick looks under suspicion tell the same again.
const bucketLooks = 32

// add takes note of a number. What is no number is left out.
func (s *series) add(at time.Time, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	if n := len(s.points); n > 0 && at.Sub(s.points[n-1].at) < s.shape.bucket {
		if len(s.points[n-1].open) < bucketLooks {
			s.points[n-1].open = append(s.points[n-1].open, v)
		}
		return
	} else if n > 0 {
		s.points[n-1].value, s.points[n-1].open = median(s.points[n-1].open), nil
	}
	s.forget(at)
	s.points = append(s.points, point{at: at, open: []float64{v}})
}

// forget drops what is older than the window.
func (s *series) forget(now time.Time) {
	i := 0
	for i < len(s.points) && now.Sub(s.points[i].at) > s.shape.window {
		i++
	}
	s.points = append(s.points[:0], s.points[i:]...)
}

// line is a straight line through a series.
type line struct {
	slope float64 // a second
	end   float64 // its value at the last point, or what is seen there when that is clearly less
	grows bool    // steadily: by clearly more than the points scatter around it
}

// fit draws the line, or says why there is none. The slope is the median of the slopes between all
// pairs of points (Theil and Sen): a third of the points may be nonsense without moving it.
func (s *series) fit() (line, string) {
	n := len(s.points)
	if n < s.shape.points {
		return line{}, tooFew(n, s.shape.points).Err
	}
	first, last := s.points[0].at, s.points[n-1].at
	span := last.Sub(first)
	if span < s.shape.span {
		return line{}, fmt.Sprintf("too short yet: %s of %s", span.Round(time.Second), s.shape.span)
	}
	x, y := make([]float64, n), make([]float64, n)
	for i, p := range s.points {
		x[i], y[i] = p.at.Sub(first).Seconds(), p.value
		if i == n-1 {
			y[i] = median(slices.Clone(p.open))
		}
		if i > 0 && p.at.Sub(s.points[i-1].at) > span/2 {
			return line{}, "there is a gap in what was seen"
		}
	}
	slopes := make([]float64, 0, n*(n-1)/2)
	for i := range n {
		for j := i + 1; j < n; j++ {
			slopes = append(slopes, (y[j]-y[i])/(x[j]-x[i]))
		}
	}
	l := line{slope: median(slopes)}
	rest := make([]float64, n)
	for i := range n {
		rest[i] = y[i] - l.slope*x[i]
	}
	base := median(rest)
	for i := range rest {
		rest[i] = math.Abs(rest[i] - base)
	}
	// 1.5 times the median of the distances is about one standard deviation of ordinary scatter.
	scatter := 1.5 * median(rest)
	l.end = base + l.slope*x[n-1]
	if now := median(slices.Clone(y[n-3:])); l.end-now > scatter { // growth that slows down: what is left counts from where it is
		l.end = now
	}
	l.grows = l.slope*x[n-1] > max(s.shape.noise, 4*scatter) && s.rising(y) && !l.stopped(x, y, base, scatter)
	return l, ""
}

// stopped reports whether the growth is over: the latest points are hardly higher than those
// before and lie below the line. What is left would otherwise be told to shrink to nothing, for
// as long as the line remembers the growth.
func (l line) stopped(x, y []float64, base, scatter float64) bool {
	n := len(y)
	k := max(3, n/8)
	late, before := n-1-k/2, n-1-k-k/2
	recent := median(slices.Clone(y[n-k:]))
	rise := recent - median(slices.Clone(y[n-2*k:n-k]))
	return rise < l.slope*(x[late]-x[before])/5 && base+l.slope*x[late]-recent > scatter
}

// rising reports whether each third of the points lies higher than the one before. A single jump, or
// a saw's tooth that has just fallen, is no steady growth.
func (s *series) rising(y []float64) bool {
	third := len(y) / 3
	a, b, c := median(slices.Clone(y[:third])), median(slices.Clone(y[third:len(y)-third])), median(slices.Clone(y[len(y)-third:]))
	return a < b && b < c && c-b > (b-a)/4
}

// report adds the slope and, while the series grows steadily, the time that is left until the limit.
func (s *series) report(now time.Time, f detect.Facts, slope, left string, limit float64) {
	s.forget(now)
	if n := len(s.points); n == 0 || s.fitted != s.points[n-1].at || s.why != "" {
		s.line, s.why = s.fit()
		if n > 0 {
			s.fitted = s.points[n-1].at
		}
	}
	if s.why != "" {
		f[slope] = detect.NotMeasured(s.why)
		return
	}
	l := s.line
	f[slope] = detect.Num(l.slope)
	if l.grows && limit > 0 {
		f[left] = detect.Num(max(0, limit-l.end) / l.slope)
	}
}

// median reorders its argument.
func median(v []float64) float64 {
	slices.Sort(v)
	if n := len(v); n%2 == 1 {
		return v[n/2]
	} else {
		return (v[n/2-1] + v[n/2]) / 2
	}
}

// quantile is the smallest value that a share q of all does not exceed. It reorders its argument.
func quantile(v []float64, q float64) float64 {
	slices.Sort(v)
	return v[max(0, int(math.Ceil(q*float64(len(v))))-1)]
}
