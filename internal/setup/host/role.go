package host

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/recoveryd/recoveryd/internal/setup"
)

// roleQuery asks for one role. Its name is the variable "role".
const roleQuery = `SELECT r.rolcanlogin, r.rolsuper, coalesce(shobj_description(r.oid, 'pg_authid'), '') LIKE :'mark' || '%',
  coalesce((SELECT string_agg(g.rolname, ',' ORDER BY g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid), '')
FROM pg_roles r WHERE r.rolname = :'role';
`

// lookAtRole compares a role with what is wanted, or, to remove it, with nothing.
func (h Host) lookAtRole(ctx context.Context, p *Plan, r setup.Role, remove bool) {
	where := fmt.Sprintf("PostgreSQL of target %s, role %s", r.Target, r.Name)
	if !r.Local {
		return // a note says so
	}
	have, err := h.role(ctx, r)
	if err != nil {
		p.problem("%s: the cluster cannot be asked as its superuser: %v; is it running, and is psql installed? The statements are in setup --print", where, err)
		return
	}
	sql, after := r.Statements(have), r.After(have)
	if remove {
		sql, after = r.Drop(have), setup.RoleState{}
	}
	if have.Super {
		p.problem("%s: it is a superuser, which is far more than recoveryd needs: ALTER ROLE %q NOSUPERUSER", where, r.Name)
	}
	if extra := r.Surplus(have); len(extra) > 0 && !have.Ours && !remove {
		p.Notes = append(p.Notes, fmt.Sprintf("%s: it is a member of %s, which this configuration does not need; setup did not make the role and takes nothing from it", where, strings.Join(extra, ", ")))
	}
	if len(sql) == 0 {
		return
	}
	p.Steps = append(p.Steps, Step{Kind: "sql", Path: where, Why: "what recoveryd may see and do in the cluster", SQL: sql,
		Diff: udiff.Unified(where, where, r.Lines(have), r.Lines(after)),
		do: func(ctx context.Context) error {
			_, err := h.psql(ctx, r, strings.Join(sql, "\n")+"\n")
			return err
		}})
}

func (h Host) role(ctx context.Context, r setup.Role) (s setup.RoleState, err error) {
	out, err := h.psql(ctx, r, roleQuery, "-v", "role="+r.Name, "-v", "mark="+setup.Mark)
	if err != nil {
		return s, err
	}
	f := strings.Split(strings.TrimSpace(out), "|")
	if len(f) != 4 {
		return s, nil // no row
	}
	s = setup.RoleState{Exists: true, Login: f[0] == "t", Super: f[1] == "t", Ours: f[2] == "t"}
	if f[3] != "" {
		s.Member = strings.Split(f[3], ",")
	}
	return s, nil
}

// psql runs statements as the operating system's user postgres, whom the cluster knows as its
// superuser, over the socket.
func (h Host) psql(ctx context.Context, r setup.Role, sql string, more ...string) (string, error) {
	argv := []string{"runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-p", strconv.Itoa(int(r.Port))}
	if strings.HasPrefix(r.Host, "/") {
		argv = append(argv, "-h", r.Host)
	}
	return h.run(ctx, sql, append(append(argv, more...), "-f", "-")...)
}
