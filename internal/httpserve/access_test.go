package httpserve_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
)

func TestNothingCanBeCommandedOverTCP(t *testing.T) {
	h := hosttest.New(t, time.Now(), hosttest.Options(t))
	_, url := server(t, h, nil)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		for _, path := range []string{"/api/v1/command", "/api/v1/status", "/api/v1/incidents", "/metrics", "/livez", "/readyz", "/"} {
			req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(`{"verb":"pause","by":"a stranger"}`))
			require.NoError(t, err)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, resp.StatusCode, "%s %s", method, path)
		}
	}
	require.Nil(t, h.State().Host.Pause, "nobody has paused it")
}

// webConfig is exporter-toolkit's file with TLS and the password "open sesame".
const webConfig = `tls_server_config: {cert_file: cert.pem, key_file: key.pem}
basic_auth_users: {watcher: "$2a$04$ITxaMNK2SdDKlPSaaPXvROXqKoUg7P9df2OxT59c6V0HNAQEdcpJu"}
`

func TestAWebConfigurationAsksForTLSAndAPassword(t *testing.T) {
	dir := t.TempDir()
	example := httptest.NewTLSServer(nil) // for its certificate, of 127.0.0.1
	example.Close()
	key, err := x509.MarshalPKCS8PrivateKey(example.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	for name, b := range map[string][]byte{
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: example.Certificate().Raw}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"web.yaml": []byte(webConfig),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	h := hosttest.New(t, time.Now(), hosttest.Options(t))
	s, err := httpserve.New(httpserve.Options{Daemon: h, Gatherer: prometheus.NewRegistry(), Logger: zaptest.NewLogger(t), Listen: "127.0.0.1:0", WebFile: filepath.Join(dir, "web.yaml")})
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, s.Stop(ctx))
		require.NoError(t, <-served)
	})
	roots := x509.NewCertPool()
	roots.AddCert(example.Certificate())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	ask := func(scheme, user, password string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+"://"+s.Addr().String()+"/livez", nil)
		require.NoError(t, err)
		if user != "" {
			req.SetBasicAuth(user, password)
		}
		resp, err := client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Equal(t, http.StatusUnauthorized, ask("https", "", ""))
	require.Equal(t, http.StatusUnauthorized, ask("https", "watcher", "guessed"))
	require.Equal(t, http.StatusOK, ask("https", "watcher", "open sesame"))
	require.Equal(t, http.StatusBadRequest, ask("http", "watcher", "open sesame"), "without TLS nothing is answered")
}
