package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/config"
)

func TestTheCertificateOfTheOwnPageIsLookedAt(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		from, until time.Duration
		otherKey    bool
		status      Status
		says        string
	}{
		"a good one":             {-time.Hour, 90 * 24 * time.Hour, false, OK, "is valid until"},
		"one that is over":       {-48 * time.Hour, -time.Hour, false, Warn, "is over since"},
		"one that is soon over":  {-48 * time.Hour, 24 * time.Hour, false, Warn, "is over on"},
		"one of the future":      {time.Hour, 48 * time.Hour, false, Warn, "valid from"},
		"one with another's key": {-time.Hour, 90 * 24 * time.Hour, true, Fail, "private key does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(t, err)
			tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(c.from), NotAfter: now.Add(c.until)}
			der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
			require.NoError(t, err)
			if c.otherKey {
				key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
				require.NoError(t, err)
			}
			k, err := x509.MarshalPKCS8PrivateKey(key)
			require.NoError(t, err)
			write := func(name string, b []byte) { require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600)) }
			write("c.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
			write("k.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k}))
			write("web.yaml", []byte("tls_server_config: {cert_file: c.pem, key_file: k.pem}\n"))
			n := &notes{}
			Options{Config: &config.Config{HTTP: config.HTTP{WebConfigFile: filepath.Join(dir, "web.yaml")}}}.ownPage(n, now)
			require.Len(t, n.list, 1)
			require.Equal(t, c.status, n.list[0].Status)
			require.Contains(t, n.list[0].Detail, c.says)
		})
	}
}
