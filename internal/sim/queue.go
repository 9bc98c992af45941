package sim

import "time"

// happening is something that will take place at a time of the world.
type happening struct {
	at  time.Duration
	seq uint64 // breaks ties: first planned, first to happen
	do  func()
}

// queue is a binary heap of happenings, earliest first. It is written out because it is the
// hottest loop of a simulation and container/heap costs an interface call per comparison.
type queue struct {
	heap []happening
	seq  uint64
}

func (q *queue) push(at time.Duration, do func()) {
	q.seq++
	q.heap = append(q.heap, happening{at, q.seq, do})
	i := len(q.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !q.less(i, up) {
			break
		}
		q.heap[i], q.heap[up] = q.heap[up], q.heap[i]
		i = up
	}
}

// pop returns the earliest happening; the second result is false when there is none.
func (q *queue) pop() (happening, bool) {
	n := len(q.heap) - 1
	if n < 0 {
		return happening{}, false
	}
	first := q.heap[0]
	q.heap[0] = q.heap[n]
	q.heap[n] = happening{}
	q.heap = q.heap[:n]
	for i := 0; ; {
		down := 2*i + 1
		if down >= n {
			break
		}
		if down+1 < n && q.less(down+1, down) {
			down++
		}
		if !q.less(down, i) {
			break
		}
		q.heap[i], q.heap[down] = q.heap[down], q.heap[i]
		i = down
	}
	return first, true
}

func (q *queue) less(a, b int) bool {
	x, y := &q.heap[a], &q.heap[b]
	return x.at < y.at || x.at == y.at && x.seq < y.seq
}
