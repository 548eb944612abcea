#!/bin/busybox sh
# The first program in the emulated machine: loads drivers, mounts the card's root, lends it the drivers and a shell.
# Nothing of it is written to the card.
bb=/bin/busybox
$bb mkdir -p /proc /sys /dev /root
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t devtmpfs devtmpfs /dev
while read -r file settings; do
    $bb insmod "/$file" $settings || echo "boot-proof: $file was not loaded"
done < /drivers

root="" kind=ext4 way=ro init=/sbin/init
for word in $($bb cat /proc/cmdline); do
    case "$word" in
        root=*) root="${word#root=}" ;;
        rootfstype=*) kind="${word#rootfstype=}" ;;
        rw) way=rw ;;
        init=*) init="${word#init=}" ;;
    esac
done
tries=0
while [ ! -b "$root" ] && [ $tries -lt 100 ]; do
    $bb sleep 0.1
    tries=$((tries + 1))
done
$bb mount -t "$kind" -o "$way" "$root" /root || { echo "boot-proof: $root cannot be mounted"; $bb poweroff -f; }

# Drivers of this kernel, which the card does not have; systemd-modules-load asks for some that are loaded already.
$bb mount -t tmpfs -o mode=0755 tmpfs /root/lib/modules
$bb cp -r /modules/. /root/lib/modules/
$bb chroot /root /sbin/depmod -a

# A shell on the second console, a face before the camera: units in /run, which systemd keeps.
$bb mount -t tmpfs -o mode=0755,nosuid,nodev,size=64m tmpfs /root/run
$bb mkdir -p /root/run/boot-proof /root/run/systemd/system/sysinit.target.wants
$bb cp -r /guest/. /root/run/boot-proof/
$bb ln -s /dev/null /root/run/systemd/system/serial-getty@hvc0.service # systemd would ask for a login there
for unit in /root/run/boot-proof/*.service; do
    $bb mv "$unit" /root/run/systemd/system/
    $bb ln -s "../${unit##*/}" /root/run/systemd/system/sysinit.target.wants/
done

for place in proc sys dev; do $bb mount --move /$place /root/$place; done
exec $bb switch_root /root "$init"
