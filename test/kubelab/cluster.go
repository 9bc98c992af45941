package kubelab

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// startTimeout bounds a start. It takes 5 seconds on idle machines; with other jobs beside it has taken 20.
const startTimeout = 2 * time.Minute

// stages say what kwok makes of nodes and pods.
//
//go:embed stages.yaml
var stages []byte

// Options says how a cluster is started. The zero value is fine.
type Options struct {
	// Progress gets a line now and then while the program is built, which happens once on a machine; nil means nobody.
	Progress io.Writer
	// Dir is where the cluster keeps its files, 130 MB; it must not exist. Empty means a temporary directory.
	Dir string
	// APIServer and Controllers are more arguments of these programs, such as "--node-monitor-grace-period=20s".
	APIServer, Controllers []string
}

// Cluster is a running control plane with no nodes; see [Cluster.Node]. Its methods are safe for concurrent use, except Stop.
type Cluster struct {
	Server     string // https://127.0.0.1:PORT
	Token      string // of a user who may do everything
	Kubeconfig string // path of a kubeconfig for that user
	Dir        string // files, logs

	client    *http.Client
	processes []*process // in the order of their start
}

// Start starts a cluster on loopback and returns when its controllers work. The caller must call Stop; when the calling
// process dies first, the kernel ends the cluster, and its directory stays.
func Start(ctx context.Context, opts Options) (_ *Cluster, err error) {
	if opts.Progress == nil {
		opts.Progress = io.Discard
	}
	binary, err := Binary(ctx, opts.Progress)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("kubelab was not ready after %s", startTimeout))
	defer cancel()
	if opts.Dir == "" {
		if opts.Dir, err = os.MkdirTemp("", "kubelab-"); err != nil {
			return nil, err
		}
	} else if opts.Dir, err = filepath.Abs(opts.Dir); err != nil {
		return nil, err
	} else if err := os.Mkdir(opts.Dir, 0o700); err != nil {
		return nil, err
	}
	c := &Cluster{Dir: opts.Dir}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start kubelab: %w", err), c.Stop())
		}
	}()
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	if err := c.writeFiles(ports[0]); err != nil {
		return nil, err
	}
	etcdURL, peerURL := fmt.Sprintf("http://127.0.0.1:%d", ports[1]), fmt.Sprintf("http://127.0.0.1:%d", ports[2])
	if err := c.run(binary, etcd, "--data-dir", "etcd", "--unsafe-no-fsync", "--listen-client-urls", etcdURL, "--advertise-client-urls", etcdURL,
		"--listen-peer-urls", peerURL, "--initial-advertise-peer-urls", peerURL, "--initial-cluster", "default="+peerURL); err != nil {
		return nil, err
	}
	if err := c.run(binary, apiServer, append([]string{"--etcd-servers=" + etcdURL, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[0]),
		"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", "--cert-dir=certs", "--service-cluster-ip-range=10.96.0.0/16",
		"--authorization-mode=Node,RBAC", "--token-auth-file=tokens.csv", "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=sa.pub", "--service-account-signing-key-file=sa.key", "--allow-privileged=true"}, opts.APIServer...)...); err != nil {
		return nil, err
	}
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	if err := c.run(binary, controllers, append([]string{"--kubeconfig=kubeconfig", "--leader-elect=false", "--secure-port=0", "--cert-dir=certs",
		"--service-account-private-key-file=sa.key"}, opts.Controllers...)...); err != nil {
		return nil, err
	}
	if err := c.run(binary, scheduler, "--kubeconfig=kubeconfig", "--leader-elect=false", "--secure-port=0", "--cert-dir=certs"); err != nil {
		return nil, err
	}
	if err := c.run(binary, kwok, "--kubeconfig=kubeconfig", "--config=stages.yaml", "--manage-all-nodes=false",
		"--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake", "--node-lease-duration-seconds=40", "--cidr=10.244.0.0/16", "--node-ip=10.0.0.1"); err != nil {
		return nil, err
	}
	// The default ServiceAccount is made by a controller: they work.
	return c, c.Wait(ctx, func() bool { return c.Get(ctx, "/api/v1/namespaces/default/serviceaccounts/default", nil) == nil })
}

// Stop ends the cluster and removes its files. A second call does nothing.
func (c *Cluster) Stop() error {
	for i := len(c.processes) - 1; i >= 0; i-- {
		c.processes[i].kill()
	}
	c.processes = nil
	return os.RemoveAll(c.Dir)
}

// Pause stops the controller manager from running, as if it hung, until Resume.
func (c *Cluster) Pause() { c.signal(controllers, syscall.SIGSTOP) }

// Resume lets the controller manager run again.
func (c *Cluster) Resume() { c.signal(controllers, syscall.SIGCONT) }

func (c *Cluster) signal(name component, sig syscall.Signal) {
	for _, p := range c.processes {
		if p.name == name {
			_ = syscall.Kill(p.pid, sig)
		}
	}
}

// writeFiles makes the keys, the token and the kubeconfig.
func (c *Cluster) writeFiles(port int) error {
	c.Server, c.Kubeconfig = fmt.Sprintf("https://127.0.0.1:%d", port), filepath.Join(c.Dir, "kubeconfig")
	token := make([]byte, 16)
	if _, err := rand.Read(token); err != nil {
		return err
	}
	c.Token = hex.EncodeToString(token)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	kubeconfig := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: kubelab, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: admin, user: {token: %q}}]
contexts: [{name: kubelab, context: {cluster: kubelab, user: admin}}]
current-context: kubelab
`, c.Server, c.certificate(), c.Token)
	for name, text := range map[string][]byte{
		"sa.key":      pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		"sa.pub":      pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		"tokens.csv":  []byte(c.Token + ",admin,admin,system:masters\n"),
		"kubeconfig":  []byte(kubeconfig),
		"stages.yaml": stages,
	} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// certificate is the API server's own, which it makes at its start.
func (c *Cluster) certificate() string { return filepath.Join(c.Dir, "certs", "apiserver.crt") }

func (c *Cluster) run(binary string, name component, args ...string) error {
	p, err := startProcess(binary, name, c.Dir, args...)
	if err == nil {
		c.processes = append(c.processes, p)
	}
	return err
}

// connect waits until the API server is ready.
func (c *Cluster) connect(ctx context.Context) error {
	if err := c.Wait(ctx, func() bool { return exists(c.certificate()) }); err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if err := c.Wait(ctx, func() bool {
		text, err := os.ReadFile(c.certificate())
		return err == nil && roots.AppendCertsFromPEM(text)
	}); err != nil {
		return err
	}
	c.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}}
	return c.Wait(ctx, func() bool { return c.Get(ctx, "/readyz", nil) == nil })
}

// Wait asks ten times a second until the answer is yes, the context ends or a component has ended.
func (c *Cluster) Wait(ctx context.Context, ready func() bool) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		for _, p := range c.processes {
			if p.ended() {
				return p.words()
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

func logPath(dir string, name component) string { return filepath.Join(dir, string(name)+".log") }

// freePorts finds ports on loopback that nobody holds at this moment.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
