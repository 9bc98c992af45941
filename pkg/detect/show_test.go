package detect

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAReadingIsPrintedInTheUnitOfItsFact(t *testing.T) {
	for _, c := range []struct {
		fact string
		r    Reading
		want string
	}{
		{HTTPLatency, Num(1.2345), "1.2s"},
		{MemoryCurrent, Num(412 << 20), "412 MiB"},
		{PoolUtilization, Num(0.953), "95.3 %"},
		{DiskShare + "/var", Num(1), "100.0 %"},
		{SyntheticOK, Flag(false), "no"},
		{SyntheticOK, Flag(true), "yes"},
		{WorkloadState, Word("active"), "active"},
		{WorkloadDeparture, Word(""), `""`},
		{HTTPStatus, Num(503), "503"},
		{WorkloadPID, Num(123456), "123456"},
		{WorkloadSince, Num(1.5), "1970-01-01 00:00:01.500 UTC"},
		{HTTPError, Word("two\nlines"), "two lines"},
		{SQLUsed, NotMeasured("no connection"), "not measured: no connection"},
		{"no.such", Num(7), "7"},
		{"no.such", Word("word"), "word"},
		{HTTPLatency, Num(math.NaN()), "no number"},
	} {
		require.Equal(t, c.want, ShowReading(c.fact, c.r), c.fact)
	}
}
