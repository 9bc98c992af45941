package escalatetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// plenty is the limit of an attempt that is expected to succeed; a loaded machine may need it.
const plenty = 30 * time.Second

func (c Case) testLife(t *testing.T) {
	v := c.Vendor(t)
	n := c.New(t, v.URL, plenty)
	first := Notice("life/t0")
	var receipt notice.Receipt
	for i, kind := range []notice.Kind{notice.Trigger, notice.Update, notice.Trigger, notice.Change, notice.Resolve, notice.Trigger, notice.Resolve} {
		before := len(v.Log.Entries())
		msg := As(first, kind)
		msg.ID = fmt.Sprintf("life/%d", i)
		msg.Tier = i / 2
		d := notice.Delivery{Notice: msg, Prior: receipt, Attempt: 1}
		given := clone(d)
		receipt = deliver(t, n, d)
		require.Equal(t, given, d, "the delivery belongs to the outbox: it must not be changed")
		c.requireSecretFree(t, "receipt", fmt.Sprint(receipt))
		if c.silent(kind) {
			require.Len(t, v.Log.Entries(), before, "a %s was announced as silent and sent something", kind)
		} else {
			require.Greater(t, len(v.Log.Entries()), before, "a %s reached nobody", kind)
		}
	}
	require.Empty(t, refusals(v.Log))
	dropped := v.Log.Select(func(e Entry) bool { return e.Verdict == Dropped })
	require.Empty(t, dropped, "the vendor said yes and did nothing")
}

func clone(d notice.Delivery) notice.Delivery {
	out := d
	if d.Prior != nil {
		out.Prior = notice.Receipt{}
		for k, v := range d.Prior {
			out.Prior[k] = v
		}
	}
	out.Notice.Affected = append([]string(nil), d.Notice.Affected...)
	out.Notice.Evidence = append([]string(nil), d.Notice.Evidence...)
	out.Notice.Tried = append([]notice.Attempt(nil), d.Notice.Tried...)
	out.Notice.Commands = append([]string(nil), d.Notice.Commands...)
	return out
}

func (c Case) testKinds(t *testing.T) {
	for _, kind := range []notice.Kind{notice.Trigger, notice.Update, notice.Resolve, notice.Change} {
		t.Run(string(kind), func(t *testing.T) {
			v := c.Vendor(t)
			n := c.New(t, v.URL, plenty)
			deliver(t, n, notice.Delivery{Notice: As(Notice("kinds/t0"), kind), Attempt: 1})
			require.Empty(t, refusals(v.Log))
		})
	}
}

func (c Case) testTexts(t *testing.T) {
	v := c.Vendor(t)
	n := c.New(t, v.URL, plenty)
	repeat := func(s string, n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = s
		}
		return list
	}
	huge := Notice("texts/" + strings.Repeat("k", 1000))
	huge.Summary = strings.Repeat("🔥é", 5000)
	huge.Evidence = repeat(strings.Repeat("<&>\"🔥 ", 300), 3000)
	huge.Affected = repeat("service", 5000)
	huge.Commands = repeat("journalctl -u x ```", 500)
	huge.Next = strings.Repeat("next ", 20_000)
	for i := range 1000 {
		huge.Tried = append(huge.Tried, notice.Attempt{At: huge.At, What: fmt.Sprint("try ", i), Result: strings.Repeat("✗", 200)})
	}
	hostile := Notice("texts/hostile")
	hostile.Summary = "line one\nline two\r\nBcc: everybody@example.org\x00\x1b[2J \xff\xfe <!channel> {{.}} %s & </b>"
	hostile.Host = "web-1\r\nX-Evil: 1"
	hostile.Target = "тест 试验 اختبار"
	hostile.Evidence = []string{"\xc3\x28", "<script>alert(1)</script>", "```", "<@U0123> <!here> <!channel>", ""}
	hostile.Commands = []string{"echo '```' && rm -rf \"$X\""}
	hostile.Link = "javascript:alert(1)"
	empty := notice.Notice{ID: "empty", Key: "texts/empty", Kind: notice.Trigger}
	strange := Notice("texts/strange")
	strange.Severity, strange.Priority, strange.Status = "terrible", "P0", "Confused"
	strange.Since = strange.At.Add(time.Hour)
	strange.Link = "https://example.org/a b|c>d"
	for name, msg := range map[string]notice.Notice{"huge": huge, "hostile": hostile, "empty": empty, "strange": strange} {
		receipt := deliver(t, n, notice.Delivery{Notice: msg, Attempt: 1})
		deliver(t, n, notice.Delivery{Notice: As(msg, notice.Update), Prior: receipt, Attempt: 1})
		deliver(t, n, notice.Delivery{Notice: As(msg, notice.Resolve), Prior: receipt, Attempt: 1})
		require.Empty(t, refusals(v.Log), name)
	}
}

// anyNotice draws notices that no engine would make.
func anyNotice() *rapid.Generator[notice.Notice] {
	texts := rapid.OneOf(rapid.String(), rapid.StringN(0, 3000, -1), rapid.Just("\xff\x00\r\n"))
	list := rapid.SliceOfN(texts, 0, 30)
	kinds := []notice.Kind{notice.Trigger, notice.Update, notice.Resolve, notice.Change}
	return rapid.Custom(func(t *rapid.T) notice.Notice {
		at := time.Unix(rapid.Int64Range(0, 4_000_000_000).Draw(t, "at"), 0)
		return notice.Notice{
			ID: texts.Draw(t, "id"), Key: rapid.StringN(1, 400, -1).Draw(t, "key"), Kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
			At: at, Since: at.Add(-time.Duration(rapid.Int64Range(-1000, 1e15).Draw(t, "age"))),
			Incident: texts.Draw(t, "incident"), Tier: rapid.IntRange(0, 9).Draw(t, "tier"),
			Priority: texts.Draw(t, "priority"), Severity: notice.Severity(texts.Draw(t, "severity")),
			Status: notice.Status(texts.Draw(t, "status")), Host: texts.Draw(t, "host"), Target: texts.Draw(t, "target"),
			Class: texts.Draw(t, "class"), Summary: texts.Draw(t, "summary"), Next: texts.Draw(t, "next"),
			Affected: list.Draw(t, "affected"), Evidence: list.Draw(t, "evidence"), Commands: list.Draw(t, "commands"),
			Link: texts.Draw(t, "link"), Test: rapid.Bool().Draw(t, "test"),
			Tried: []notice.Attempt{{At: at, What: texts.Draw(t, "what"), Result: texts.Draw(t, "result")}},
		}
	})
}

func (c Case) testAnyNotice(t *testing.T) {
	v := c.Vendor(t)
	n := c.New(t, v.URL, plenty)
	accepted := func(msg notice.Notice) error {
		receipt, err := n.Notify(context.Background(), notice.Delivery{Notice: msg, Attempt: 1})
		if err != nil {
			return err
		}
		_, err = n.Notify(context.Background(), notice.Delivery{Notice: As(msg, notice.Resolve), Prior: receipt, Attempt: 1})
		if err != nil {
			return fmt.Errorf("resolve: %w", err)
		}
		defer v.Log.Reset()
		if r := refusals(v.Log); len(r) > 0 {
			return fmt.Errorf("refused: %s", r[0].Why)
		}
		return nil
	}
	if c.Local {
		for seed := range 10 {
			require.NoError(t, accepted(anyNotice().Example(seed)))
		}
		return
	}
	rapid.Check(t, func(t *rapid.T) {
		if err := accepted(anyNotice().Draw(t, "notice")); err != nil {
			t.Fatal(err)
		}
	})
}

func (c Case) testConcurrency(t *testing.T) {
	v := c.Vendor(t)
	n := c.New(t, v.URL, plenty)
	notices := 32
	if c.Local {
		notices = 8
	}
	errs := make([]error, notices)
	var wg sync.WaitGroup
	for i := range notices {
		wg.Go(func() {
			_, errs[i] = n.Notify(t.Context(), notice.Delivery{Notice: Notice(fmt.Sprintf("many/%d", i)), Attempt: 1})
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Empty(t, refusals(v.Log))
	require.Equal(t, notices, v.Opened())
}

func (c Case) testPreview(t *testing.T) {
	v := c.Vendor(t)
	p, ok := c.New(t, v.URL, plenty).(notice.Previewer)
	require.True(t, ok, "every notifier shows what it would send")
	for _, kind := range []notice.Kind{notice.Trigger, notice.Update, notice.Resolve, notice.Change} {
		b, err := p.Preview(notice.Delivery{Notice: As(Notice("preview/t0"), kind), Attempt: 1})
		require.NoError(t, err)
		require.NotEmpty(t, b)
		c.requireSecretFree(t, "preview", string(b))
	}
	require.Empty(t, v.Log.Entries())
}

func (c Case) testPrint(t *testing.T) {
	n := c.New(t, c.Vendor(t).URL, plenty)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		c.requireSecretFree(t, verb, fmt.Sprintf(verb, n))
	}
	if e := reflect.ValueOf(n); e.Kind() == reflect.Pointer {
		c.requireSecretFree(t, "value", fmt.Sprintf("%+v", e.Elem().Interface()))
	}
}

// testFaults breaks the vendor in every way and mends it: the notice that failed arrives with
// the next attempt, and where the vendor is idempotent people hear of it once.
func (c Case) testFaults(t *testing.T) {
	later := c.Temporary
	if later == 0 {
		later = 503
	}
	for _, fault := range []Fault{
		{Mode: FaultDown}, {Mode: FaultStatus, Status: later}, {Mode: FaultRateLimit, RetryAfter: "1"}, {Mode: FaultHang},
		{Mode: FaultHangAfterAccept}, {Mode: FaultTruncate}, {Mode: FaultGarbage},
	} {
		t.Run(fault.Mode, func(t *testing.T) {
			v := c.Vendor(t)
			limit := 300 * time.Millisecond
			if c.Local {
				limit = 3 * time.Second // a process has to start within it
			}
			impatient := c.New(t, v.URL, limit)
			patient := c.New(t, v.URL, plenty)
			fault.Count = 1
			v.Set(fault)
			d := notice.Delivery{Notice: Notice("fault/t0"), Attempt: 1}
			_, err := impatient.Notify(t.Context(), d)
			if err == nil && fault.Mode == FaultGarbage && c.HTTP != nil && !c.HTTP.BodyMatters {
				return // any 2xx is this vendor's yes: nobody could tell
			}
			if err != nil {
				_, ok := errors.AsType[*notice.RetryError](err)
				require.True(t, ok, "want *notice.RetryError, got %T: %v", err, err)
				c.requireSecretFree(t, "error", everyError(err))
				v.Set(Fault{}) // on a machine under load the first attempt may not have come that far
				d.Attempt = 2
				deliver(t, patient, d)
			}
			if !c.Duplicates {
				require.Equal(t, 1, v.Opened(), "people are told once")
			}
			require.GreaterOrEqual(t, v.Opened(), 1, "people are told")
		})
	}
}

func (c Case) testCancel(t *testing.T) {
	v := c.Vendor(t)
	n := c.New(t, v.URL, plenty)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := n.Notify(ctx, notice.Delivery{Notice: Notice("cancel/t0"), Attempt: 1})
	retry, ok := errors.AsType[*notice.RetryError](err)
	require.True(t, ok, "want *notice.RetryError, got %T: %v", err, err)
	require.ErrorIs(t, retry, context.Canceled)

	v.Set(Fault{Mode: FaultHang})
	ctx, cancel = context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := n.Notify(ctx, notice.Delivery{Notice: Notice("cancel/t1"), Attempt: 1})
		done <- err
	}()
	require.Eventually(t, func() bool { return len(v.Log.Entries()) > 0 }, plenty, time.Millisecond)
	cancel()
	select {
	case err = <-done:
	case <-time.After(plenty / 2):
		t.Fatal("the attempt went on although its context had ended")
	}
	_, ok = errors.AsType[*notice.RetryError](err)
	require.True(t, ok, "want *notice.RetryError, got %T: %v", err, err)
	require.ErrorIs(t, err, context.Canceled)
}

func (c Case) testRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	n := c.New(t, "http://"+addr, plenty)
	_, err = n.Notify(t.Context(), notice.Delivery{Notice: Notice("refused/t0"), Attempt: 1})
	retry, ok := errors.AsType[*notice.RetryError](err)
	require.True(t, ok, "want *notice.RetryError, got %T: %v", err, err)
	require.Equal(t, notice.ReasonNetwork, retry.Reason)
	dial, ok := errors.AsType[*net.OpError](err)
	require.True(t, ok && dial.Op == "dial", "the outbox must be able to see that nothing was sent: %v", err)
	c.requireSecretFree(t, "error", everyError(err))
}

// requireSecretFree fails when text shows a secret.
func (c Case) requireSecretFree(t testing.TB, what, text string) {
	t.Helper()
	for _, s := range c.Secrets {
		for _, form := range secretForms(s) {
			if strings.Contains(text, form) {
				t.Fatalf("%s shows a secret (%.4s...)", what, s)
			}
		}
	}
}

// captureLog collects what the standard logger, which libraries use, writes during a test.
func captureLog(t testing.TB) *lockedBuffer {
	b := new(lockedBuffer)
	old := log.Writer()
	log.SetOutput(b)
	t.Cleanup(func() { log.SetOutput(old) })
	return b
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns what was written so far.
func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
