package escalatetest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Case describes a notifier to the conformance suite.
type Case struct {
	// New builds the notifier against base ("http://127.0.0.1:port", or what Vendor returned as
	// URL), with the given limit for one attempt.
	New func(t testing.TB, base string, timeout time.Duration) notice.Notifier
	// Vendor starts a fresh fake that enforces the vendor's contract.
	Vendor func(t testing.TB) Backend
	// Secrets are the credentials that New configured. None may ever be seen in an error, a log
	// line, a receipt, a preview or a print of the notifier.
	Secrets []string
	// HTTP is nil for a notifier that does not talk HTTP: only the general part runs then.
	HTTP *HTTP
	// Temporary is the status (SMTP: the code) by which this vendor says "later"; 0: 503.
	Temporary int
	// Local is set for a channel that is a program on this host: there is no network to fail,
	// and each attempt costs a process, so that fewer are made.
	Local bool
	// Silent lists kinds that the channel cannot express and accepts without telling anybody.
	Silent []notice.Kind
	// Duplicates is set for a vendor without idempotence: a retry after a lost answer may tell
	// people twice, and the suite does not ask otherwise.
	Duplicates bool
}

// Backend is a running fake.
type Backend struct {
	URL string
	Log *Log
	// Set changes the failure mode.
	Set func(Fault)
	// Opened counts the alerts that the vendor has ever opened.
	Opened func() int
}

// HTTP is what the suite must know of an HTTP vendor.
type HTTP struct {
	// Success writes the reply by which the vendor takes a request.
	Success func(r *http.Request, body []byte) (status int, reply string)
	// Accepts lists the statuses that mean success.
	Accepts []int
	// Limited lists statuses that mean "too fast" besides 429.
	Limited []int
	// BodyMatters says that a success status alone proves nothing.
	BodyMatters bool
	// Key returns the vendor's dedup key from a request; nil when it has none.
	Key func(r *http.Request, body []byte) string
}

// Notice returns a complete trigger for tests.
func Notice(key string) notice.Notice {
	n := notice.Sample(notice.Trigger, "inc-"+key, "web-1", time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC))
	n.Key, n.ID, n.Test = key, key+"/1", false
	n.Link = "https://recoveryd.example/incidents/inc-" + key
	return n
}

// As returns n as another kind, with the status that belongs to it and an id of its own.
func As(n notice.Notice, kind notice.Kind) notice.Notice {
	n.Kind, n.ID = kind, n.ID+"/"+string(kind)
	n.At = n.At.Add(time.Minute)
	switch kind {
	case notice.Update:
		n.Status, n.Event = notice.Monitoring, notice.EventUpdate
	case notice.Resolve:
		n.Status, n.Event = notice.Resolved, notice.EventAllClear
	case notice.Change:
		n.Status, n.Event = notice.Resolved, notice.EventCure
	}
	return n
}

// Run runs the whole suite.
func Run(t *testing.T, c Case) {
	t.Helper()
	t.Run("life of an alert", c.testLife)
	t.Run("every kind works without a receipt", c.testKinds)
	t.Run("texts of every sort are accepted", c.testTexts)
	t.Run("any notice at all is accepted", c.testAnyNotice)
	t.Run("many notices at the same time", c.testConcurrency)
	t.Run("a preview sends nothing and shows no secret", c.testPreview)
	t.Run("a print shows no secret", c.testPrint)
	t.Run("failures of the vendor pass", c.testFaults)
	t.Run("a cancelled attempt can be tried again", c.testCancel)
	if !c.Local {
		t.Run("nobody listens", c.testRefused)
	}
	if c.HTTP == nil {
		return
	}
	t.Run("every status", c.testStatuses)
	t.Run("a redirect is not followed", c.testRedirect)
	t.Run("Retry-After", c.testRetryAfter)
	t.Run("an answer that does not come", c.testTimeouts)
	t.Run("an answer that is not one", c.testReplies)
	t.Run("no secret in any error", c.testSecrets)
	if c.HTTP.Key != nil {
		t.Run("the dedup key is stable", c.testKey)
	}
}

// silent reports whether the channel has no way to tell of this kind.
func (c Case) silent(k notice.Kind) bool { return slices.Contains(c.Silent, k) }

// deliver sends one notice and hands the receipt through JSON, as the store does. A nil receipt
// keeps the prior one.
func deliver(t testing.TB, n notice.Notifier, d notice.Delivery) notice.Receipt {
	t.Helper()
	got, err := n.Notify(t.Context(), d)
	require.NoError(t, err)
	return stored(t, got, d.Prior)
}

func stored(t testing.TB, got, prior notice.Receipt) notice.Receipt {
	t.Helper()
	if got == nil {
		return prior
	}
	b, err := json.Marshal(got)
	require.NoError(t, err)
	require.Less(t, len(b), 4096, "a receipt is stored with every alert")
	var back notice.Receipt
	require.NoError(t, json.Unmarshal(b, &back))
	return back
}

// Decode returns the decode function that a notifier's New takes, for a section written in YAML.
// As in the daemon, an unknown key is an error.
func Decode(section string) func(any) error {
	return func(into any) error {
		err := yaml.NewDecoder(strings.NewReader(section), yaml.Strict()).Decode(into)
		if errors.Is(err, io.EOF) {
			return nil // an empty section
		}
		return err
	}
}

// refusals returns what a fake did not take; there must be none.
func refusals(l *Log) []Entry {
	return l.Select(func(e Entry) bool { return e.Verdict == Rejected && e.Fault == FaultNone })
}
