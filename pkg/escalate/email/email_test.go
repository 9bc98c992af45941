package email_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/email"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

func build(t testing.TB, section string) notice.Notifier {
	t.Helper()
	n, err := email.New(escalatetest.Decode(section))
	require.NoError(t, err)
	return n
}

func server(t testing.TB, o escalatetest.SMTPOptions) (*escalatetest.SMTP, string) {
	t.Helper()
	s, err := escalatetest.NewSMTP(o)
	require.NoError(t, err)
	return s, escalatetest.ServeSMTP(t, s)
}

const people = "from: recoveryd <recoveryd@example.org>\nto: [Ops <ops@example.org>]\n"

func login(s *escalatetest.SMTP, t testing.TB) string {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, s.CertPEM(), 0o600))
	return fmt.Sprintf("username: %s\npassword: %s\nca_file: %s\n", escalatetest.SMTPUser, escalatetest.SMTPPassword, ca)
}

func TestConformance(t *testing.T) {
	for _, tc := range []struct{ name, tls, kinds string }{
		{"over STARTTLS, with a login", escalatetest.SMTPStartTLS, ""},
		{"over TLS from the first byte, every kind", escalatetest.SMTPImplicit, "kinds: [trigger, update, resolve, change]\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			section := ""
			c := escalatetest.Case{
				New: func(t testing.TB, base string, timeout time.Duration) notice.Notifier {
					return build(t, fmt.Sprintf("server: %s\ntls: %s\ntimeout: %s\n%s%s%s", strings.TrimPrefix(base, "http://"), tc.tls, timeout, people, tc.kinds, section))
				},
				Vendor: func(inner testing.TB) escalatetest.Backend {
					s, addr := server(inner, escalatetest.SMTPOptions{TLS: tc.tls, Auth: true})
					section = login(s, t)
					return escalatetest.Backend{URL: addr, Log: s.Log, Set: s.Set, Opened: func() int {
						ids := map[string]bool{} // a second copy with the same Message-ID is dropped by mail programs
						for _, m := range s.Mails() {
							ids[m.Header("Message-ID")] = true
						}
						return len(ids)
					}}
				},
				Secrets:   []string{escalatetest.SMTPPassword},
				Temporary: 451,
			}
			if tc.kinds == "" {
				c.Silent = []notice.Kind{notice.Update, notice.Change}
			}
			escalatetest.Run(t, c)
		})
	}
}

func notify(n notice.Notifier, t testing.TB, msg notice.Notice) error {
	t.Helper()
	_, err := n.Notify(t.Context(), notice.Delivery{Notice: msg, Attempt: 1})
	return err
}

func TestThread(t *testing.T) {
	s, addr := server(t, escalatetest.SMTPOptions{})
	section := "server: " + addr + "\n" + people
	require.NoError(t, notify(build(t, section), t, escalatetest.Notice("inc/t0")))
	require.NoError(t, notify(build(t, section), t, escalatetest.As(escalatetest.Notice("inc/t0"), notice.Resolve)))
	require.NoError(t, notify(build(t, section), t, escalatetest.Notice("inc/t1")))
	m := s.Mails()
	require.Len(t, m, 3)
	require.Equal(t, m[0].Header("References"), m[1].Header("References"), "one thread per key")
	require.Equal(t, m[0].Header("In-Reply-To"), m[1].Header("In-Reply-To"))
	require.NotEqual(t, m[0].Header("References"), m[2].Header("References"), "and one for each")
	require.NotEqual(t, m[0].Header("Message-ID"), m[1].Header("Message-ID"))
	require.Regexp(t, regexp.MustCompile(`^<recoveryd\.[0-9a-f]{24}@example\.org>$`), m[0].Header("Message-ID"))
	require.Equal(t, "high", m[0].Header("Importance"))
	require.Empty(t, m[1].Header("Importance"), "the end of a problem is not urgent")
	require.Equal(t, "auto-generated", m[0].Header("Auto-Submitted"))
	require.Contains(t, m[0].Data, "multipart/alternative")
	require.Contains(t, m[0].Data, "text/html")
}

// TestEverySMTPCode has the server give every code at every stage.
func TestEverySMTPCode(t *testing.T) {
	for _, stage := range []string{"greeting", "ehlo", "auth", "mail", "rcpt", "data", "body"} {
		t.Run(stage, func(t *testing.T) {
			s, addr := server(t, escalatetest.SMTPOptions{Auth: true})
			n := build(t, "server: "+addr+"\nplaintext_auth: true\n"+people+login(s, t))
			for code := 400; code <= 599; code++ {
				s.Set(escalatetest.Fault{Mode: escalatetest.FaultStatus, Status: code, Stage: stage})
				err := notify(n, t, escalatetest.Notice("inc/t0"))
				require.Error(t, err, "%d", code)
				require.NotContains(t, err.Error(), escalatetest.SMTPPassword)
				_, retry := errors.AsType[*notice.RetryError](err)
				_, final := errors.AsType[*notice.FinalError](err)
				require.Equal(t, code < 500, retry, "%d: %v", code, err)
				require.Equal(t, code >= 500, final, "%d: %v", code, err)
			}
			require.Empty(t, s.Mails())
		})
	}
}

func TestWhatAPermanentRefusalIsAbout(t *testing.T) {
	for _, tc := range []struct {
		stage string
		code  int
		want  notice.Reason
	}{
		{"greeting", 554, notice.ReasonConfig},
		{"ehlo", 502, notice.ReasonConfig},
		{"auth", 535, notice.ReasonAuth},
		{"mail", 530, notice.ReasonAuth},
		{"mail", 550, notice.ReasonConfig},
		{"mail", 552, notice.ReasonRejected},
		{"rcpt", 550, notice.ReasonConfig},
		{"body", 554, notice.ReasonRejected},
	} {
		t.Run(fmt.Sprint(tc.stage, " ", tc.code), func(t *testing.T) {
			s, addr := server(t, escalatetest.SMTPOptions{TLS: escalatetest.SMTPStartTLS, Auth: true})
			s.Set(escalatetest.Fault{Mode: escalatetest.FaultStatus, Status: tc.code, Stage: tc.stage})
			err := notify(build(t, "server: "+addr+"\ntls: starttls\n"+people+login(s, t)), t, escalatetest.Notice("inc/t0"))
			final, ok := errors.AsType[*notice.FinalError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, tc.want, final.Reason, "%v", err)
		})
	}
}

const three = "from: recoveryd@example.org\nto: [a@example.org, gone@example.org, b@example.org]\n"

// letters says who got which notice, in order.
func letters(s *escalatetest.SMTP) (all []string) {
	for _, m := range s.Mails() {
		all = append(all, strings.Join(m.To, " ")+": "+strings.Fields(m.Header("Subject"))[1])
	}
	return all
}

func TestEveryRecipientIsDeliveredToByHimself(t *testing.T) {
	page := notice.Delivery{Notice: escalatetest.Notice("inc/t0"), Attempt: 1}
	over := notice.Delivery{Notice: escalatetest.As(escalatetest.Notice("inc/t0"), notice.Resolve), Attempt: 1}
	partial := func(t *testing.T, err error) *notice.PartialError {
		t.Helper()
		some, ok := errors.AsType[*notice.PartialError](err)
		require.True(t, ok, "%T %v", err, err)
		return some
	}
	t.Run("refused for good: the others get one mail, and he is named", func(t *testing.T) {
		s, addr := server(t, escalatetest.SMTPOptions{Reject: map[string]int{"gone@example.org": 550}})
		n := build(t, "server: "+addr+"\n"+three)
		receipt, err := n.Notify(t.Context(), page)
		some := partial(t, err)
		require.Equal(t, []string{"a@example.org", "b@example.org"}, some.Took)
		require.Empty(t, some.Left)
		require.Equal(t, "gone@example.org", some.Refused[0].Receiver)
		require.Contains(t, some.Refused[0].Error, "550")
		over.Prior = receipt
		_, err = n.Notify(t.Context(), over)
		require.NoError(t, err, "the all-clear goes to those who have the page")
		require.Equal(t, []string{"a@example.org b@example.org: Problem:", "a@example.org b@example.org: Resolved:"}, letters(s))
	})
	t.Run("refused for now: he alone is tried again", func(t *testing.T) {
		s, addr := server(t, escalatetest.SMTPOptions{Reject: map[string]int{"gone@example.org": 450}})
		n := build(t, "server: "+addr+"\n"+three)
		receipt, err := n.Notify(t.Context(), page)
		some := partial(t, err)
		require.Equal(t, []string{"gone@example.org"}, some.Left)
		again := page
		again.Only, again.Prior = some.Left, receipt
		_, err = n.Notify(t.Context(), again)
		require.Equal(t, []string{"gone@example.org"}, partial(t, err).Left)
		s.Reject(nil)
		receipt, err = n.Notify(t.Context(), again)
		require.NoError(t, err)
		over.Prior = receipt
		_, err = n.Notify(t.Context(), over)
		require.NoError(t, err)
		require.Equal(t, []string{"a@example.org b@example.org: Problem:", "gone@example.org: Problem:",
			"a@example.org gone@example.org b@example.org: Resolved:"}, letters(s))
	})
	t.Run("both at once, and nobody took it", func(t *testing.T) {
		_, addr := server(t, escalatetest.SMTPOptions{Reject: map[string]int{"gone@example.org": 550, "a@example.org": 451, "b@example.org": 452}})
		_, err := build(t, "server: "+addr+"\n"+three).Notify(t.Context(), page)
		some := partial(t, err)
		require.Empty(t, some.Took)
		require.Len(t, some.Left, 2)
		require.Len(t, some.Refused, 1)
		require.ErrorContains(t, some, "a@example.org: 451", "why they are left, not why he is refused")
	})
	t.Run("all refused: the channel is broken", func(t *testing.T) {
		_, addr := server(t, escalatetest.SMTPOptions{Reject: map[string]int{"gone@example.org": 550, "a@example.org": 550, "b@example.org": 550}})
		_, err := build(t, "server: "+addr+"\n"+three).Notify(t.Context(), page)
		require.ErrorAs(t, err, new(*notice.FinalError))
	})
	t.Run("the mail is refused after the addresses: each gets his own", func(t *testing.T) {
		s, addr := server(t, escalatetest.SMTPOptions{})
		s.Set(escalatetest.Fault{Mode: escalatetest.FaultStatus, Status: 554, Stage: "body", Count: 2})
		_, err := build(t, "server: "+addr+"\n"+three).Notify(t.Context(), page)
		some := partial(t, err)
		require.Equal(t, []string{"gone@example.org", "b@example.org"}, some.Took)
		require.Equal(t, "a@example.org", some.Refused[0].Receiver)
		require.Len(t, s.Mails(), 2)
	})
	t.Run("no answer after the mail: it is unknown who has it, and that is said", func(t *testing.T) {
		s, addr := server(t, escalatetest.SMTPOptions{Reject: map[string]int{"gone@example.org": 550}})
		s.Set(escalatetest.Fault{Mode: escalatetest.FaultTruncate, Count: 1})
		_, err := build(t, "server: "+addr+"\n"+three).Notify(t.Context(), page)
		some := partial(t, err)
		require.Equal(t, []string{"a@example.org", "b@example.org"}, some.Left)
		require.ErrorContains(t, err, "may get it again")
		require.Len(t, s.Mails(), 1)
	})
	t.Run("who was taken out of the configuration gets the all-clear of his page", func(t *testing.T) {
		s, addr := server(t, escalatetest.SMTPOptions{})
		receipt, err := build(t, "server: "+addr+"\n"+three).Notify(t.Context(), page)
		require.NoError(t, err)
		over.Prior = receipt
		_, err = build(t, "server: "+addr+"\nfrom: recoveryd@example.org\nto: [b@example.org, new@example.org]\n").Notify(t.Context(), over)
		require.NoError(t, err)
		require.Equal(t, "b@example.org a@example.org gone@example.org: Resolved:", letters(s)[1])
	})
	t.Run("who must wait for an earlier notice is left out", func(t *testing.T) {
		s, addr := server(t, escalatetest.SMTPOptions{})
		later := page
		later.Skip = []string{"gone@example.org"}
		_, err := build(t, "server: "+addr+"\n"+three).Notify(t.Context(), later)
		require.NoError(t, err)
		require.Equal(t, []string{"a@example.org b@example.org: Problem:"}, letters(s))
	})
}

func TestTLS(t *testing.T) {
	send := func(o escalatetest.SMTPOptions, section string, trusted bool) (*escalatetest.SMTP, error) {
		s, addr := server(t, o)
		if trusted {
			section += login(s, t)
		}
		return s, notify(build(t, "server: "+addr+"\n"+people+section), t, escalatetest.Notice("inc/t0"))
	}
	t.Run("a certificate that nobody trusts", func(t *testing.T) {
		for _, mode := range []string{escalatetest.SMTPStartTLS, escalatetest.SMTPImplicit} {
			s, err := send(escalatetest.SMTPOptions{TLS: mode}, "tls: "+mode+"\n", false)
			retry, ok := errors.AsType[*notice.RetryError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, notice.ReasonConfig, retry.Reason)
			require.ErrorContains(t, err, "ca_file")
			require.Empty(t, s.Mails())
		}
	})
	t.Run("a server without STARTTLS gets no mail when it is wanted", func(t *testing.T) {
		s, err := send(escalatetest.SMTPOptions{}, "tls: starttls\n", false)
		final, ok := errors.AsType[*notice.FinalError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, notice.ReasonConfig, final.Reason)
		require.Empty(t, s.Mails())
	})
	t.Run("opportunistic takes what there is", func(t *testing.T) {
		s, err := send(escalatetest.SMTPOptions{}, "tls: opportunistic\n", false)
		require.NoError(t, err)
		require.False(t, s.Mails()[0].TLS)
		s, err = send(escalatetest.SMTPOptions{TLS: escalatetest.SMTPStartTLS}, "tls: opportunistic\n", true)
		require.ErrorContains(t, err, "no usable way to log in (the server offers none", "this server wants no login")
		require.Empty(t, s.Mails())
		s, err = send(escalatetest.SMTPOptions{TLS: escalatetest.SMTPStartTLS, Auth: true}, "tls: opportunistic\n", true)
		require.NoError(t, err)
		require.True(t, s.Mails()[0].TLS)
		require.Equal(t, escalatetest.SMTPUser, s.Mails()[0].User)
	})
	t.Run("the certificate may be for another name", func(t *testing.T) {
		s, err := send(escalatetest.SMTPOptions{TLS: escalatetest.SMTPImplicit, Auth: true}, "tls: implicit\nserver_name: localhost\n", true)
		require.NoError(t, err)
		require.Len(t, s.Mails(), 1)
	})
	t.Run("without TLS a password is sent only when that is allowed", func(t *testing.T) {
		s, err := send(escalatetest.SMTPOptions{Auth: true}, "tls: none\nplaintext_auth: true\n", true)
		require.NoError(t, err)
		require.Equal(t, escalatetest.SMTPUser, s.Mails()[0].User)
		s, err = send(escalatetest.SMTPOptions{Auth: true}, "tls: opportunistic\n", true)
		require.ErrorContains(t, err, "no usable way to log in")
		require.Empty(t, s.Mails())
		for _, e := range s.Entries() {
			require.NotEqual(t, "auth", e.Kind)
		}
	})
}

func TestWrongConfigurations(t *testing.T) {
	ok := "server: mail.example.org:587\n" + people
	for name, tc := range map[string]struct{ section, want string }{
		"no server":               {people, "server: want host:port"},
		"no port":                 {"server: mail.example.org\n" + people, "server: want host:port"},
		"no recipients":           {"server: a:25\nfrom: a@b.c", "to: missing"},
		"a recipient that is not": {"server: a:25\nfrom: a@b.c\nto: [ops]", "to[0]: not a mail address"},
		"no sender":               {"server: a:25\nto: [a@b.c]", "from: want an address"},
		"another mode":            {ok + "tls: ssl", "tls: want starttls, implicit, opportunistic or none"},
		"half a login":            {ok + "username: a", "username: a login needs both"},
		"an open password afar":   {"server: mail.example.org:25\ntls: opportunistic\nplaintext_auth: true\n" + people + "username: a\npassword: secretsecret", "plaintext_auth:"},
		"a login without TLS":     {"server: mail.example.org:25\ntls: none\n" + people + "username: a\npassword: secretsecret", "tls:"},
		"an open password":        {"server: localhost:25\n" + people + "username: a\npassword: secretsecret", "plaintext_auth:"},
		"no such CA file":         {ok + "ca_file: /nonexistent", "ca_file:"},
		"a kind that is none":     {ok + "kinds: [page]", "kinds[0]"},
		"an unknown key":          {ok + "smtp: x", "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := email.New(escalatetest.Decode(tc.section))
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "secretsecret")
		})
	}
}
