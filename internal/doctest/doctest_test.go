package doctest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const page = "# The `command` line, 2nd\n" +
	"\n## Twice\n## Twice\n" +
	"See [this](other.md#a-b), ![that](images/x.png) and [them](https://example.org/).\n" +
	"<a id=\"own\"></a>Use `recoveryd hold TARGET [--for D]`, `sudo recoveryd check` or `make sim`.\n" +
	"\n```\n$ sudo -u recoveryd recoveryd check -o json | jq '.[0]'\nrecoveryd: this is output\n```\n" +
	"\n```\nrecoveryd hold a \\\n  --why 'two words' && make build\n```\n" +
	"\n```\nrecoveryd notify test (--channel NAME | --all)\n```\n" +
	"\n```bash\n# recoveryd hold in a comment of shell would be a prompt\n```\n" +
	"\n```yaml prometheus\nx: 1\n```\n"

func TestAPageIsReadAsGitHubShowsIt(t *testing.T) {
	p := Parse("docs/p.md", []byte(page))
	require.Equal(t, map[string]bool{"the-command-line-2nd": true, "twice": true, "twice-1": true, "own": true}, p.Anchors)
	require.Equal(t, []Text{{"other.md#a-b", "docs/p.md:5"}, {"images/x.png", "docs/p.md:5"}, {"https://example.org/", "docs/p.md:5"}}, p.Links)
	last := p.Blocks[len(p.Blocks)-1]
	require.Equal(t, Block{Path: "docs/p.md", Line: last.Line, Info: "yaml prometheus", Code: "x: 1\n"}, last)
	require.Equal(t, "yaml", last.Lang())
}

func TestWhatAPageRunsIsFoundInBlocksAndSentences(t *testing.T) {
	calls, err := Parse("docs/p.md", []byte(page)).Calls("recoveryd", "make")
	require.NoError(t, err)
	require.Equal(t, []Call{
		{[]string{"recoveryd", "check", "-o", "json"}, "docs/p.md:9", true},
		{[]string{"recoveryd", "hold", "a", "--why", "two words"}, "docs/p.md:14", true},
		{[]string{"make", "build"}, "docs/p.md:14", true},
		{[]string{"recoveryd", "hold", "in", "a", "comment", "of", "shell", "would", "be", "a", "prompt"}, "docs/p.md:23", true},
		{[]string{"recoveryd", "hold", "TARGET", "--for", "D"}, "docs/p.md:6", false},
		{[]string{"recoveryd", "check"}, "docs/p.md:6", false},
		{[]string{"make", "sim"}, "docs/p.md:6", false},
	}, calls)
}

func TestABlockOfBrokenShellIsReported(t *testing.T) {
	_, err := Parse("p.md", []byte("```bash\nrecoveryd hold 'a\n```\n")).Calls("recoveryd")
	require.ErrorContains(t, err, "p.md:2")
}

func TestDeadLinksAreFound(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.md": "# A\n[b](b.md#b) [no](c.md) [no](b.md#c) [self](#a) [out](../x) [web](http://x/y)", "b.md": "# B\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	pages, err := Read(dir)
	require.NoError(t, err)
	require.Equal(t, []string{
		`a.md:2: "c.md" leads to c.md, which is not there`,
		`a.md:2: "b.md#c": there is no heading #c in b.md`,
		`a.md:2: "../x" leads to ../x, which is not there`,
	}, DeadLinks(dir, pages))
}
