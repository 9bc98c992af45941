package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/pkg/egress"
)

// grants is what the cluster says about the role that is logged in.
type grants struct {
	user    string
	super   bool
	member  []string
	version int
	spare   string // reserved_connections, "" before PostgreSQL 16
}

// database logs in as the daemon does and asks about its own role.
func (o Options) database(ctx context.Context, n *notes, t config.Target) {
	dsn := t.Postgres.DSN.Reveal()
	if dsn == "" {
		return // its absence is reported with the secrets
	}
	g, err := ask(ctx, dsn, t)
	if err != nil {
		n.add("postgres", t.Name, Fail, mendLogin(err), "recoveryd cannot look into it: %v", short(err))
		return
	}
	i := slices.IndexFunc(o.Wanted.Roles, func(r setup.Role) bool { return r.Target == t.Name })
	var missing, surplus []string
	for _, m := range o.Wanted.Roles[i].Member {
		if !slices.Contains(g.member, m) {
			missing = append(missing, m)
		}
	}
	for _, m := range g.member {
		if !slices.Contains(o.Wanted.Roles[i].Member, m) && m != "pg_use_reserved_connections" {
			surplus = append(surplus, m)
		}
	}
	switch {
	case g.super:
		n.add("postgres", t.Name, Fail, fmt.Sprintf("ALTER ROLE %q NOSUPERUSER, then recoveryd setup --apply", g.user), "role %s is a superuser: it may do anything", g.user)
	case len(missing) > 0:
		n.add("postgres", t.Name, Fail, "recoveryd setup --apply", "role %s is no member of %s", g.user, strings.Join(missing, ", "))
	case len(surplus) > 0:
		n.add("postgres", t.Name, Warn, fmt.Sprintf("REVOKE %s FROM %q", strings.Join(surplus, ", "), g.user), "role %s is also a member of %s, which this configuration does not need", g.user, strings.Join(surplus, ", "))
	default:
		n.ok("postgres", t.Name, "role %s logs in and is a member of %s, nothing more", g.user, strings.Join(g.member, ", "))
	}
	if g.version >= 160000 && (g.spare == "" || g.spare == "0") {
		n.add("postgres", t.Name, Warn, fmt.Sprintf("reserved_connections = 2 in postgresql.conf; GRANT pg_use_reserved_connections TO %q", g.user), "when its connections are used up, recoveryd will not get in to free some")
	}
}

func ask(ctx context.Context, dsn string, t config.Target) (g grants, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.Postgres.ConnectTimeout+t.Postgres.StatementTimeout)
	defer cancel()
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return g, errors.New("the connection string cannot be understood") // the library's text may quote it
	}
	c.DialFunc = egress.Dial
	c.RuntimeParams["application_name"] = "recoveryd"
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return g, err
	}
	defer func() { _ = conn.Close(ctx) }() // the answer is known by then
	err = conn.QueryRow(ctx, `SELECT current_user, r.rolsuper, current_setting('server_version_num')::int, coalesce(current_setting('reserved_connections', true), ''),
  coalesce((SELECT array_agg(g.rolname::text ORDER BY g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid), '{}')
FROM pg_roles r WHERE r.rolname = current_user`).Scan(&g.user, &g.super, &g.version, &g.spare, &g.member)
	return g, err
}

// short is what an error says without the parameters of the connection.
func short(err error) error {
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return c.Unwrap()
	}
	return err
}

func mendLogin(err error) string {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && (pg.Code == "28000" || pg.Code == "28P01"):
		return "recoveryd setup --apply makes the role; over TCP it needs its password, over the socket a peer line in pg_hba.conf"
	case ok:
		return "PostgreSQL refuses (SQLSTATE " + pg.Code + ")"
	}
	return "is the cluster running (pg_lsclusters), and is the connection string right?"
}
