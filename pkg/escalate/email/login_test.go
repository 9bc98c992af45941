package email

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/wneessen/go-mail/smtp"

	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// A server, or who stands between, that offers no STARTTLS gets no proof of a password either: those of SCRAM and CRAM-MD5
// can be tried out at leisure.
func TestNobodyLogsInWithoutTLSOverANetwork(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"} {
		offer := &smtp.ServerInfo{Name: "mail.example.org", Auth: []string{mechanism}}
		l := login{user: "a", password: wire.NewSecret("secretsecret"), host: "mail.example.org", plaintext: true}
		_, sent, err := l.Start(offer)
		require.ErrorIs(t, err, errNoMechanism, mechanism)
		require.Empty(t, sent)
		offer.TLS = true
		_, _, err = l.Start(offer)
		require.NoError(t, err, mechanism)
	}
}
