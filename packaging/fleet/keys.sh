#!/bin/sh
# A certificate authority of the fleet's own, the broker's key, and a key a kiosk. Needs openssl.
#   ./keys.sh init broker.example   once: ca.key, ca.crt, and broker.key, broker.crt for that name or address
#   ./keys.sh make foyer            for each kiosk, and for centre: foyer.key, foyer.crt
#   ./keys.sh revoke foyer          its certificate is worth nothing from now on: revoked.crl
# Everything is made in the folder where you are. ca.key stays there, on no kiosk and not on the broker.
set -eu
umask 077
days=3650

fail() {
    echo "keys.sh: $*" >&2
    exit 2
}

authority() {
    # What openssl asks of an authority that keeps a list, which a list of the revoked needs.
    cat > ca.conf << END
[ca]
default_ca = fleet
[fleet]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.crt
private_key = ca.key
default_md = sha256
default_days = $days
default_crl_days = $days
policy = names
unique_subject = no
[names]
commonName = supplied
END
    [ -e index.txt ] || : > index.txt
    [ -e crlnumber ] || echo 01 > crlnumber
}

new_key() {
    [ ! -e "$1.key" ] || fail "$1.key is there already"
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$1.key" 2> /dev/null
}

signed() {
    # signed NAME SUBJECT EXTENSIONS
    openssl req -new -key "$1.key" -subj "/CN=$2" -out "$1.csr"
    printf '%s\n' "$3" > "$1.ext"
    openssl ca -batch -notext -config ca.conf -rand_serial -extfile "$1.ext" -in "$1.csr" -out "$1.crt" 2> "$1.log" ||
        fail "openssl did not sign $1: $(tail -n 3 "$1.log")"
    rm -f "$1.csr" "$1.ext" "$1.log"
}

case "${1:-}" in
init)
    host=${2:?the name or address of the broker}
    new_key ca
    openssl req -x509 -new -key ca.key -subj "/CN=fer-edge fleet" -days $days -out ca.crt
    authority
    new_key broker
    case "$host" in
    *[!0-9.:a-fA-F]*) place="DNS:$host" ;;
    *.*.*.* | *:*) place="IP:$host" ;;
    *) place="DNS:$host" ;;
    esac
    signed broker "$host" "subjectAltName=$place
extendedKeyUsage=serverAuth"
    openssl ca -config ca.conf -gencrl -out revoked.crl 2> /dev/null
    echo "ca.crt, broker.crt, broker.key, revoked.crl and mosquitto.acl belong to /etc/mosquitto/fleet"
    ;;
make)
    name=${2:?the name of a kiosk, which is its topic too}
    [ -e ca.key ] || fail "there is no ca.key here: ./keys.sh init BROKER"
    case "$name" in
    *[!A-Za-z0-9_-]* | homeassistant) fail "$name: letters, digits, _ and - only, for it is the kiosk's topic" ;;
    esac
    new_key "$name"
    signed "$name" "$name" "extendedKeyUsage=clientAuth"
    echo "$name.key, $name.crt and ca.crt belong to /etc/fer-edge of $name, readable by the group fer-edge alone"
    ;;
revoke)
    name=${2:?the name of a kiosk}
    [ -e "$name.crt" ] || fail "there is no $name.crt here"
    openssl ca -config ca.conf -revoke "$name.crt" 2> /dev/null
    openssl ca -config ca.conf -gencrl -out revoked.crl 2> /dev/null
    echo "copy revoked.crl to /etc/mosquitto/fleet, say crlfile in mosquitto.conf, and restart mosquitto"
    ;;
*)
    fail "init BROKER, make NAME or revoke NAME"
    ;;
esac
