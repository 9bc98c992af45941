package systemd

import (
	"context"
	"errors"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestOutcomeOfErrors(t *testing.T) {
	tests := []struct {
		name       string
		err        error
		sent       bool
		want       platform.Result
		permission bool
	}{
		{"polkit's rule says no", dbus.Error{Name: "org.freedesktop.DBus.Error.AccessDenied"}, true, platform.Failed, true},
		{"polkit would ask a person", dbus.Error{Name: "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"}, true, platform.Failed, true},
		{"no such unit", dbus.Error{Name: "org.freedesktop.systemd1.NoSuchUnit"}, true, platform.Failed, false},
		{"masked", dbus.Error{Name: "org.freedesktop.systemd1.UnitMasked"}, true, platform.Failed, false},
		{"bus without systemd", dbus.Error{Name: "org.freedesktop.DBus.Error.ServiceUnknown"}, true, platform.Failed, false},
		{"the bus gave up waiting", dbus.Error{Name: "org.freedesktop.DBus.Error.NoReply"}, true, platform.Unknown, false},
		{"the connection broke after the call", dbus.ErrClosed, true, platform.Unknown, false},
		{"the connection broke before the call", dbus.ErrClosed, false, platform.Failed, false},
		{"no connection could be had in time", context.DeadlineExceeded, false, platform.Failed, false},
		{"the caller went away", context.Canceled, true, platform.Unknown, false},
		{"an error that nobody has heard of", dbus.Error{Name: "org.example.Strange"}, true, platform.Failed, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rep, err := outcome(t.Context(), strategy.Action{Verb: strategy.Restart, Object: "a.service"}, "restart", tt.err, tt.sent)
			require.Equal(t, tt.want, rep.Result)
			require.NotEmpty(t, rep.Detail)
			require.Equal(t, tt.permission, errors.Is(err, platform.ErrPermission))
			require.ErrorContains(t, err, "a.service")
		})
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errActionTimeout)
	rep, _ := outcome(ctx, strategy.Action{Verb: strategy.Restart, Object: "a.service"}, "restart", context.DeadlineExceeded, true)
	require.Equal(t, platform.TimedOut, rep.Result)
}
