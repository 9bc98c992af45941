package acceptance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Real receivers from Debian's packages (scripts/bootstrap installs them), run by the test in the
// lab's network.
const (
	mailAddr         = "127.0.0.1:2525"
	alertmanagerAddr = "127.0.0.1:9093"
	alertHookAddr    = "127.0.0.1:7003"
	mailCA           = "/etc/recoveryd/mail-ca.pem"
)

// certificate makes a self-signed certificate for 127.0.0.1 as two PEM texts.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail of the lab"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &k.PublicKey, k)
	require.NoError(t, err)
	kb, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kb}))
}

// program finds a program of the host, or skips the test by its name.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("needs %s: run scripts/bootstrap", name)
	}
	return path
}

// background runs a program of the host in the lab's network until the test ends, and returns when
// the address accepts connections.
func (s *stage) background(addr string, argv ...string) {
	s.t.Helper()
	cmd := s.HostCommand(s.t.Context(), argv...)
	var out lockedText
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(s.t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		if s.t.Failed() {
			s.t.Logf("%s:\n%s", argv[0], out.String())
		}
	})
	s.eventually(30*time.Second, argv[0]+" listens", func() bool {
		c, err := s.DialContext(s.t.Context(), "tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// lockedText collects the output of a program.
type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *lockedText) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// mailServer starts aiosmtpd: an SMTP server that takes mail only after STARTTLS and delivers it
// into a Maildir. It returns a function that reads all mails, oldest first.
func (s *stage) mailServer(cert, key string) func() []received {
	s.t.Helper()
	dir := s.t.TempDir()
	for name, text := range map[string]string{"cert.pem": cert, "key.pem": key} {
		require.NoError(s.t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	box := filepath.Join(dir, "mail")
	s.background(mailAddr, "/usr/bin/python3", "-m", "aiosmtpd", "-n", "-l", mailAddr, "--tlscert", filepath.Join(dir, "cert.pem"),
		"--tlskey", filepath.Join(dir, "key.pem"), "-c", "aiosmtpd.handlers.Mailbox", box)
	return func() (all []received) {
		files, err := filepath.Glob(filepath.Join(box, "new", "*"))
		require.NoError(s.t, err)
		for _, f := range files {
			if m, ok := readMail(f); ok {
				all = append(all, m)
			}
		}
		slices.SortFunc(all, func(a, b received) int { return a.at.Compare(b.at) })
		return all
	}
}

// received is one mail as its reader sees it.
type received struct {
	mail.Header
	at   time.Time
	text string // the plain part
}

func readMail(path string) (m received, ok bool) {
	info, err := os.Stat(path)
	if err != nil {
		return m, false // it is being delivered
	}
	f, err := os.Open(path)
	if err != nil {
		return m, false
	}
	defer f.Close()
	msg, err := mail.ReadMessage(f)
	if err != nil {
		return m, false
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return m, false
	}
	part, err := multipart.NewReader(msg.Body, params["boundary"]).NextRawPart()
	if err != nil {
		return m, false
	}
	var b strings.Builder
	buf := make([]byte, 4096)
	for r := quotedprintable.NewReader(part); ; {
		n, err := r.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			break
		}
	}
	return received{Header: msg.Header, at: info.ModTime(), text: b.String()}, true
}

// alertHook records what a real Alertmanager tells its receiver: "firing codebase-mcp".
type alertHook struct {
	mu  sync.Mutex
	got []string
}

func (h *alertHook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Alerts []struct {
			Status string
			Labels map[string]string
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range in.Alerts {
		if line := a.Status + " " + a.Labels["target"]; !slices.Contains(h.got, line) {
			h.got = append(h.got, line)
		}
	}
}

func (h *alertHook) list() []string { h.mu.Lock(); defer h.mu.Unlock(); return slices.Clone(h.got) }

// alertmanager starts a real Alertmanager whose only receiver is the returned hook.
func (s *stage) alertmanager(path string) *alertHook {
	s.t.Helper()
	dir, hook := s.t.TempDir(), &alertHook{}
	s.serve(alertHookAddr, hook)
	conf := filepath.Join(dir, "alertmanager.yml")
	require.NoError(s.t, os.WriteFile(conf, []byte(`
route: {receiver: hook, group_by: [incident], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: hook, webhook_configs: [{url: "http://`+alertHookAddr+`/", send_resolved: true}]}]
`), 0o600))
	s.background(alertmanagerAddr, path, "--config.file="+conf, "--storage.path="+filepath.Join(dir, "data"), "--web.listen-address="+alertmanagerAddr,
		"--cluster.listen-address=", "--log.level=warn")
	return hook
}
