#!/bin/sh
# The first boot of a card that `fer-edge flash` wrote, run from its boot partition: settings, then payload/install.sh.
#
#   first-boot.sh [--arm]
#
# It lies in a folder with id, settings/ (a value a file) and payload/. Every step can be done again, so a power cut costs
# time and nothing else: whatever starts this at boot goes on doing so until the last step. What is secret leaves the boot
# partition as soon as it is applied, and is never printed. --arm is for cloud-init, which would not begin again by itself:
# it has systemd start this at every boot until it is done.
set -eu
umask 022

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
boot=$(dirname "$here")
told="$boot/fer-edge-first-boot.txt"
marks=/var/lib/fer-edge-first-boot
unit=/etc/systemd/system/fer-edge-first-boot.service
SECRETS="password wifi.nmconnection mqtt-password web-token"
MOST_TRIES=3
step="beginning"

say() { echo "fer-edge: $1"; }

setting() { # setting NAME: its value; nothing when it is not set
    [ ! -f "$here/settings/$1" ] || cat "$here/settings/$1"
}

put() { # put TARGET MODE, with the content on standard input: written beside and renamed
    mkdir -p "$(dirname "$1")"
    (umask 077 && cat > "$1.new")
    chmod "$2" "$1.new"
    sync "$1.new"
    mv -f "$1.new" "$1"
}

edit() { # edit FILE SED-OPTIONS: in one step; owner and mode stay
    file=$1
    shift
    [ -f "$file" ] || return 0
    (umask 077 && sed "$@" "$file" > "$file.new")
    chown --reference="$file" "$file.new"
    chmod --reference="$file" "$file.new"
    sync "$file.new"
    mv -f "$file.new" "$file"
}

unlock() { # what useradd and its like leave behind when the power fails; nobody else changes accounts now
    for name in passwd group shadow gshadow subuid subgid; do rm -f "/etc/$name.lock"; done
}

has_unit() { [ -f "/lib/systemd/system/$1" ] || [ -f "/usr/lib/systemd/system/$1" ]; }

set_hostname() {
    name=$(setting hostname)
    [ -n "$name" ] || return 0
    echo "$name" | put /etc/hostname 0644
    hosts=$(grep -v '^127\.0\.1\.1[[:space:]]' /etc/hosts 2> /dev/null || true)
    printf '%s\n127.0.1.1\t%s\n' "$hosts" "$name" | put /etc/hosts 0644
    hostname "$name" 2> /dev/null || true # where systemd runs already; else the next boot takes it
}

set_time_zone() {
    zone=$(setting time_zone)
    [ -n "$zone" ] || return 0
    if [ ! -f "/usr/share/zoneinfo/$zone" ]; then
        say "this system knows no time zone $zone; it keeps its own"
        return 0
    fi
    ln -sfn "/usr/share/zoneinfo/$zone" /etc/localtime.new
    mv -fT /etc/localtime.new /etc/localtime
    echo "$zone" | put /etc/timezone 0644
}

rename_pi() { # file by file, for usermod cut off between two of them would not go on with the rest
    [ ! -d /home/pi ] || [ -e "/home/$user" ] || mv -T /home/pi "/home/$user"
    for file in passwd group shadow gshadow subuid subgid; do
        edit "/etc/$file" -e "s/^pi:/$user:/" -e "s|:/home/pi:|:/home/$user:|" -e "s/\([:,]\)pi$/\1$user/" \
            -e "s/\([:,]\)pi,/\1$user,/"
    done
    edit /etc/sudoers.d/010_pi-nopasswd -e "s/^pi /$user /"
}

name_user() { # the user that the image ships without a password takes the new name; elsewhere one is made
    if [ "$(getent passwd 1000 | cut -d: -f1)" = pi ] && ! getent passwd "$user" > /dev/null; then
        : > "$marks/$id.rename"
        sync
    fi
    if [ -f "$marks/$id.rename" ]; then
        rename_pi
    elif ! getent passwd "$user" > /dev/null; then
        getent group "$user" > /dev/null || groupadd "$user"
        useradd --no-create-home --shell /bin/bash --gid "$user" "$user"
    fi
    pwconv # rows of shadow that a cut left out
    grpconv
    own=$(getent passwd "$user" | cut -d: -f6)
    if [ ! -d "$own" ]; then
        rm -rf "$own.new"
        cp -r /etc/skel "$own.new"
        chown -R "$user:" "$own.new"
        chmod 0700 "$own.new"
        mv -T "$own.new" "$own"
    fi
}

is_persons() { # is_persons passwd|group NAME: new, or with a number that login.defs gives to people
    number=$(getent "$1" "$2" | cut -d: -f3)
    [ -z "$number" ] || { [ "$number" -ge 1000 ] && [ "$number" -le 59999 ]; }
}

set_user() {
    user=$(setting user)
    [ -n "$user" ] || return 0
    if ! is_persons passwd "$user" || ! is_persons group "$user"; then
        say "$user is a system account or group here, and does not become a person's"
        return 1
    fi
    unlock
    name_user
    for group in adm dialout cdrom audio video sudo plugdev games users input render netdev gpio i2c spi; do
        ! getent group "$group" > /dev/null || usermod -a -G "$group" "$user"
    done
    if [ -f "$here/settings/password" ]; then
        printf '%s:%s\n' "$user" "$(setting password)" | chpasswd -e
    else # with keys alone, sudo could not ask for a password
        printf '%s ALL=(ALL) NOPASSWD: ALL\n' "$user" | put /etc/sudoers.d/010_fer-edge 0440
    fi
    if [ -f "$here/settings/authorized_keys" ]; then
        place="$(getent passwd "$user" | cut -d: -f6)/.ssh"
        mkdir -p "$place"
        put "$place/authorized_keys" 0600 < "$here/settings/authorized_keys"
        chown -R "$user:" "$place"
        chmod 0700 "$place"
    fi
    open_the_door
}

open_the_door() { # SSH on, with a password only where there is one; the wizard that asks for a name, off
    if has_unit ssh.service; then
        if [ ! -f "$here/settings/password" ] && [ -d /etc/ssh/sshd_config.d ]; then
            echo "PasswordAuthentication no" | put /etc/ssh/sshd_config.d/10-fer-edge.conf 0644
        fi
        [ -n "$(find /etc/ssh -name 'ssh_host_*_key' -size +0)" ] || ssh-keygen -A > /dev/null
        systemctl enable ssh.service 2> /dev/null
    fi
    ! command -v cancel-rename > /dev/null || cancel-rename "$user" > /dev/null 2>&1 || true
    ! has_unit userconfig.service || systemctl disable userconfig.service 2> /dev/null || true
    rm -f /etc/ssh/sshd_config.d/rename_user.conf /etc/xdg/autostart/piwiz.desktop
}

set_wifi() {
    [ -f "$here/settings/wifi.nmconnection" ] || return 0
    if [ ! -d /etc/NetworkManager ]; then
        say "there is no NetworkManager here: Wi-Fi is not set up"
        return 0
    fi
    put /etc/NetworkManager/system-connections/fer-edge.nmconnection 0600 < "$here/settings/wifi.nmconnection"
    state=/var/lib/NetworkManager/NetworkManager.state # Raspberry Pi OS ships with the radio off until a country is set
    edit "$state" -e 's/^WirelessEnabled=false/WirelessEnabled=true/'
    for switch in /var/lib/systemd/rfkill/*:wlan; do
        [ ! -f "$switch" ] || echo 0 > "$switch"
    done
    ! command -v rfkill > /dev/null || rfkill unblock wifi 2> /dev/null || true
    if command -v nmcli > /dev/null && systemctl --quiet is-active NetworkManager.service 2> /dev/null; then
        nmcli radio wifi on || true
        nmcli connection reload || true
    fi
}

set_kiosk_secrets() { # install.sh gives them to the kiosk's group, once there is one; the key of updates is no secret
    [ ! -f "$here/settings/update.pub" ] || put /etc/fer-edge/update.pub 0644 < "$here/settings/update.pub"
    for name in mqtt-password web-token; do
        [ ! -f "$here/settings/$name" ] || put "/etc/fer-edge/$name" 0640 < "$here/settings/$name"
    done
}

wipe() { # a file of the boot partition: its bytes too, for removing it would leave them readable
    [ -f "$1" ] || return 0
    head -c "$(wc -c < "$1")" /dev/zero | dd of="$1" conv=notrunc,fsync 2> /dev/null
    rm -f "$1"
}

unhook() { # whatever starts this at boot shall do so no more
    line="$boot/cmdline.txt"
    if [ -f "$line" ] && grep -q 'systemd\.run=' "$line"; then
        sed 's/ systemd\.run[^ ]*//g; s/ systemd\.unit=kernel-command-line\.target//g' "$line" | put "$line" 0755
    fi
    if [ -f "$unit" ]; then
        mkdir -p /etc/cloud
        : | put /etc/cloud/cloud-init.disabled 0644
        systemctl disable fer-edge-first-boot.service 2> /dev/null || true
        rm -f "$unit"
    fi
    sync
}

wipe_secrets() {
    for name in $SECRETS; do wipe "$here/settings/$name"; done
    sync
}

wipe_payloads() { # a camera's URL may have its password in it, and the sums have that of the file
    for name in config.toml SHA256SUMS; do wipe "$here/payload/$name"; done
}

give_up() {
    say "giving up: it boots without the kiosk from now on"
    wipe_secrets
    wipe_payloads
    unhook
}

failed() { # a power cut is no try; what fails three times would fail for ever, so the board then boots without a kiosk
    result=$?
    [ "$result" != 0 ] || return 0
    tries=$(($(cat "$here/tries" 2> /dev/null || echo 0) + 1))
    echo "$tries" > "$here/tries" || true
    say "the first boot failed while $step (try $tries of $MOST_TRIES); see $told"
    {
        echo "fer-edge: the first boot failed while $step, try $tries of $MOST_TRIES."
        [ ! -f "$here/install.txt" ] || tail -n 20 "$here/install.txt"
    } > "$told" || true
    [ "$tries" -lt "$MOST_TRIES" ] || give_up
    sync
    exit "$result"
}

settings() {
    step="setting the host name" && set_hostname
    step="setting the time zone" && set_time_zone
    step="setting up the user" && set_user
    step="setting up Wi-Fi" && set_wifi
    step="keeping the kiosk's secrets" && set_kiosk_secrets
    sync
    : > "$marks/$id.settings"
    sync
}

main() {
    trap failed EXIT
    id=$(cat "$here/id")
    mkdir -p "$marks"
    [ -f "$marks/$id.settings" ] || settings
    step="removing secrets from the boot partition"
    wipe_secrets
    if [ ! -f "$marks/$id.installed" ]; then
        step="installing"
        unlock
        say "installing; this takes some minutes"
        sh "$here/payload/install.sh" --no-start > "$here/install.txt" 2>&1
        cat "$here/install.txt"
        sync
        : > "$marks/$id.installed"
        sync
    fi
    step="tidying up"
    wipe_payloads
    unhook
    rm -f "$told" "$boot/firstrun.sh"
    rm -rf "$here"
    sync
    say "the first boot is done"
}

arm() {
    put "$unit" 0644 < "$here/fer-edge-first-boot.service"
    systemctl enable fer-edge-first-boot.service
    systemctl daemon-reload
    systemctl start --no-block fer-edge-first-boot.service
}

case "${1:-}" in
    "") main; exit 0 ;; # read to its end before it removes itself
    --arm) arm; exit 0 ;;
    *) echo "first-boot.sh: unknown option $1; it knows --arm" >&2; exit 2 ;;
esac
