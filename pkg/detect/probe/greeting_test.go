package probe

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// strangers are first words as the programs send them.
var strangers = map[string]struct{ says, want string }{
	"OpenSSH":    {"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n", `SSH ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7")`},
	"Postfix":    {"220 mail.example.org ESMTP Postfix (Debian/GNU)\r\n", `SMTP or FTP ("220 mail.example.org ESMTP Postfix (Debian/GNU)")`},
	"vsftpd":     {"220 (vsFTPd 3.0.3)\r\n", `SMTP or FTP ("220 (vsFTPd 3.0.3)")`},
	"ProFTPD":    {"220-Welcome\r\n220 ProFTPD ready\r\n", `SMTP or FTP ("220-Welcome")`},
	"Dovecot":    {"* OK [CAPABILITY IMAP4rev1 SASL-IR] Dovecot (Debian) ready.\r\n", `IMAP ("* OK [CAPABILITY IMAP4rev1 SASL-IR] Dovecot (Debian) ready.")`},
	"POP3":       {"+OK Dovecot ready.\r\n", `POP3 ("+OK Dovecot ready.")`},
	"MySQL":      {"J\x00\x00\x00\n8.0.36\x00\x08\x00\x00\x00abcdefgh\x00\xff\xff", `MySQL or MariaDB ("8.0.36")`},
	"MariaDB":    {"Z\x00\x00\x00\n5.5.5-10.11.6-MariaDB-0+deb12u1\x00\x08\x00\x00\x00abcdefgh\x00", `MySQL or MariaDB ("5.5.5-10.11.6-MariaDB-0+deb12u1")`},
	"MySQL, no":  {"E\x00\x00\x00\xffj\x04Host 'x' is not allowed to connect to this MySQL server", `MySQL or MariaDB ("Host 'x' is not allowed to connect to this MySQL server")`},
	"VNC":        {"RFB 003.008\n", `VNC ("RFB 003.008")`},
	"a long one": {"SSH-2.0-" + "x\x1b[31m\u202e" + string(make([]byte, 300)) + "\r\n", `SSH ("SSH-2.0-x [31m`},
}

// greets says its first words, and then nothing, as all of them do that wait for an answer which never comes.
func greets(words string) func(*net.TCPConn) {
	return func(conn *net.TCPConn) {
		_, _ = io.WriteString(conn, words)
		_, _ = io.Copy(io.Discard, conn)
	}
}

func TestAStrangerOnThePortIsNamedByItsFirstWords(t *testing.T) {
	for name, c := range strangers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := raw(t, greets(c.says))

			h, err := NewHTTPHealth(Endpoint{URL: url, Timeout: brief})
			require.NoError(t, err)
			f := h.Look(t.Context(), nil)
			require.Equal(t, detect.OutcomeGarbage, f.Text(detect.HTTPOutcome), "%v", f)
			require.Contains(t, f.Text(detect.HTTPError), "what answers is no HTTP server, but "+c.want)

			r, err := NewRedis(RedisConfig{Addr: hostPort(url), Timeout: brief})
			require.NoError(t, err)
			require.Contains(t, plainWords(r.Look(t.Context(), nil)), "error what answers is no Redis, but "+c.want)

			host, port, _ := net.SplitHostPort(hostPort(url))
			for _, mode := range []string{"prefer", "disable"} {
				p, err := NewPostgres(PostgresConfig{DSN: Secret("host=" + host + " port=" + port + " user=x dbname=x sslmode=" + mode), ConnectTimeout: brief, StatementTimeout: brief})
				require.NoError(t, err)
				f = p.Look(t.Context(), nil)
				require.Equal(t, detect.SQLNoConnect, f.Text(detect.SQLOutcome), "it is not frozen: %v", f)
				require.Contains(t, f.Text(detect.SQLError), "what answers is no PostgreSQL, but "+c.want[:8]) // pgx reads no further than it needs
			}
		})
	}
}

// Whoever has said anything is not silent, whatever it was.
func TestUnknownFirstWordsAreQuoted(t *testing.T) {
	url := raw(t, greets("hello, who is there? "))
	h, err := NewHTTPHealth(Endpoint{URL: url, Timeout: brief})
	require.NoError(t, err)
	f := h.Look(t.Context(), nil)
	require.Equal(t, detect.OutcomePartial, f.Text(detect.HTTPOutcome), "%v", f)
	require.Contains(t, f.Text(detect.HTTPError), `("hello, who is there?")`)
	r, err := NewRedis(RedisConfig{Addr: hostPort(url), Timeout: brief})
	require.NoError(t, err)
	require.Contains(t, plainWords(r.Look(t.Context(), nil)), `error what answers is no Redis, but "hello, who is there?"`)
}
