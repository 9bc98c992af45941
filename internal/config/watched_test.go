package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestACanaryIsNotSentToThePublic(t *testing.T) {
	calm(t)
	k := known()
	k.NotifierTypes = append(k.NotifierTypes, "statuspage")
	_, err := Parse("c.yaml", []byte(`version: 1
targets: [{name: db, kind: postgres, unit: postgresql@15-main.service, postgres: {dsn: host=/run/postgresql}}]
notifiers: [{name: public, type: statuspage}]
canary: {every: 1d, channels: [public]}
`), k)
	require.ErrorContains(t, err, "c.yaml:4:32: canary.channels[0]: is read by outsiders")
	require.ErrorContains(t, err, "recoveryd notify test --channel public")
}
