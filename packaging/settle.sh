#!/bin/sh
# Goes back from an update that was on trial when the machine went down; see devices/update/trial.py. A shell script,
# because the new release's own code may be what is broken. fer-edge-settle.service runs it before the kiosk starts.
# Links and renames only, where one file system holds it all: the disk may be full. The mark goes last.
set -u
root="${1:-}"
home="$root/opt/fer-edge"
mark="$home/trial"
[ -f "$mark" ] || exit 0
old=$(sed -n 1p "$mark")
case "$old" in */* | .*) old="" ;; esac
if [ -z "$old" ] || [ ! -f "$home/releases/$old/complete" ]; then
    echo "fer-edge: the release ${old:-of an unreadable mark} that an interrupted update goes back to is gone" >&2
    exit 1 # the mark stays, so that `fer-edge update settle` says it too
fi
failed=no

put() { # put NAME TARGET
    kept="$home/releases/$old/system/$1"
    if [ -f "$kept" ] && ! cmp -s "$kept" "$2"; then
        rm -f "$2.back"
        { ln "$kept" "$2.back" 2> /dev/null || cp -p "$kept" "$2.back"; } && mv -f "$2.back" "$2" || failed=yes
    fi
}

store=$(sed -n 3p "$mark") # that was copied, where the new release may have changed its tables
copy="$store.before-update"
if [ -n "$store" ] && [ -f "$copy" ]; then # first, as long as the link says whether the new release has written it
    if [ "$(readlink "$home/current")" = "releases/$old" ]; then
        rm -f "$copy"
    else
        rm -f "$store-wal" "$store-shm" "$store-journal" && mv -f "$copy" "$store" || failed=yes
    fi
fi
ln -sfn "releases/$old" "$home/current.new" && mv -fT "$home/current.new" "$home/current" || failed=yes
put fer-edge "$root/usr/local/bin/fer-edge"
put fer-edge.service "$root/etc/systemd/system/fer-edge.service"
put fer-edge-settle.service "$root/etc/systemd/system/fer-edge-settle.service"
put settle.sh "$home/settle.sh"
put 60-fer-edge.rules "$root/etc/udev/rules.d/60-fer-edge.rules"
put modules-load.conf "$root/etc/modules-load.d/fer-edge.conf"
[ -n "$root" ] || ! command -v systemctl > /dev/null || systemctl daemon-reload || true
sync
[ "$failed" = no ] || { echo "fer-edge: going back to $old did not work; the next boot tries again" >&2; exit 1; }
echo "fer-edge: an update was interrupted; went back to $old"
rm -f "$mark"
sync
