package systemd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// errActionTimeout is the cause of a context that ended because the action's own time was up.
var errActionTimeout = errors.New("the action's time is up")

// errLinkLost says that the connection ended while an answer was awaited.
var errLinkLost = errors.New("the connection to the bus was lost")

// outcome turns the error of a D-Bus call into a result. sent says that the call may have reached
// systemd: then a missing answer is unknown and never failed.
func outcome(ctx context.Context, a strategy.Action, what string, err error, sent bool) (platform.Report, error) {
	fail := func(r platform.Result, why string, wrapped error) (platform.Report, error) {
		return platform.Report{Result: r, Detail: why}, fmt.Errorf("%s %s: %w", what, a.Object, wrapped)
	}
	if e, ok := errors.AsType[dbus.Error](err); ok {
		text := e.Error()
		switch short := e.Name[strings.LastIndexByte(e.Name, '.')+1:]; short {
		case "AccessDenied", "InteractiveAuthorizationRequired", "AuthFailed":
			return fail(platform.Failed, "this user may not "+what+" it",
				fmt.Errorf("%w: polkit refuses verb %q of this unit (%s); add both to the rule in /etc/polkit-1/rules.d", platform.ErrPermission, polkitVerb(a.Verb), text))
		case "NoSuchUnit":
			return fail(platform.Failed, "there is no such unit, or it is not loaded", err)
		case "UnitMasked":
			return fail(platform.Failed, "the unit is masked; a person must unmask it", err)
		case "LoadFailed", "BadUnitSetting":
			return fail(platform.Failed, "systemd cannot load the unit's file", err)
		case "TransactionIsDestructive", "TransactionJobsConflicting", "OnlyByDependency", "JobTypeNotApplicable", "ShuttingDown":
			return fail(platform.Failed, "systemd refuses the job: "+text, err)
		case "ServiceUnknown", "NameHasNoOwner":
			return fail(platform.Failed, "systemd is not on the bus", err)
		case "NoReply", "Timeout", "TimedOut", "Disconnected":
			return fail(platform.Unknown, "systemd did not answer", err)
		}
		return fail(platform.Failed, "systemd refuses: "+text, err)
	}
	switch {
	case errors.Is(err, platform.ErrOutdated):
		return fail(platform.Failed, "nothing was done", err)
	case !sent:
		return fail(platform.Failed, "nothing was done: systemd could not be asked", err)
	case context.Cause(ctx) == errActionTimeout:
		return fail(platform.TimedOut, "no answer within the action's timeout", errActionTimeout)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fail(platform.Unknown, "nobody waited for the answer", err)
	}
	return fail(platform.Unknown, "the answer was lost", err)
}

// polkitVerb is the word that systemd tells polkit for a verb.
func polkitVerb(v strategy.Verb) string {
	switch v {
	case strategy.SetMemory:
		return "set-property"
	case strategy.Start, strategy.Stop, strategy.Restart, strategy.Kill, strategy.ResetFailed:
		return strings.TrimPrefix(string(v), "unit.")
	}
	return string(v)
}

func isPermission(err error) bool {
	e, ok := errors.AsType[dbus.Error](err)
	return ok && (strings.HasSuffix(e.Name, ".AccessDenied") || strings.HasSuffix(e.Name, ".InteractiveAuthorizationRequired"))
}
