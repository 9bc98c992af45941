package probe

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestFactsFromError(t *testing.T) {
	dialErr := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8000}, Err: os.NewSyscallError("connect", err)}
	}
	readErr := func(err error) error { return &net.OpError{Op: "read", Net: "tcp", Err: err} }
	for _, c := range []struct {
		name          string
		err           error
		outcome, says string
	}{
		{"no error", nil, "", ""},
		{"refused", dialErr(syscall.ECONNREFUSED), detect.OutcomeRefused, "refused by 127.0.0.1:8000"},
		{"no answer to the connection request", dialErr(syscall.ETIMEDOUT), detect.OutcomeConnect, "no answer to the connection request from 127.0.0.1:8000"},
		{"the deadline passed while connecting", &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}, detect.OutcomeConnect, "no answer to the connection request"},
		{"no route", dialErr(syscall.EHOSTUNREACH), detect.OutcomeConnect, "no way to 127.0.0.1:8000"},
		{"a firewall of our own host", dialErr(syscall.EPERM), "", "not permitted"},
		{"we are out of descriptors", dialErr(syscall.EMFILE), "", "our own side"},
		{"we are out of ports", dialErr(syscall.EADDRNOTAVAIL), "", "our own side"},
		{"accepted and no reply", readErr(os.ErrDeadlineExceeded), detect.OutcomeNoReply, "accepted"},
		{"accepted and no reply, by context", context.DeadlineExceeded, detect.OutcomeNoReply, "accepted"},
		{"reset", readErr(syscall.ECONNRESET), detect.OutcomeReset, "reset"},
		{"closed", io.ErrUnexpectedEOF, detect.OutcomeReset, "closed"},
		{"a broken pipe while asking", &net.OpError{Op: "write", Err: syscall.EPIPE}, detect.OutcomeReset, "reset"},
		{"no such name", &net.OpError{Op: "dial", Err: &net.DNSError{Name: "db.example", IsNotFound: true}}, detect.OutcomeDNS, `"db.example" could not be resolved: no such host`},
		{"a silent name server", &net.DNSError{Name: "db.example", IsTimeout: true}, detect.OutcomeDNS, "did not answer in time"},
		{"https asked of plain http", &url.Error{Op: "Get", URL: "https://u:hunter2@h/", Err: http.ErrSchemeMismatch}, detect.OutcomeTLS, "plain http"},
		{"called off", fmt.Errorf("get: %w", context.Canceled), "", "called off"},
		{"anything else keeps only its core", &url.Error{Op: "Get", URL: "http://u:hunter2@h/?token=hunter2", Err: errors.New("odd: password=hunter2")}, "", "odd"},
		{"a missing unix socket", &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.ENOENT)}, detect.OutcomeRefused, "no socket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			outcome, says := FactsFromError(c.err)
			require.Equal(t, c.outcome, outcome, says)
			require.Contains(t, says, c.says)
			require.NotContains(t, says, "hunter2")
			require.Equal(t, c.err == nil, says == "")
		})
	}
}

func TestAUnixSocketWithAFullBacklogIsNotRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer syscall.Close(fd) //nolint:errcheck // end of the test
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))
	require.NoError(t, syscall.Listen(fd, 0))
	for range 10 { // fill the backlog; nobody accepts
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		cancel()
		if err == nil {
			defer c.Close() //nolint:errcheck // end of the test
			continue
		}
		outcome, says := FactsFromError(err)
		require.Equal(t, detect.OutcomeNoReply, outcome, says)
		require.Contains(t, says, "nobody accepts")
		return
	}
	t.Fatal("the backlog never filled")
}

func TestSecretsDoNotPrint(t *testing.T) {
	e := Endpoint{URL: "http://h/", Bearer: "hunter2"}
	c := RedisConfig{Password: "hunter2"}
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s", e, e, e, e.Bearer), fmt.Sprintf("%+v %#v", c, c)} {
		require.NotContains(t, s, "hunter2")
	}
}
