package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/console"
)

// manualDir is where scripts/package wants the manual pages and completions; a test run writes them
// to a directory that goes away. They are made here, and not by the program, so that no program
// which is installed carries a generator.
var manualDir = flag.String("manual", "", "write the manual pages and shell completions to this directory")

func TestEveryCommandHasAManualPageAndEveryShellItsCompletion(t *testing.T) {
	dir := *manualDir
	if dir == "" {
		dir = t.TempDir()
	}
	t.Setenv("SUDO_USER", "a-builder-nobody-knows")
	root := newRoot(&bytes.Buffer{}, &bytes.Buffer{})
	root.DisableAutoGenTag = true
	root.Version = "" // one page less to change with each build
	// The date in the pages comes from SOURCE_DATE_EPOCH, if it is set.
	require.NoError(t, doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "recoveryd", Manual: "recoveryd"}, dir))
	seen := 0
	walk(root, func(c *cobra.Command) {
		page, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
		require.NoError(t, err)
		require.Contains(t, string(page), strings.SplitN(c.Short, "-", 2)[0][:4], c.CommandPath())
		namesWhatIsInstalled(t, string(page))
		seen++
	})
	require.Greater(t, seen, 10)

	reference, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	page := md2man.Render(append([]byte("% recoveryd.yaml 5 \"\" recoveryd recoveryd\n# NAME\nrecoveryd.yaml - configuration of recoveryd\n\n"), manual(reference)...))
	for _, want := range []string{".TH recoveryd.yaml 5", "targets[].health[]", "connect_timeout", "default"} {
		require.Contains(t, strings.ReplaceAll(string(page), "\\", ""), want)
	}
	require.NotContains(t, string(page), "| ")
	namesWhatIsInstalled(t, string(page))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "recoveryd.yaml.5"), page, 0o644))

	for name, write := range map[string]func(string) error{
		"recoveryd.bash": func(f string) error { return root.GenBashCompletionFileV2(f, true) },
		"_recoveryd":     root.GenZshCompletionFile,
		"recoveryd.fish": func(f string) error { return root.GenFishCompletionFile(f, true) },
	} {
		file := filepath.Join(dir, name)
		require.NoError(t, write(file))
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(text), "__complete", "it asks the program itself for names of targets and incidents")
	}
}

// ofTheRepository finds names of files that only somebody with the sources has.
var ofTheRepository = regexp.MustCompile(`(^|[^/\w])(configs|docs|deploy|scripts|internal|pkg)/\w+`)

// namesWhatIsInstalled wants every file that a page names to be where a package puts it, and nothing in it
// that depends on who built it.
func namesWhatIsInstalled(t *testing.T, page string) {
	t.Helper()
	require.Empty(t, ofTheRepository.FindAllString(page, -1))
	require.NotContains(t, page, console.Caller())
}

// installed says where the package puts what the reference names by its place in the sources.
var installed = strings.NewReplacer("configs/recoveryd.schema.json", "/usr/share/recoveryd/recoveryd.schema.json",
	"configs/", "/usr/share/doc/recoveryd/examples/", "docs/", "/usr/share/doc/recoveryd/docs/")

// walk visits the commands that a person sees.
func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && !sub.IsAdditionalHelpTopicCommand() {
			walk(sub, visit)
		}
	}
}

// manual turns the reference into what a manual page can show in 80 columns: the tables of keys
// become lists, and the comment and the targets of links are left out.
func manual(reference []byte) []byte {
	var out bytes.Buffer
	keys := false
	for line := range strings.Lines(string(reference)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		switch {
		case strings.HasPrefix(line, "<!--"):
			continue
		case strings.HasPrefix(line, "| Key | Type |"):
			keys = true
			continue
		case !strings.HasPrefix(line, "|"):
			keys = false
		case keys && strings.HasPrefix(line, "|---"):
			continue
		case keys && len(cells) == 5:
			key, kind, bounds, preset, effect := cells[0], cells[1], cells[2], cells[3], cells[4]
			about := strings.TrimSpace(kind)
			if b := strings.TrimSpace(bounds); b != "" {
				about += "; " + b
			}
			switch p := strings.TrimSpace(preset); p {
			case "", "see there":
			case "**required**":
				about += "; required"
			default:
				about += "; default " + p
			}
			line = "\n**" + strings.Trim(key, " `") + "**\n: " + about + ".\n  " + strings.TrimSpace(effect) + "\n"
		}
		out.WriteString(installed.Replace(withoutLinks(line)))
	}
	return out.Bytes()
}

// withoutLinks replaces [text](target) by text.
func withoutLinks(line string) string {
	for {
		mid := strings.Index(line, "](")
		if mid < 0 {
			return line
		}
		from, to := strings.LastIndexByte(line[:mid], '['), strings.IndexByte(line[mid:], ')')
		if from < 0 || to < 0 {
			return line
		}
		line = line[:from] + line[from+1:mid] + line[mid+to+1:]
	}
}
