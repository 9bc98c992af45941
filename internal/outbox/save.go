package outbox

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// A store that fails is tried again after a second, then after twice that, up to a minute.
const (
	storeWaitMin = time.Second
	storeWaitMax = time.Minute
)

// save stores what changed since the last save, in one transaction. What cannot be stored is
// kept, and tried again later with what has changed by then.
func (s *scheduler) save(ctx context.Context, now time.Time) {
	if s.edits.Empty() || now.Before(s.storeAt) {
		return
	}
	s.edits = s.latest(s.edits)
	if err := s.store.SaveOutbox(ctx, s.edits); err != nil {
		s.storeFailed(err, now)
		return
	}
	s.storeWorks()
	for _, q := range s.edits.Rows {
		if q.State != queue.Waiting { // so the store will not offer it
			delete(s.mine, idOf(q))
		}
	}
	s.edits = queue.Edits{}
	clear(s.unstored)
	done := s.done
	s.done = nil
	for _, q := range done {
		s.metrics.Settled(q.Channel, q.Kind, q.State)
		s.settled(q)
	}
}

func (s *scheduler) storeWorks() {
	if s.storeErr != nil {
		s.log.Info("outbox is stored again", zap.Int("rows", len(s.edits.Rows)), zap.Int("new", len(s.edits.New)))
	}
	s.storeErr, s.storeWait, s.storeAt = nil, 0, time.Time{}
}

func (s *scheduler) storeFailed(err error, now time.Time) {
	if s.storeErr == nil || s.storeErr.Error() != err.Error() {
		s.log.Error("outbox cannot be stored, notices leave without it", zap.Error(err))
	}
	s.storeErr = err
	s.storeWait = min(max(2*s.storeWait, storeWaitMin), storeWaitMax)
	s.storeAt = now.Add(s.storeWait)
}

// latest keeps the last version of everything. A row that is new to the store is inserted as it
// was first and then updated, so that both happen in one transaction.
func (s *scheduler) latest(e queue.Edits) queue.Edits {
	type pair struct{ a, b string }
	return queue.Edits{
		Rows:     lastOf(e.Rows, func(q queue.Queued) pair { return pair{q.Channel, q.ID} }),
		New:      e.New,
		Keys:     lastOf(e.Keys, func(k queue.KeyState) pair { return pair{k.Channel, k.Key} }),
		Channels: lastOf(e.Channels, func(c queue.ChannelState) pair { return pair{c.Channel, ""} }),
	}
}

// lastOf keeps the last of the values with the same key, in the order of those last ones.
func lastOf[T any, K comparable](all []T, key func(T) K) []T {
	last := make(map[K]int, len(all))
	for i, v := range all {
		last[key(v)] = i
	}
	var out []T
	for i, v := range all {
		if last[key(v)] == i {
			out = append(out, v)
		}
	}
	return out
}
