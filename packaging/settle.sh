#!/bin/sh
# Goes back from an update that was on trial when the machine went down; see devices/update/trial.py. A shell script,
# because the new release's own code may be what is broken. fer-edge-settle.service runs it before the kiosk starts.
set -eu
home="${1:-}/opt/fer-edge"
mark="$home/trial"
[ -f "$mark" ] || exit 0
old=$(sed -n 1p "$mark")
case "$old" in "" | */*) old="" ;; esac
if [ -n "$old" ] && [ -f "$home/releases/$old/complete" ]; then
    ln -sfn "releases/$old" "$home/current.new"
    mv -fT "$home/current.new" "$home/current"
    put() { # put NAME TARGET
        kept="$home/releases/$old/system/$1"
        [ ! -f "$kept" ] || cmp -s "$kept" "${root:-}$2" || { cp -p "$kept" "${root:-}$2.new" && mv -f "${root:-}$2.new" "${root:-}$2"; }
    }
    root="${1:-}"
    put fer-edge /usr/local/bin/fer-edge
    put fer-edge.service /etc/systemd/system/fer-edge.service
    put 60-fer-edge.rules /etc/udev/rules.d/60-fer-edge.rules
    put modules-load.conf /etc/modules-load.d/fer-edge.conf
    echo "fer-edge: an update was interrupted; went back to $old"
fi
sync
rm -f "$mark"
sync
[ -n "${1:-}" ] || ! command -v systemctl > /dev/null || systemctl daemon-reload
