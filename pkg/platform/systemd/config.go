package systemd

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/platform"
)

// Keys are the keys of a target that is a systemd service.
type Keys struct {
	// The systemd unit; with it the platform is systemd. For PostgreSQL on Debian this is the unit of the cluster, such as
	// postgresql@15-main.service: postgresql.service stays active when the cluster is dead.
	Unit string `yaml:"unit" form:"unit"`
}

// Driver is systemd as a platform.
func Driver() platform.Driver {
	return platform.Driver{
		Name: "systemd", Keys: Keys{}, Judge: judge, Drills: true,
		Forms: map[string]platform.Form{"unit": {Want: wantUnit, Fits: isUnit, Cure: func(s string) string {
			if !strings.Contains(s, ".") && isUnit(s+".service") {
				return "write " + s + ".service"
			}
			return ""
		}}},
		Open: func(ctx context.Context, o platform.Options) (platform.Adapter, error) {
			return New(ctx, Options{EnvDir: o.EnvDir, EnvKeys: o.EnvKeys, Logger: o.Logger})
		},
	}
}

const wantUnit = "a systemd unit such as codebase-mcp.service"

var unitForm = regexp.MustCompile(`^[A-Za-z0-9:_.\\@-]+\.[a-z]+$`)

func isUnit(s string) bool { return unitForm.MatchString(s) }

// metaUnits are Debian's units that start all clusters of PostgreSQL. They run /bin/true and stay
// active when the cluster behind them is dead; starting them then does nothing.
var metaUnits = []string{"postgresql.service", "postgresql@.service"}

// clusterUnit is the unit of one cluster.
var clusterUnit = regexp.MustCompile(`^postgresql@[^@]+\.service$`)

// maxUnitName is the length of the longest name that systemd takes.
const maxUnitName = 255

// ofHost are services that the host itself needs: as they are restarted, people are logged out, the way to the
// host is cut, or systemd and polkit are not heard, which recoveryd acts through.
var ofHost = regexp.MustCompile(`^(dbus|dbus-broker|polkit|systemd-(logind|journald|udevd|networkd|resolved|timesyncd|machined|homed|userdbd|oomd)|` +
	`NetworkManager|networking|ssh|sshd|getty@.*|serial-getty@.*|user@.*|user-runtime-dir@.*|display-manager|gdm|gdm3|lightdm|sddm|firewalld|nftables|iptables|recoveryd-.*)\.service$`)

// judge is the driver's judgement of a target's keys.
func judge(t platform.Target, keys any) (object string, wrong []platform.Wrong) {
	unit := keys.(*Keys).Unit
	bad := func(what, want, hint string) {
		wrong = append(wrong, platform.Wrong{Key: "unit", What: what, Got: unit, Want: want, Hint: hint})
	}
	switch {
	case unit == "":
		bad("is missing", wantUnit, "")
	case slices.Contains(metaUnits, unit):
		bad("is Debian's meta unit, which stays active when the database is dead", "the unit of the cluster", "such as postgresql@15-main.service; pg_lsclusters lists version and name")
	case unit == "recoveryd.service":
		bad("recoveryd cannot recover itself", "", "systemd restarts it: see WatchdogSec= in its unit")
	case !strings.HasSuffix(unit, ".service"):
		bad("is not a service unit", "a unit that ends in .service", "")
	case len(unit) > maxUnitName:
		bad("is longer than 255 characters, and systemd knows no such unit", wantUnit, "")
	case strings.HasPrefix(unit, "@"):
		bad("has nothing before the @, and systemd takes no such name", wantUnit, "")
	case strings.Contains(unit, "@."):
		bad("is a template and not a unit", "an instance, such as "+strings.Replace(unit, "@.", "@name.", 1), "")
	case ofHost.MatchString(unit):
		wrong = append(wrong, platform.Wrong{Key: "unit", Risk: true, What: "the host itself needs this service: a restart of it may log people out, cut the host off, or take systemd's bus away",
			Hint: "leave it to systemd, or only watch it with mode: observe"})
	case clusterUnit.MatchString(unit) && t.Kind == "service":
		wrong = append(wrong, platform.Wrong{Key: "kind", Risk: true, What: "this is a PostgreSQL cluster watched as a service", Hint: "write kind: postgres"})
	}
	return unit, wrong
}
