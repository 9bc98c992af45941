package statuspage_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/statuspage"
)

func build(t testing.TB, base, more string) notice.Notifier {
	t.Helper()
	n, err := statuspage.New(escalatetest.Decode(fmt.Sprintf("api_key: %s\npage_id: %s\nendpoint: %s\n%s",
		escalatetest.StatuspageKey, escalatetest.StatuspageID, base, more)))
	require.NoError(t, err)
	return n
}

func TestConformance(t *testing.T) {
	escalatetest.Run(t, escalatetest.Case{
		New: func(t testing.TB, base string, timeout time.Duration) notice.Notifier {
			return build(t, base, fmt.Sprintf("components: [{id: %s}]\nhttp: {timeout: %s}", escalatetest.StatuspageComponent, timeout))
		},
		Vendor: func(t testing.TB) escalatetest.Backend {
			s := escalatetest.NewStatuspage(escalatetest.StatuspageOptions{})
			return escalatetest.Backend{URL: escalatetest.Serve(t, s), Log: s.Log, Set: s.Set, Opened: func() int { return len(s.Incidents()) }}
		},
		Secrets: []string{escalatetest.StatuspageKey},
		Silent:  []notice.Kind{notice.Change},
		HTTP: &escalatetest.HTTP{
			Accepts: []int{201},
			Limited: []int{420},
			Success: func(r *http.Request, _ []byte) (int, string) {
				switch r.Method {
				case http.MethodGet:
					return 200, "[]"
				case http.MethodPatch:
					return 200, `{"id":"abc"}`
				}
				return 201, `{"id":"abc"}`
			},
			BodyMatters: true,
		},
	})
}

func send(t testing.TB, n notice.Notifier, msg notice.Notice, prior notice.Receipt) notice.Receipt {
	t.Helper()
	r, err := n.Notify(t.Context(), notice.Delivery{Notice: msg, Prior: prior, Attempt: 1})
	require.NoError(t, err)
	return r
}

func TestLifeOfAnIncidentInPublic(t *testing.T) {
	s := escalatetest.NewStatuspage(escalatetest.StatuspageOptions{})
	n := build(t, escalatetest.Serve(t, s), "components: [{id: "+escalatetest.StatuspageComponent+", target: codebase-mcp}]")
	first := escalatetest.Notice("inc/t2")
	first.Status = notice.Investigating
	receipt := send(t, n, first, nil)
	require.Equal(t, "major_outage", s.Incidents()[0].Components[escalatetest.StatuspageComponent])
	for _, status := range []notice.Status{notice.Identified, notice.Monitoring} {
		update := escalatetest.As(first, notice.Update)
		update.Status = status
		receipt = send(t, n, update, receipt)
	}
	over := escalatetest.As(first, notice.Resolve)
	receipt = send(t, n, over, receipt)
	require.Len(t, s.Incidents(), 1)
	i := s.Incidents()[0]
	require.Equal(t, "codebase-mcp is unavailable", i.Name)
	require.Equal(t, "critical", i.Impact)
	require.Equal(t, "operational", i.Components[escalatetest.StatuspageComponent])
	require.Equal(t, []string{
		"investigating: We are investigating a problem with codebase-mcp.",
		"identified: The cause of the problem with codebase-mcp has been identified, and we are working on it.",
		"monitoring: codebase-mcp has been repaired. We are watching the result.",
		"resolved: The problem with codebase-mcp is over; it lasted 5m.",
	}, i.Updates)
	for _, e := range s.Entries() {
		for _, private := range []string{"web-1", "8000", "exit code", "journalctl", "budget"} {
			require.NotContains(t, e.Body, private, "the public need not read this")
		}
	}
	send(t, n, first, receipt)
	require.Len(t, s.Incidents(), 2, "a relapse is an incident of its own in public")
}

func TestARepeatedCreateLooksFirst(t *testing.T) {
	s := escalatetest.NewStatuspage(escalatetest.StatuspageOptions{})
	n := build(t, escalatetest.Serve(t, s), "")
	send(t, n, escalatetest.Notice("other/t0"), nil)
	send(t, n, escalatetest.Notice("inc/t0"), nil) // accepted, and the receipt was lost
	r, err := n.Notify(t.Context(), notice.Delivery{Notice: escalatetest.Notice("inc/t0"), Attempt: 2})
	require.NoError(t, err)
	require.Len(t, s.Incidents(), 2)
	require.Equal(t, s.Incidents()[1].ID, r["incident_id"])
	send(t, n, escalatetest.As(escalatetest.Notice("inc/t0"), notice.Resolve), nil)
	require.Equal(t, "resolved", s.Incidents()[1].Status, "also a resolve finds it without a receipt")
	require.Equal(t, "identified", s.Incidents()[0].Status)
}

func TestWhatWasNeverPublishedStaysUnpublished(t *testing.T) {
	s := escalatetest.NewStatuspage(escalatetest.StatuspageOptions{})
	n := build(t, escalatetest.Serve(t, s), "")
	send(t, n, escalatetest.As(escalatetest.Notice("inc/t0"), notice.Update), nil)
	send(t, n, escalatetest.As(escalatetest.Notice("inc/t0"), notice.Resolve), nil)
	require.Empty(t, s.Incidents())
}

func TestAnIncidentThatSomebodyDeleted(t *testing.T) {
	s := escalatetest.NewStatuspage(escalatetest.StatuspageOptions{})
	n := build(t, escalatetest.Serve(t, s), "")
	receipt := send(t, n, escalatetest.Notice("inc/t0"), nil)
	s.Delete(receipt["incident_id"])
	receipt = send(t, n, escalatetest.As(escalatetest.Notice("inc/t0"), notice.Update), receipt)
	require.Empty(t, s.Incidents(), "an update does not bring it back")
	send(t, n, escalatetest.Notice("inc/t0"), receipt)
	require.Len(t, s.Incidents(), 1, "a trigger does")
}

func TestAComponentThatIsGoneKeepsNobodyFromReadingOfTheOutage(t *testing.T) {
	s := escalatetest.NewStatuspage(escalatetest.StatuspageOptions{})
	n := build(t, escalatetest.Serve(t, s), "components: [{id: "+escalatetest.StatuspageComponent+"}, {id: removed}]")
	receipt, err := n.Notify(t.Context(), notice.Delivery{Notice: escalatetest.Notice("inc/t0"), Attempt: 1})
	some, ok := errors.AsType[*notice.PartialError](err)
	require.True(t, ok, "%v", err)
	require.Len(t, some.Refused, 2, "the page does not say which one it does not know")
	require.Contains(t, some.Refused[1].Receiver, "removed")
	require.Contains(t, some.Refused[1].Error, "no such component")
	require.Len(t, s.Incidents(), 1)
	_, err = n.Notify(t.Context(), notice.Delivery{Notice: escalatetest.As(escalatetest.Notice("inc/t0"), notice.Resolve), Prior: receipt, Attempt: 1})
	require.ErrorAs(t, err, new(*notice.PartialError))
	require.Equal(t, "resolved", s.Incidents()[0].Status)
}

func TestRateLimit(t *testing.T) {
	s := escalatetest.NewStatuspage(escalatetest.StatuspageOptions{PerMinute: 1})
	n := build(t, escalatetest.Serve(t, s), "")
	send(t, n, escalatetest.Notice("a/t0"), nil)
	_, err := n.Notify(t.Context(), notice.Delivery{Notice: escalatetest.Notice("b/t0"), Attempt: 1})
	retry, ok := errors.AsType[*notice.RetryError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, notice.ReasonRateLimited, retry.Reason)
}

func TestWrongConfigurations(t *testing.T) {
	for name, tc := range map[string]struct{ section, want string }{
		"no key":            {"page_id: a", "api_key: missing"},
		"no page":           {"api_key: secretsecret", "page_id: missing"},
		"a page like a URL": {"api_key: secretsecret\npage_id: a/b", "page_id: missing or not an id"},
		"a component":       {"api_key: secretsecret\npage_id: a\ncomponents: [{id: 'x y'}]", "components[0].id"},
		"a bad endpoint":    {"api_key: secretsecret\npage_id: a\nendpoint: x", "endpoint: not a URL"},
		"an unknown key":    {"apikey: secretsecret", "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := statuspage.New(escalatetest.Decode(tc.section))
			require.ErrorContains(t, err, tc.want)
		})
	}
}
