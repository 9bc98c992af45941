package procview

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// view serves a process table of its own: process 7, with more files than may be told.
func view(t *testing.T) (socket string) {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "7", "task"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(root, "self"), 0o755))
	for _, name := range append(Names(), "environ", "cmdline", "maps") {
		require.NoError(t, os.WriteFile(filepath.Join(root, "7", name), []byte(name+" of 7"), 0o644))
	}
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unixpacket", socket)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, root) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return socket
}

func TestTheViewTellsTheFilesOfTheListAndNothingElse(t *testing.T) {
	socket := view(t)
	for _, name := range Names() {
		b, err := ask(socket, "7 "+name)
		require.NoError(t, err)
		require.Equal(t, name+" of 7", string(b))
	}
	b, err := ask(socket, "7 "+ownerName)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(os.Getuid()), string(b))
	b, err = ask(socket, listName)
	require.NoError(t, err)
	require.Equal(t, "7 ", string(b))
	for _, question := range []string{
		"7 environ", "7 cmdline", "7 maps", "7 task", "7 ", "7", "", "8 stat", "self stat", "0 stat", "07 stat", "-7 stat", "+7 stat",
		"7 ../7/stat", "7/../7 stat", "../7 stat", "7  stat", "7 stat\n", "7 stat/", "99999999999999999999 stat",
	} {
		_, err := ask(socket, question)
		require.ErrorIs(t, err, fs.ErrNotExist, "%q", question)
	}
}

func TestWithoutAViewTheErrorIsThatOfTheProcessTable(t *testing.T) {
	_, err := ask(filepath.Join(t.TempDir(), "none"), "7 stat")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Read(1<<22-1, "stat")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "/proc/4194303/stat")
}

func TestAProcessThatIsNotHiddenIsReadWithoutAsking(t *testing.T) {
	b, err := Read(os.Getpid(), "comm")
	require.NoError(t, err)
	require.Equal(t, "procview.test\n", string(b))
	pids, err := Processes()
	require.NoError(t, err)
	require.Contains(t, pids, os.Getpid())
}

func TestManyAskAtTheSameTime(t *testing.T) {
	socket := view(t)
	answers := make(chan string, 200)
	for range cap(answers) {
		go func() {
			b, err := ask(socket, "7 stat")
			if err != nil {
				b = []byte(err.Error())
			}
			answers <- string(b)
		}()
	}
	for range cap(answers) {
		require.Equal(t, "stat of 7", <-answers)
	}
}

func BenchmarkAsk(b *testing.B) {
	socket := filepath.Join(b.TempDir(), "s")
	l, err := net.Listen("unixpacket", socket)
	require.NoError(b, err)
	go func() { _ = Serve(b.Context(), l, "/proc") }() // ends with the benchmark
	question := strconv.Itoa(os.Getpid()) + " stat"
	for b.Loop() {
		if _, err := ask(socket, question); err != nil {
			b.Fatal(err)
		}
	}
}
