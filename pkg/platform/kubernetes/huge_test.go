package kubernetes

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A whole cluster in one file: 600 workloads of five pods, all crashing, with an event for each pod. What grows with the
// square of it would take minutes.
func TestAHugeManifestIsJudged(t *testing.T) {
	text, err := os.ReadFile("testdata/crash-loop-all-pods.yaml")
	require.NoError(t, err)
	copies := 600
	if testing.Short() {
		copies = 60
	}
	var all bytes.Buffer
	for i := range copies {
		doc := strings.ReplaceAll(string(text), "namespace: ns", fmt.Sprintf("namespace: ns-%d", i%50))
		doc = strings.ReplaceAll(strings.ReplaceAll(doc, "name: web", fmt.Sprintf("name: w%d", i)), "app: web", fmt.Sprintf("app: w%d", i))
		doc = strings.ReplaceAll(doc, "uid: d1", fmt.Sprintf("uid: d%d", i))
		fmt.Fprintf(&all, "%s\n---\n", doc)
		fmt.Fprintf(&all, "apiVersion: v1\nkind: Service\nmetadata: {name: w%d, namespace: ns-%d}\nspec: {selector: {app: w%d}}\n---\n", i, i%50, i)
		for pod := range 5 {
			fmt.Fprintf(&all, "apiVersion: v1\nkind: Event\nmetadata: {name: e%d-%d, namespace: ns-%d}\ninvolvedObject: {kind: Pod, name: w%d-aa-%d, namespace: ns-%d}\nreason: BackOff\nmessage: Back-off restarting failed container\n---\n", i, pod, i%50, i, pod, i%50)
		}
	}
	var o Objects
	require.NoError(t, o.Read("huge", bytes.NewReader(all.Bytes())))
	list := Judge(&o, time.Time{})
	require.Len(t, list, copies)
	for _, j := range list {
		require.Equal(t, ClassCrashLoop, j.Class, "%s: %s", j.Target, j.Because)
	}
}
