#!/bin/sh
# PID 1 of a lab: puts the files of this lab in place before systemd reads its units.
tar -C /opt/lab/files -c . | tar -C / -x -p --no-overwrite-dir
exec /lib/systemd/systemd "$@"
