package report

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSpansAreWrittenForPeople(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", -time.Second: "0s", 304 * time.Millisecond: "304ms", 1512 * time.Millisecond: "1.5s", 59 * time.Second: "59s",
		5 * time.Minute: "5m", 5*time.Minute + 2*time.Second: "5m2s", 10 * time.Minute: "10m", time.Hour: "1h", 2*time.Hour + 5*time.Minute + 9*time.Second: "2h5m",
		20 * time.Hour: "20h", 49 * time.Hour: "2d1h", 48 * time.Hour: "2d", 230 * time.Hour: "9d14h",
	} {
		require.Equal(t, want, span(d))
	}
}
