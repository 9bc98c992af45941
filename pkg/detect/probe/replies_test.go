package probe

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

var update = flag.Bool("update", false, "rewrite the expected facts in testdata/replies.txt")

// The golden table: one block a reply. The first line is
//
//	== what it shows | file in testdata/replies | key=value ...
//
// and the lines below are all the facts that must come out, no more and no less. Rewrite with
// -update only what you can explain.
const table = "testdata/replies.txt"

func TestReadHealthOfEveryKnownReply(t *testing.T) {
	blocks := readTable(t)
	used := map[string]bool{}
	var out strings.Builder
	for _, b := range blocks {
		t.Run(b.sentence, func(t *testing.T) {
			got := render(ReadHealth(b.reply(t)))
			fmt.Fprintf(&out, "%s\n%s\n", b.head, got)
			if !*update {
				require.Equal(t, b.want, got)
			}
		})
		used[b.file] = true
	}
	files, err := filepath.Glob("testdata/replies/*")
	require.NoError(t, err)
	for _, f := range files {
		require.True(t, used[filepath.Base(f)], "%s is in no row of %s", f, table)
	}
	if *update {
		require.NoError(t, os.WriteFile(table, []byte(out.String()), 0o644))
	}
}

type block struct{ head, sentence, file, args, want string }

func readTable(t *testing.T) []block {
	raw, err := os.ReadFile(table)
	require.NoError(t, err)
	var blocks []block
	for line := range strings.Lines(string(raw)) {
		if head, ok := strings.CutPrefix(line, "== "); ok {
			parts := strings.Split(strings.TrimSpace(head), "|")
			require.Len(t, parts, 3, line)
			blocks = append(blocks, block{
				head: strings.TrimSpace(line), sentence: strings.TrimSpace(parts[0]),
				file: strings.TrimSpace(parts[1]), args: strings.TrimSpace(parts[2]),
			})
			continue
		}
		if last := len(blocks) - 1; strings.TrimSpace(line) != "" {
			blocks[last].want += line
		}
	}
	require.NotEmpty(t, blocks)
	return blocks
}

func (b block) reply(t *testing.T) Reply {
	body, err := os.ReadFile(filepath.Join("testdata/replies", b.file))
	require.NoError(t, err)
	r := Reply{Body: body, At: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	for _, arg := range strings.Fields(b.args) {
		k, v, _ := strings.Cut(arg, "=")
		v = strings.ReplaceAll(v, "_", " ")
		switch k {
		case "status":
			r.Status, err = strconv.Atoi(v)
		case "type":
			r.ContentType = v
		case "retry-after":
			r.RetryAfter = v
		case "latency":
			r.Latency, err = time.ParseDuration(v)
		case "too-large":
			r.TooLarge = true
		case "no-body":
			r.NoBody = true
		case "ignored":
			r.Terms.Ignored = strings.Split(v, ",")
		case "required":
			r.Terms.Required = strings.Split(v, ",")
		case "teach":
			said, means, _ := strings.Cut(v, ":")
			r.Terms.Words = map[string]State{said: State(means)}
		case "outcome":
			r.Outcome = v
		case "error":
			r.Error = v
		default:
			t.Fatalf("unknown key %q in %q", k, b.head)
		}
		require.NoError(t, err)
	}
	return r
}

// render prints facts one a line, in order: numbers bare, words quoted, what was not measured
// after an exclamation mark.
func render(f detect.Facts) string {
	var b strings.Builder
	for _, n := range f.Names() {
		switch r := f[n]; {
		case r.Err != "":
			fmt.Fprintf(&b, "  %s ! %s\n", n, r.Err)
		case r.Text != "":
			fmt.Fprintf(&b, "  %s %q\n", n, r.Text)
		default:
			fmt.Fprintf(&b, "  %s %.5g\n", n, r.Value)
		}
	}
	return b.String()
}
