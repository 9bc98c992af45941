package strictyaml

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDurationIsWrittenAsPeopleDo(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "5s": 5 * time.Second, "500ms": 500 * time.Millisecond, "1h30m": 90 * time.Minute,
		"2d": 48 * time.Hour, "1w": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour, "1.5s": 1500 * time.Millisecond,
		"10us": 10 * time.Microsecond, "10µs": 10 * time.Microsecond, "3ns": 3,
	} {
		got, err := parseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "5", "s", "-5s", "+5s", "5 s", "5S", "5sec", "1..5s", "5s5", "1e3s", "9999999w", "∞", "5s "} {
		_, err := parseDuration(text)
		require.Error(t, err, "%q", text)
	}
}

func TestDurationIsPrintedShortly(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "5s": 5 * time.Second, "5m": 5 * time.Minute, "1h": time.Hour, "1h30m": 90 * time.Minute,
		"1d": Day, "2d12h": 60 * time.Hour, "1m30s": 90 * time.Second, "500ms": 500 * time.Millisecond, "1h0m5s": time.Hour + 5*time.Second,
	} {
		require.Equal(t, want, WriteDuration(d))
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(1000*Day)).Draw(t, "d")).Round(time.Microsecond)
		back, err := parseDuration(WriteDuration(d))
		require.NoError(t, err)
		require.Equal(t, d, back, "what is printed is read back as the same")
	})
}

func TestSizeHasUnits(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1024": 1024, "1B": 1, "512MiB": 512 << 20, "2GiB": 2 << 30, "1.5GiB": 3 << 29, "500MB": 500_000_000,
		"4G": 4 << 30, "64k": 64 << 10, "1kB": 1000, "1KB": 1000, "1TiB": 1 << 40, "2 GiB": 2 << 30, "1gib": 1 << 30,
	} {
		got, err := parseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "GiB", "-1", "1PiB", "lots", "1..5G", "99999999999TiB", "1 Gi B"} {
		_, err := parseSize(text)
		require.Error(t, err, "%q", text)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := Size(rapid.Uint64Range(0, 1<<52).Draw(t, "s"))
		back, err := parseSize(s.String())
		require.NoError(t, err)
		require.Equal(t, s, back, "what is printed is read back as the same")
	})
}
