package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlacesAreEverythingThatIsReadBesidesTheFile(t *testing.T) {
	known := Known{NotifierTypes: []string{"webhook"}, Platforms: platforms()[:1], WithoutSecrets: true}
	c, err := Parse("x.yaml", []byte(`
version: 1
http: {listen: 127.0.0.1:9465, web_config_file: /etc/recoveryd/web.yaml}
targets:
  - name: web
    kind: service
    unit: web.service
    depends_on: [db]
    health:
      - url: https://127.0.0.1:8000/health
        ca_file: /etc/recoveryd/ca.pem
        bearer_token_file: /etc/recoveryd/web.token
        headers: [{name: X-Key, value_env: WEB_KEY}, {name: X-Probe, value: recoveryd}]
  - name: db
    kind: postgres
    unit: postgresql@15-main.service
    postgres: {dsn_credential: db.dsn}
notifiers:
  - {name: a, type: webhook, url_file: /etc/recoveryd/hook.url, headers: [{name: X, value_credential: hook}]}
  - {name: b, type: webhook, url_file: /etc/recoveryd/hook.url}
heartbeat: {url_env: BEAT}
`), known)
	require.NoError(t, err)
	require.Equal(t, Places{
		Secrets:     []string{"/etc/recoveryd/hook.url", "/etc/recoveryd/web.token"},
		Files:       []string{"/etc/recoveryd/ca.pem", "/etc/recoveryd/web.yaml"},
		Credentials: []string{"db.dsn", "hook"},
		Variables:   []string{"BEAT", "WEB_KEY"},
	}, c.Places())
}
