package doctor

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/exporter-toolkit/web"
)

// soonOver is how long before its end a certificate is warned of: certificates that renew themselves are renewed
// a month before.
const soonOver = 14 * 24 * time.Hour

// ownPage looks at the TLS and the passwords of the status page. recoveryd does not start with a file that cannot
// be used; with a certificate that is over it starts, and no browser and no Prometheus reads it.
func (o Options) ownPage(n *notes, now time.Time) {
	file := o.Config.HTTP.WebConfigFile
	if file == "" {
		return
	}
	if err := web.Validate(file); err != nil {
		n.add("http", file, Fail, "mend it: recoveryd does not start with it", "http.web_config_file cannot be used: %v", err)
		return
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return // it was readable a moment ago
	}
	var c struct {
		TLS struct {
			Cert string `yaml:"cert_file"`
		} `yaml:"tls_server_config"`
	}
	if err := yaml.Unmarshal(b, &c); err != nil || c.TLS.Cert == "" {
		return
	}
	cert := c.TLS.Cert
	if !filepath.IsAbs(cert) {
		cert = filepath.Join(filepath.Dir(file), cert)
	}
	if b, err = os.ReadFile(cert); err != nil {
		return
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return
	}
	x, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return
	}
	const renew = "renew it: the new one is taken at once, without a restart"
	switch end := x.NotAfter.UTC().Format("2006-01-02 15:04 MST"); {
	case !now.Before(x.NotAfter):
		n.add("http", cert, Warn, renew, "the certificate of the status page is over since %s: whoever checks it reads neither page nor metrics", end)
	case now.Before(x.NotBefore):
		n.add("http", cert, Warn, "look at the clock of this host, and at the certificate", "the certificate of the status page is valid from %s on only", x.NotBefore.UTC().Format("2006-01-02 15:04 MST"))
	case x.NotAfter.Sub(now) < soonOver:
		n.add("http", cert, Warn, renew, "the certificate of the status page is over on %s", end)
	default:
		n.ok("http", cert, "the certificate of the status page is valid until %s", end)
	}
}
