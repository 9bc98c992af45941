# check_dump FILE: prints of how many tables the dump FILE has data; fails unless it has some, and
# pg_restore can read all of it. Read by dump-database and restore-database.
check_dump() {
    [ -s "$1" ] || { echo "$1 is empty or not there" >&2; return 1; }
    contents=$(pg_restore --list -- "$1") || { echo "$1 is no dump that pg_restore can read" >&2; return 1; }
    count=$(printf '%s\n' "$contents" | grep -c ' TABLE DATA ' || true)
    [ "$count" -gt 0 ] || { echo "$1 holds no data of any table" >&2; return 1; }
    # The list is at its beginning: only reading everything tells of an end that is missing.
    pg_restore --file=/dev/null -- "$1" || { echo "$1 cannot be read to its end" >&2; return 1; }
    echo "$count"
}
