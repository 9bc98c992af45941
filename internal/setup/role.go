package setup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// The roles of PostgreSQL that recoveryd is made a member of, and nothing more.
const (
	monitor = "pg_monitor"        // see the sessions of others
	signal  = "pg_signal_backend" // end sessions of others, but of no superuser
)

// Role is the PostgreSQL role that recoveryd logs in as.
type Role struct {
	Target string   `json:"target"`
	Unit   string   `json:"unit,omitzero"`
	Name   string   `json:"role"`
	Host   string   `json:"host"`
	Port   uint16   `json:"port"`
	Local  bool     `json:"local"` // the cluster is on this host
	Member []string `json:"member_of"`
}

// RoleState is what a cluster says about a role.
type RoleState struct {
	Exists, Login, Super bool
	Ours                 bool     // its comment carries Mark
	Member               []string // directly, of the roles that matter here
}

// roles are one per watched cluster. Ending sessions is granted only where a ladder can lead to it.
func roles(in Input) (out []Role) {
	for _, c := range in.Clusters {
		r := Role{Target: c.Target, Unit: c.Unit, Name: c.Role, Host: c.Host, Port: c.Port, Local: c.Local, Member: []string{monitor}}
		if slices.ContainsFunc(in.Powers, func(a strategy.Action) bool {
			return a.Object == c.Target && (a.Verb == strategy.PGTerminateIdle || a.Verb == strategy.PGTerminateLong)
		}) {
			r.Member = append(r.Member, signal)
		}
		out = append(out, r)
	}
	return out
}

// Script is the SQL that leads to the role from anywhere, for configuration management. It can be
// run again and again.
func (r Role) Script() string {
	var b strings.Builder
	fmt.Fprintf(&b, "-- %s; the role of target %s. Run it as a superuser of the cluster.\n", Mark, r.Target)
	fmt.Fprintf(&b, "DO $$ BEGIN\n  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %s) THEN\n", literal(r.Name))
	for _, s := range r.create() {
		fmt.Fprintf(&b, "    %s\n", s)
	}
	b.WriteString("  END IF;\nEND $$;\n")
	for _, m := range r.Member {
		b.WriteString(r.grant(m) + "\n")
	}
	return b.String()
}

// Statements lead from what is there to what is wanted. Of a role that somebody else has made,
// nothing is taken away.
func (r Role) Statements(have RoleState) (out []string) {
	switch {
	case !have.Exists:
		out = append(out, r.create()...)
	case !have.Login:
		out = append(out, "ALTER ROLE "+identifier(r.Name)+" LOGIN;")
	}
	for _, m := range r.Member {
		if !slices.Contains(have.Member, m) {
			out = append(out, r.grant(m))
		}
	}
	for _, m := range r.Surplus(have) {
		if have.Ours {
			out = append(out, "REVOKE "+m+" FROM "+identifier(r.Name)+";")
		}
	}
	return out
}

// Surplus are the memberships that the role has and does not need.
func (r Role) Surplus(have RoleState) (out []string) {
	for _, m := range have.Member {
		if !slices.Contains(r.Member, m) {
			out = append(out, m)
		}
	}
	return out
}

// Drop takes the role away, if it is ours.
func (r Role) Drop(have RoleState) []string {
	if !have.Exists || !have.Ours {
		return nil
	}
	return []string{"DROP ROLE " + identifier(r.Name) + ";"}
}

// Lines describe a role as text, to be compared: one property a line.
func (r Role) Lines(have RoleState) string {
	if !have.Exists {
		return ""
	}
	out := "role " + r.Name + "\n"
	if have.Login {
		out += "may log in\n"
	}
	if have.Super {
		out += "superuser\n"
	}
	members := slices.Clone(have.Member)
	slices.Sort(members)
	for _, m := range members {
		out += "member of " + m + "\n"
	}
	return out
}

// After is the state once the statements have been run.
func (r Role) After(have RoleState) RoleState {
	after := RoleState{Exists: true, Login: true, Super: have.Super, Ours: have.Ours || !have.Exists, Member: slices.Clone(r.Member)}
	if have.Exists && !have.Ours {
		after.Member = append(after.Member, r.Surplus(have)...)
	}
	return after
}

func (r Role) create() []string {
	name := identifier(r.Name)
	return []string{"CREATE ROLE " + name + " LOGIN;", "COMMENT ON ROLE " + name + " IS " + literal(Mark) + ";"}
}

func (r Role) grant(m string) string { return "GRANT " + m + " TO " + identifier(r.Name) + ";" }

// notes are what SQL alone does not settle.
func (r Role) notes(user string) (out []string) {
	switch {
	case !r.Local:
		out = append(out, fmt.Sprintf("target %s: the cluster is on %s; run the statements there", r.Target, r.Host))
	case !strings.HasPrefix(r.Host, "/"):
		out = append(out, fmt.Sprintf("target %s: recoveryd logs in over TCP; give the role its password with \\password %s", r.Target, r.Name))
	case r.Name != user:
		out = append(out, fmt.Sprintf("target %s: user %s logs in over the socket as role %s, which peer authentication allows only with a line in pg_ident.conf", r.Target, user, r.Name))
	}
	return append(out, fmt.Sprintf("target %s: when its connections are used up, recoveryd gets in through a reserved one; from PostgreSQL 16 on, set reserved_connections = 2 and GRANT pg_use_reserved_connections TO %s",
		r.Target, identifier(r.Name)))
}

// identifier is always quoted: a name may be a word of SQL.
func identifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
