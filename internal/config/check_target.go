package config

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

func (k *checker) target(path string, t Target) {
	k.platform(path, t)
	k.sections(path, t)
	k.health(path, t)
	k.synthetic(path, t)
	if t.Check != nil && t.Kind == KindOfPlain {
		k.plain(path, t)
	}
	if t.Postgres != nil && t.Kind == KindOfPostgres {
		k.postgres(path, t)
	}
	k.pool(path, t)
	k.memory(path, t)
	k.collector(path, t)
	k.caches(path, t)
	for i, d := range t.Disks {
		if slices.Contains(t.Disks[:i], d) {
			k.fail(strictyaml.Problem{Path: k.Positions.Item(path+".disks", i), What: "is named twice", Got: d, Hint: "remove one"})
		}
	}
}

// collector judges the operator's own source of evidence.
func (k *checker) collector(path string, t Target) {
	if t.Collector == nil {
		return
	}
	p := path + ".collector"
	if argv := t.Collector.Command; len(argv) > 0 && !filepath.IsAbs(argv[0]) {
		k.fail(strictyaml.Problem{Path: k.Positions.Item(p+".command", 0), What: "is not an absolute path", Got: fmt.Sprintf("%q", argv[0]), Hint: "no shell searches for it"})
	}
	if t.External {
		k.noEffect(p, "external true", "a target that recoveryd may act on")
	}
}

// sections judges which sections go with which kind of target.
func (k *checker) sections(path string, t Target) {
	if !k.Sound(path + ".kind") {
		return
	}
	for _, s := range []struct {
		key, kind string
		given     bool
	}{
		{"health", KindOfService, len(t.Health) > 0},
		{"synthetic", KindOfService, len(t.Synthetic) > 0},
		{"pool", KindOfService, k.Positions.Has(path + ".pool")},
		{"check", KindOfPlain, t.Check != nil},
		{"postgres", KindOfPostgres, t.Postgres != nil},
	} {
		p := path + "." + s.key
		switch {
		case s.given && s.kind != t.Kind:
			k.fail(strictyaml.Problem{Path: p, What: "has no effect", Got: "kind " + t.Kind, Want: "kind " + s.kind, Hint: "leave one of them out"})
		case !s.given && s.kind == t.Kind && s.key != "pool" && s.key != "synthetic":
			k.fail(strictyaml.Problem{Path: p, What: "is missing", Want: fmt.Sprintf("a %s section: a target of kind %s is judged by it", s.key, t.Kind)})
		}
	}
}

func (k *checker) pool(path string, t Target) {
	p, pool := path+".pool", t.Pool
	if !k.Positions.Has(p) || t.Kind != KindOfService {
		return
	}
	k.order(p+".high", p+".full", pool.High, pool.Full, fmt.Sprint(pool.High), fmt.Sprint(pool.Full))
	if pool.Initial > pool.Cap && k.Sound(p+".initial", p+".cap") {
		k.fail(strictyaml.Problem{Path: p + ".initial", What: "is larger than cap", Got: fmt.Sprint(pool.Initial), Want: fmt.Sprintf("at most %d", pool.Cap)})
	}
	if pool.EnvFile != "" {
		k.envFile(p, pool)
	}
	k.poolDatabase(p, t)
}

// mostDBPoolSize is the largest DB_POOL_SIZE that the MCP servers accept; with a larger one they
// exit at start.
const mostDBPoolSize = 50

func (k *checker) envFile(p string, pool Pool) {
	if pool.EnvKey == "" {
		k.fail(strictyaml.Problem{Path: p + ".env_key", What: "is empty", Want: "the variable that holds the size of the pool"})
	}
	if pool.EnvKey == "DB_POOL_SIZE" && pool.Cap > mostDBPoolSize {
		k.risk(p+".cap", fmt.Sprintf("the MCP servers refuse to start with a DB_POOL_SIZE above %d", mostDBPoolSize), fmt.Sprintf("keep cap at %d unless this server takes more", mostDBPoolSize))
	}
	// recoveryd writes there and nowhere else: another path would fail when it is needed.
	if dir := filepath.Join(k.c.RuntimeDir, "env"); filepath.Dir(pool.EnvFile) != dir || !strings.HasSuffix(pool.EnvFile, ".env") {
		k.fail(strictyaml.Problem{Path: p + ".env_file", What: "is not where recoveryd may write", Got: pool.EnvFile, Want: dir + "/NAME.env"})
	}
}

func (k *checker) poolDatabase(p string, t Target) {
	name := t.Pool.Database
	if name == "" {
		return
	}
	k.among(p+".database", "target", name, k.targetNames())
	db, ok := k.c.Target(name)
	switch {
	case !ok:
	case db.Kind != KindOfPostgres && db.Kind != "":
		k.fail(strictyaml.Problem{Path: p + ".database", What: "is not a database", Got: fmt.Sprintf("%s, kind %s", name, db.Kind), Want: "a target of kind " + KindOfPostgres})
	case !slices.Contains(t.DependsOn, name):
		k.fail(strictyaml.Problem{Path: p + ".database", What: "the target does not depend on it", Got: name, Hint: fmt.Sprintf("add %s to depends_on", name)})
	}
}

func (k *checker) memory(path string, t Target) {
	p, m := path+".memory", t.Memory
	if !k.Positions.Has(p) {
		return
	}
	k.order(p+".high", p+".full", m.High, m.Full, fmt.Sprint(m.High), fmt.Sprint(m.Full))
	if m.Cap > 0 && m.Limit > m.Cap && k.Sound(p+".limit", p+".cap") {
		k.fail(strictyaml.Problem{Path: p + ".limit", What: "is larger than cap", Got: m.Limit.String(), Want: "at most " + m.Cap.String()})
	}
}

// order reports two settings that stand the wrong way round.
func (k *checker) order(lowPath, highPath string, low, high float64, lowText, highText string) {
	if low <= high || !k.Sound(lowPath, highPath) {
		return
	}
	path, got, want := lowPath, lowText, "at most "+highText
	if !k.Positions.Has(lowPath) {
		path, got, want = highPath, highText, "at least "+lowText
	}
	other := highPath[strings.LastIndex(highPath, ".")+1:]
	what := "is larger than " + other
	if path == highPath {
		what = "is smaller than " + lowPath[strings.LastIndex(lowPath, ".")+1:]
	}
	k.fail(strictyaml.Problem{Path: path, What: what, Got: got, Want: want})
}

// isLoopback reports whether an address can only be reached from this host.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// publicType is the notifier type that outsiders read: tests have no place there.
const publicType = "statuspage"

// canaryMin is the shortest time between two canaries: a channel must have time to fail.
const canaryMin = time.Minute

// watched judges how the watcher itself is watched.
func (k *checker) watched() {
	h := k.c.Heartbeat
	if h.URL.IsSet() && !strictyaml.IsURL(h.URL.Reveal()) { // not quoted: it may be nearly the right one
		k.fail(strictyaml.Problem{Path: "heartbeat.url", What: "is no address", Want: strictyaml.FormText("url")})
	}
	if h.Timeout > h.Interval && k.Sound("heartbeat.interval") {
		k.fail(strictyaml.Problem{Path: "heartbeat.timeout", What: "is longer than the interval", Got: strictyaml.WriteDuration(h.Timeout), Want: "at most " + strictyaml.WriteDuration(h.Interval)})
	}
	if _, err := regexp.Compile(h.Accept); err != nil {
		k.fail(strictyaml.Problem{Path: "heartbeat.accept", What: "is no regular expression: " + err.Error(), Got: h.Accept, Want: `a pattern such as ^OK$`})
	}
	c := k.c.Canary
	if c.Every > 0 && c.Every < canaryMin {
		k.fail(strictyaml.Problem{Path: "canary.every", What: "is too often", Got: strictyaml.WriteDuration(c.Every), Want: "0s, or at least " + strictyaml.WriteDuration(canaryMin)})
	}
	k.eachAmong("canary.channels", "notifier", c.Channels, k.notifierNames())
	for i, name := range c.Channels {
		for _, n := range k.c.Notifiers {
			if n.Name == name && n.Type == publicType {
				k.fail(strictyaml.Problem{Path: k.Positions.Item("canary.channels", i), What: "is read by outsiders, who would see the test", Got: fmt.Sprintf("%q", name), Hint: "leave it out; try it with: recoveryd notify test --channel " + name})
			}
		}
	}
	if c.Every > 0 && len(k.c.Notifiers) == 0 && k.Sound("notifiers") {
		k.fail(strictyaml.Problem{Path: "canary.every", What: "asks for a test of the channels, and there is no channel", Hint: "add a notifier, or remove it"})
	}
}
