#!/bin/sh
# Installs fer-edge from the folder this file lies in, without a network: for a person on a board and for `fer-edge flash`.
#
#   sudo ./install.sh [--root DIR] [--no-start]
#
# The folder holds SHA256SUMS over everything in it, site.tar.gz (fer-edge and what it needs, for this board's Python),
# bundle/ (a model), the files of packaging/, and for some boards python.tar.gz (a Python of its own) and models/ (a face
# detector). Run again it changes nothing; a new payload takes the old one's place in one step, and the old one stays beside
# it. What cannot be imported here does not take its place. --root installs below another folder, for images and tests.
# One runs at a time: it holds the lock of `fer-edge update`, which hands it over when it is the one that runs this.
set -eu
umask 022

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=""
start=yes
while [ $# -gt 0 ]; do
    case "$1" in
        --root) [ $# -ge 2 ] || { echo "install.sh: --root needs a folder" >&2; exit 2; }; root="$2"; shift 2 ;;
        --no-start) start=no; shift ;;
        *) echo "install.sh: unknown option $1; it knows --root DIR and --no-start" >&2; exit 2 ;;
    esac
done

fail() {
    echo "install.sh: $1" >&2
    [ -z "${2:-}" ] || echo "  try: $2" >&2
    exit "${3:-1}"
}

[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "it installs into the system, which needs root" "sudo $0" 2
for part in SHA256SUMS site.tar.gz bundle/bundle.json fer-edge.service; do
    [ -f "$here/$part" ] || fail "$here/$part is missing: this is no complete payload" "fer-edge flash fetch" 2
done
(cd "$here" && sha256sum --check --quiet --strict SHA256SUMS) || fail "a file is not what SHA256SUMS says; nothing was changed" "copy the folder again"
listed=$(wc -l < "$here/SHA256SUMS")
present=$(cd "$here" && find -L . -type f ! -name SHA256SUMS | wc -l)
[ "$listed" = "$present" ] || fail "SHA256SUMS names $listed files, the folder holds $present; nothing was changed" "copy the folder again"

release=$(sha256sum "$here/SHA256SUMS" | cut -c1-16)
home="$root/opt/fer-edge"
place="$home/releases/$release"
fresh="$place.new"
changed=no
trap 'rm -rf "$fresh" "$home/hashes.new"' EXIT # what did not fit, or could not be imported, leaves nothing behind
trap 'exit 143' HUP INT TERM

by_update() { # the caller holds the lock: it says so, or is an update by an earlier fer-edge, which has it open
    [ -z "${FER_EDGE_UPDATE_LOCK:-}" ] || return 0
    [ "$start" = no ] || return 1
    for file in /proc/"$PPID"/fd/*; do [ ! "$file" -ef "$home/update.lock" ] || return 0; done
    return 1
}

mkdir -p "$home/releases"
if ! by_update; then
    (umask 077 && : >> "$home/update.lock")
    chmod 0600 "$home/update.lock" # who may open it may hold it
    exec 9>> "$home/update.lock"
    flock -n 9 || fail "another installation or update is running; nothing was changed" "fer-edge update status" 2
fi

put() { # put SOURCE TARGET MODE: written beside and renamed, only where it differs
    if ! cmp -s "$1" "$2"; then
        mkdir -p "$(dirname "$2")"
        cp "$1" "$2.new" || { rm -f "$2.new"; fail "$2 cannot be written" "df -h"; }
        chmod "$3" "$2.new"
        sync "$2.new"
        mv -f "$2.new" "$2"
        changed=yes
    fi
}

check() { # what was unpacked runs on this board; its compiled modules stay, for the service cannot write them
    python="$fresh/python/bin/python3"
    [ -x "$python" ] || python=/usr/bin/python3
    PYTHONPATH="$fresh/site" PYTHONNOUSERSITE=1 ORT_DISABLE_TELEMETRY=1 \
        "$python" -c "import cv2, numpy, onnxruntime, fer_edge.cli.main" ||
        fail "what was unpacked cannot be imported by $python; nothing was changed" "fer-edge flash fetch, for this board"
    "$python" -m compileall -q "$fresh/site/fer_edge" || true
}

intact() { # unpacked to its end, and every file as it was then: cards lose bits
    [ -f "$place/complete" ] && (cd "$place" && sha256sum --check --status --strict hashes)
}

if ! intact 2> /dev/null; then
    rm -rf "$fresh"
    mkdir -p "$fresh/site"
    tar -xzf "$here/site.tar.gz" --no-same-owner -C "$fresh/site"
    cp -rL "$here/bundle" "$fresh/bundle"
    chmod -R u=rwX,go=rX "$fresh/bundle"
    if [ -f "$here/python.tar.gz" ]; then
        mkdir "$fresh/python"
        tar -xzf "$here/python.tar.gz" --no-same-owner --strip-components=1 -C "$fresh/python"
    fi
    mkdir "$fresh/system" # for an update that is taken back: its unit and rules too
    for part in fer-edge.service fer-edge-settle.service 60-fer-edge.rules modules-load.conf settle.sh; do
        [ ! -f "$here/$part" ] || { cp "$here/$part" "$fresh/system/$part" && chmod 0644 "$fresh/system/$part"; }
    done
    cat > "$fresh/system/fer-edge" <<'STARTER'
#!/bin/sh
# fer-edge of the current release, with nothing of the user's own Python; with a Python of its own, where it has one.
python=/opt/fer-edge/current/python/bin/python3
[ -x "$python" ] || python=/usr/bin/python3
PYTHONPATH=/opt/fer-edge/current/site PYTHONNOUSERSITE=1 exec "$python" -m fer_edge "$@"
STARTER
    chmod 0755 "$fresh/system/fer-edge"
    [ -n "$root" ] || check
    (cd "$fresh" && find . -type f ! -path '*/__pycache__/*' -exec sha256sum {} +) > "$home/hashes.new"
    mv "$home/hashes.new" "$fresh/hashes"
    [ ! -e "$place" ] || { rm -rf "$place.old" && mv -T "$place" "$place.old"; } # a damaged one, which may be running
    mv -T "$fresh" "$place"
    rm -rf "$place.old"
    sync -f "$place" 2>/dev/null || sync
    : > "$place/complete"
    changed=yes
fi
if [ "$(readlink "$home/current" 2>/dev/null || true)" != "releases/$release" ]; then
    old=$(readlink "$home/current" 2>/dev/null || true)
    [ -z "$old" ] || { ln -sfn "$old" "$home/previous.new" && mv -fT "$home/previous.new" "$home/previous"; }
    ln -sfn "releases/$release" "$home/current.new"
    mv -fT "$home/current.new" "$home/current"
    changed=yes
fi

put "$place/system/fer-edge" "$root/usr/local/bin/fer-edge" 0755
# On trial, the proven release's own script stays in force; `fer-edge update` puts this one into place afterwards.
if [ -f "$here/settle.sh" ] && { [ ! -f "$home/trial" ] || [ ! -f "$home/settle.sh" ]; }; then
    put "$here/settle.sh" "$home/settle.sh" 0644
    put "$here/fer-edge-settle.service" "$root/etc/systemd/system/fer-edge-settle.service" 0644
fi
put "$here/fer-edge.service" "$root/etc/systemd/system/fer-edge.service" 0644
put "$here/60-fer-edge.rules" "$root/etc/udev/rules.d/60-fer-edge.rules" 0644
put "$here/modules-load.conf" "$root/etc/modules-load.d/fer-edge.conf" 0644
if [ -f "$here/config.toml" ] && [ ! -f "$root/etc/fer-edge/config.toml" ]; then
    put "$here/config.toml" "$root/etc/fer-edge/config.toml" 0640 # a person's own stays as it is
fi
if [ -d "$here/models" ]; then
    for model in "$here"/models/*; do put "$model" "$root/var/cache/fer-edge/models/$(basename "$model")" 0644; done
fi

if [ -z "$root" ]; then
    for group in video render plugdev gpio; do getent group "$group" > /dev/null || groupadd --system "$group"; done
    getent group fer-edge > /dev/null || groupadd --system fer-edge # first: a power cut may come between the two
    if ! getent passwd fer-edge > /dev/null; then
        useradd --system --no-create-home --home-dir /var/lib/fer-edge --shell /usr/sbin/nologin --gid fer-edge fer-edge
        changed=yes
    fi
    for file in config.toml mqtt-password web-token; do
        [ ! -f "/etc/fer-edge/$file" ] || chgrp fer-edge "/etc/fer-edge/$file"
    done
    if command -v systemctl > /dev/null; then
        # Asked for each time: the power may have failed between the files and this.
        for unit in fer-edge.service fer-edge-settle.service; do
            [ -f "/etc/systemd/system/$unit" ] || continue
            systemctl --quiet is-enabled "$unit" 2> /dev/null || { systemctl enable "$unit" && changed=yes; }
        done
        if [ "$changed" = yes ]; then
            systemctl daemon-reload
            modprobe videodev 2> /dev/null || true
            udevadm control --reload 2> /dev/null && udevadm trigger 2> /dev/null || true
            [ "$start" = no ] || systemctl restart fer-edge.service
        fi
    fi
fi
[ "$changed" = no ] || sync
[ "$changed" = yes ] && echo "fer-edge $release is installed" || echo "fer-edge $release was installed already; nothing changed"
