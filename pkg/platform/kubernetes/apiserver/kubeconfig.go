package apiserver

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// Access is how an API server is reached, and as whom. Secrets in it are never printed by this package.
type Access struct {
	Server    *url.URL
	Namespace string // of the context; "" when it names none
	TLS       *tls.Config
	Proxy     *url.URL
	// Token is asked for each request, since tokens in files are renewed; "" means that the client's certificate is enough.
	Token func() (string, error)
	User  string // the name in the kubeconfig, for messages
}

// kubeconfig is the part of a kubeconfig that is used.
type kubeconfig struct {
	Current  string `json:"current-context"`
	Contexts []struct {
		Name    string
		Context struct{ Cluster, User, Namespace string }
	}
	Clusters []struct {
		Name    string
		Cluster struct {
			Server     string
			CAFile     string `json:"certificate-authority"`
			CAData     string `json:"certificate-authority-data"`
			ServerName string `json:"tls-server-name"`
			Proxy      string `json:"proxy-url"`
			Insecure   bool   `json:"insecure-skip-tls-verify"`
		}
	}
	Users []struct {
		Name string
		User struct {
			Token     string
			TokenFile string
			CertFile  string `json:"client-certificate"`
			CertData  string `json:"client-certificate-data"`
			KeyFile   string `json:"client-key"`
			KeyData   string `json:"client-key-data"`
			Username  string
			Exec      any
			Provider  any `json:"auth-provider"`
			As        string
		}
	}
}

// Load reads a kubeconfig. context names one of its contexts; "" means the current one. A user who is known by a program
// (exec) or a provider is refused: recoveryd runs no other program for a credential.
func Load(path, context string) (*Access, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	var k kubeconfig
	if err := yaml.Unmarshal(text, &k); err != nil {
		return nil, fmt.Errorf("the kubeconfig %s cannot be read: %w", path, errWithoutValues(err))
	}
	a, err := k.access(context, func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(filepath.Dir(path), p) // as kubectl does
	})
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig %s: %w", path, err)
	}
	return a, nil
}

// errWithoutValues keeps what a decoder quotes of the file out of messages: it may be a token.
func errWithoutValues(err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.IndexAny(text, "`\""); i >= 0 {
		text = strings.TrimRight(text[:i], " :")
	}
	return errors.New(text)
}

func (k *kubeconfig) access(context string, file func(string) string) (*Access, error) {
	if context == "" {
		context = k.Current
	}
	if context == "" {
		return nil, errors.New("it has no current-context: name one with --context")
	}
	names := []string{}
	for _, c := range k.Contexts {
		if names = append(names, c.Name); c.Name != context {
			continue
		}
		a := &Access{Namespace: c.Context.Namespace, User: c.Context.User, TLS: &tls.Config{MinVersion: tls.VersionTLS12}, Token: func() (string, error) { return "", nil }}
		if err := k.cluster(a, c.Context.Cluster, file); err != nil {
			return nil, err
		}
		return a, k.user(a, c.Context.User, file)
	}
	return nil, fmt.Errorf("it has no context %q (it has: %s)", context, strings.Join(names, ", "))
}

func (k *kubeconfig) cluster(a *Access, name string, file func(string) string) error {
	for _, c := range k.Clusters {
		if c.Name != name {
			continue
		}
		var err error
		if a.Server, err = url.Parse(c.Cluster.Server); err != nil || a.Server.Host == "" || a.Server.Scheme != "https" {
			return fmt.Errorf("the server of cluster %q is no https address", name)
		}
		if c.Cluster.Insecure {
			return fmt.Errorf("cluster %q has insecure-skip-tls-verify, and a token would go to whoever answers: give its certificate-authority", name)
		}
		if c.Cluster.Proxy != "" {
			if a.Proxy, err = url.Parse(c.Cluster.Proxy); err != nil {
				return fmt.Errorf("the proxy-url of cluster %q cannot be read", name)
			}
		}
		a.TLS.ServerName = c.Cluster.ServerName
		roots, err := data(c.Cluster.CAData, file(c.Cluster.CAFile), "certificate-authority")
		if err != nil || roots == nil {
			return err // none: the system's
		}
		a.TLS.RootCAs = x509.NewCertPool()
		if !a.TLS.RootCAs.AppendCertsFromPEM(roots) {
			return fmt.Errorf("the certificate-authority of cluster %q is no certificate in PEM", name)
		}
		return nil
	}
	return fmt.Errorf("it has no cluster %q", name)
}

func (k *kubeconfig) user(a *Access, name string, file func(string) string) error {
	for _, c := range k.Users {
		if c.Name != name {
			continue
		}
		u := c.User
		switch {
		case u.Exec != nil || u.Provider != nil:
			return fmt.Errorf("user %q gets its credential by a program (exec), and recoveryd runs none: make a ServiceAccount, and a kubeconfig with its token", name)
		case u.Username != "":
			return fmt.Errorf("user %q has a password, which API servers do not take any more: use a token", name)
		case u.As != "":
			return fmt.Errorf("user %q acts as another (as), which is not supported", name)
		case u.TokenFile != "":
			path := file(u.TokenFile)
			a.Token = func() (string, error) {
				text, err := os.ReadFile(path)
				if err != nil {
					return "", fmt.Errorf("read the token: %w", err)
				}
				return strings.TrimSpace(string(text)), nil
			}
		case u.Token != "":
			a.Token = func() (string, error) { return u.Token, nil }
		}
		cert, err := data(u.CertData, file(u.CertFile), "client-certificate")
		if err != nil {
			return err
		}
		key, err := data(u.KeyData, file(u.KeyFile), "client-key")
		if err != nil {
			return err
		}
		if cert == nil && key == nil {
			return nil
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("the client-certificate and client-key of user %q do not belong together or cannot be read", name)
		}
		a.TLS.Certificates = []tls.Certificate{pair}
		return nil
	}
	return fmt.Errorf("it has no user %q", name)
}

// data is what stands in the file itself, in base64, or in another one; nil when neither is named.
func data(inline, path, what string) ([]byte, error) {
	if inline != "" {
		text, err := base64.StdEncoding.DecodeString(inline)
		if err != nil {
			return nil, fmt.Errorf("%s-data is not base64", what)
		}
		return text, nil
	}
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", what, err)
	}
	return text, nil
}
