"""card.toml: what it may say, what is refused and how, and the kiosk's configuration that comes of it."""

from __future__ import annotations

import base64
import struct
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from fer_edge.devices.flash.card.card import FIRST_CARD, Card, load_card
from fer_edge.devices.flash.card.kiosk_config import config_toml
from fer_edge.devices.flash.card.wifi import keyfile, psk_of
from fer_edge.devices.flash.options import CardOptions, Listener
from fer_edge.devices.flash.payload.parts import prepare_parts
from fer_edge.devices.profile import find_profile, load_profiles
from fer_edge.devices.update.signature import make_keys
from fer_edge.errors import InputError
from fer_edge.runtime.config import load_config

KEY = (
    "ssh-ed25519 "
    + base64.b64encode(struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + bytes(32)).decode()
)
HASH = "$6$saltsalt$" + "a" * 86
GOOD = f"""
hostname = "kiosk-1"
time_zone = "Europe/Berlin"
country = "de"
[user]
name = "anna"
password_hash = "{HASH}"
ssh_keys = ["{KEY} anna@pc"]
[wifi]
ssid = "IEEE"
passphrase = "password"
[place]
name = "foyer"
kind = "museum"
purpose = "counts"
[mqtt]
host = "broker.lan"
tls = true
port = 8883
user = "kiosk"
password = "geheim-1"
[web]
listen = "0.0.0.0"
token = "0123456789abcdef"
[config.source]
what = "camera:1"
"""


def card(folder: Path, text: str) -> Card:
    path = folder / "card.toml"
    path.write_text(text)
    return load_card(path)


@pytest.mark.parametrize(
    ("passphrase", "ssid", "psk"),
    [  # IEEE 802.11-2016, J.4.2, "Test vectors"
        ("password", "IEEE", "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"),
        ("ThisIsAPassword", "ThisIsASSID", "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"),
        ("a" * 32, "Z" * 32, "becb93866bb8c3832cb777c2f559807c8c59afcb6eae734885001300a981cc62"),
    ],
)
def test_the_key_of_a_pass_phrase_is_that_of_the_standard(passphrase: str, ssid: str, psk: str) -> None:
    assert psk_of(passphrase, ssid) == psk


def test_a_whole_card(tmp_path: Path) -> None:
    read = card(tmp_path, GOOD)
    assert (read.hostname, read.country, read.user.name) == ("kiosk-1", "DE", "anna")
    assert read.user.ssh_keys == (f"{KEY} anna@pc",)
    assert read.secrets == {"mqtt-password": "geheim-1", "web-token": "0123456789abcdef"}
    assert "password" not in read.mqtt
    for secret in ("geheim-1", "0123456789abcdef", HASH, read.wifi.psk):
        assert secret not in repr(read)


def test_the_key_of_updates(tmp_path: Path) -> None:
    key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
    assert card(tmp_path, f'[update]\nkey = "{key}"').update.key == key
    assert card(tmp_path, "").update.key == ""
    with pytest.raises(InputError, match=r"line 2: update\.key is no public key of `fer-edge update key`"):
        card(tmp_path, f'[update]\nkey = "{key[:-4]}"')


def test_the_key_of_updates_by_an_option(tmp_path: Path) -> None:
    """The public file of the pair is taken, the secret one never; a card without a key is told of."""

    class Hearing(Listener):
        def on_message(self, text: str) -> None:
            heard.append(text)

    heard: list[str] = []
    secret, public = make_keys(tmp_path / "ours")
    options = CardOptions(tmp_path / "no.img", device="rpi5", update_key=public)
    key = prepare_parts(options, Hearing()).card.update.key
    assert public.read_text().endswith(f"{key}\n")
    assert "--update-key" not in "".join(heard)
    with pytest.raises(InputError, match=r"ours\.key is no public key"):
        prepare_parts(replace(options, update_key=secret), Hearing())
    prepare_parts(replace(options, update_key=None), Hearing())
    assert "without --update-key the card takes no update but with --unsigned" in heard[-1]


def test_networkmanagers_file_has_the_key_and_a_name_that_needs_no_quotes(tmp_path: Path) -> None:
    read = card(tmp_path, 'country = "DE"\n[wifi]\nssid = "caf\\u00e9; #1"\npassphrase = "password"\nhidden = true')
    text = keyfile(read.wifi).decode("ascii")
    assert "ssid=99;97;102;195;169;59;32;35;49;\n" in text
    assert f"psk={read.wifi.psk}\n" in text
    assert "password" not in text
    assert "hidden=true" in text
    assert text == keyfile(read.wifi).decode("ascii")
    assert "wifi-security" not in keyfile(card(tmp_path, 'country = "DE"\n[wifi]\nssid = "open"').wifi).decode()


def test_a_network_that_takes_wpa3_alone_gets_the_pass_phrase(tmp_path: Path) -> None:
    """SAE derives no key from it beforehand; GKeyFile would drop blanks in front and read backslashes as escapes."""
    section = 'country = "DE"\n[wifi]\nssid = "x"\nsecurity = "wpa3"\n'
    read = card(tmp_path, section + "passphrase = '  a\\b=;# cd '")
    text = keyfile(read.wifi).decode("ascii")
    assert "key-mgmt=sae\npsk=\\s\\sa\\\\b=;# cd \n" in text
    assert "wpa-psk" not in text
    assert "cd" not in repr(read)
    for wrong in ("", f'psk = "{"0" * 64}"'):
        with pytest.raises(InputError, match=r"wifi\.passphrase is missing"):
            card(tmp_path, section + wrong)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('hostname = "-kiosk"', "line 1: hostname must be a host name: 1 to 63 of a-z, 0-9 and -, not - at either end"),
        ('hostname = "a.b"', "hostname must be a host name"),
        ('hostnam = "a"', "hostnam is not a key of a card; did you mean hostname?"),
        ('country = "Germany"', "country 'Germany' is no country of ISO 3166-1; did you mean DE?"),
        ('country = "uk"', "country 'uk' is no country of ISO 3166-1; did you mean GB?"),
        ('country = "XX"', "country 'XX' is no country of ISO 3166-1; two letters such as DE name one"),
        ('country = "EU"', "country 'EU' is no country"),
        ('country = "ß"', "country 'ß' is no country"),  # its capitals are SS, South Sudan
        ('country = "DE "', "country 'DE ' is no country"),
        ('hostname = "LocalHost"', "hostname 'LocalHost' means every machine itself"),
        ('hostname = "ip6-loopback"', "hostname 'ip6-loopback' means every machine itself"),
        ('hostname = "42"', "hostname '42' is a number, which programs take for an address"),
        ('hostname = "0x7f000001"', "is a number, which programs take for an address"),
        ('time_zone = "../../etc"', "time_zone must be a time zone"),
        ('[user]\nname = "root"\npassword_hash = "x"', "user.name 'root' cannot be a user's name"),
        ('[user]\nname = "Anna"', "user.name 'Anna' cannot be a user's name"),
        ('[user]\nname = "anna"', "user has neither password_hash nor ssh_keys"),
        ('[user]\nname = "anna"\npassword = "x"', "openssl passwd -6"),
        (
            '[user]\nname = "anna"\npassword_hash = "hunter2"',
            "line 3: user.password_hash must be a hash that a login",
        ),
        ('[user]\nname = "anna"\nssh_keys = ["ssh-ed25519 AAAA"]', "user.ssh_keys has a ssh-ed25519 key"),
        (f'[user]\nname = "anna"\nssh_keys = ["ssh-rsa {KEY[12:]}"]', "cut short or of another kind"),
        ('[user]\nname = "anna"\nssh_keys = ["-----BEGIN OPENSSH PRIVATE KEY-----"]', "has a private key"),
        ('[user]\nname = "anna"\nssh_keys = ["hello"]', "no kind of key"),
        ('[wifi]\nssid = "x"\npassphrase = "password"', "country is missing"),
        ('country = "DE"\n[wifi]\nssid = "x"\npassphrase = "1234567"', "has 7 characters; WPA asks for 8 to 63"),
        (f'country = "DE"\n[wifi]\nssid = "x"\npassphrase = "{"x" * 64}"', "has 64 characters"),
        ('country = "DE"\n[wifi]\nssid = "x"\npassphrase = "pässword"', "not printable ASCII"),
        (f'country = "DE"\n[wifi]\nssid = "{"x" * 33}"', "wifi.ssid has 33 bytes"),
        ('country = "DE"\n[wifi]\nssid = "x"\npsk = "abc"', "wifi.psk must have 64 hex digits"),
        ('[wifi]\npassphrase = "password"', "wifi.ssid is missing"),
        ('wifi = "x"', "wifi must be a table, [wifi]"),
        ('[config.mqtt]\nhost = "x"', "config.mqtt belongs into [mqtt]"),
        ('[mqtt]\npassword = "a\\nb"', "mqtt.password must be one line"),
        ("hostname = ", "is not valid TOML"),
    ],
)
def test_what_is_refused(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as found:
        card(tmp_path, text)
    assert says in str(found.value)
    assert "card.toml" in found.value.message


@pytest.mark.parametrize(
    "name",
    ["nobody", "irc", "list", "uucp", "_apt", "messagebus", "systemd-network", "sudo", "shadow", "fer-edge"],
)
def test_no_system_account_or_group_becomes_a_person(name: str, tmp_path: Path) -> None:
    text = f'[user]\nname = "{name}"\npassword_hash = "{HASH}"'
    with pytest.raises(InputError, match="the system has an account or a group of that name"):
        card(tmp_path, text)


def test_a_refusal_repeats_no_secret(tmp_path: Path) -> None:
    for text in (
        '[user]\nname = "anna"\npassword_hash = "hunter2"',
        'country = "DE"\n[wifi]\nssid = "x"\npsk = "hunter2"',
    ):
        with pytest.raises(InputError) as found:
            card(tmp_path, text)
        assert "hunter2" not in str(found.value)


def test_a_card_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_card(tmp_path / "card.toml")


def test_the_first_page_is_a_card_and_its_examples_are_too(tmp_path: Path) -> None:
    assert card(tmp_path, FIRST_CARD).hostname == "fer-edge"
    lines = [line[1:] if line[:1] == "#" and line[1:2] not in (" ", "") else line for line in FIRST_CARD.split("\n")]
    text = "\n".join(line for line in lines if not line.startswith(("psk", "passphrase")))
    text = text.replace("$6$...", HASH).replace("ssh-ed25519 AAAA...", KEY)
    read = card(tmp_path, text)
    assert read.user.name == "kiosk"
    assert config_toml(read)


def test_the_kiosk_starts_with_what_the_card_says(tmp_path: Path) -> None:
    text = config_toml(card(tmp_path, GOOD), "rpi5", date(2026, 11, 25))
    assert "geheim-1" not in text
    assert "0123456789abcdef" not in text
    path = tmp_path / "config.toml"
    path.write_text(text)
    config = load_config(path, {})
    assert (config.place.name, config.place.kind, config.place.declared) == ("foyer", "museum", date(2026, 11, 25))
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.tls) == ("broker.lan", 8883, True)
    assert config.mqtt.topic == card(tmp_path, GOOD).hostname + "-{kiosk}"
    assert config.mqtt.password_file == Path("/etc/fer-edge/mqtt-password")
    assert config.web.token_file == Path("/etc/fer-edge/web-token")
    assert [source.what for source in config.source] == ["camera:1"]
    assert config.model.device == "rpi5"
    assert config.model.bundle == "/opt/fer-edge/current/bundle"


def test_a_small_board_starts_with_what_fits_it(tmp_path: Path) -> None:
    """But for what the card itself says; and no profile names a key that the kiosk does not know."""
    path = tmp_path / "config.toml"
    for name, profile in load_profiles(tmp_path).items():
        path.write_text(config_toml(card(tmp_path, GOOD), name, usual=profile.kiosk))
        assert load_config(path, {}).model.tune is (name != "rpi-zero2"), name
    small = find_profile("zero2").kiosk
    path.write_text(config_toml(card(tmp_path, GOOD + "\n[config.model]\ntune = true\n"), "rpi-zero2", usual=small))
    assert load_config(path, {}).model.tune


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("museum", "workplace"), "place.kind workplace is refused"),
        (('purpose = "counts"', ""), "place.purpose is missing"),
        (("[mqtt]\nhost", "[mqtt]\nhots"), "mqtt.hots is not a key of [mqtt]; host"),
        (("port = 8883", "port = 0"), "mqtt.port must be a whole number from 1 to 65535"),
        (("[config.source]", "[config.sourec]"), "[sourec] is no section"),
        (("0123456789abcdef", "short"), "web.token has 5 characters; 16 is the least"),
    ],
)
def test_a_configuration_that_the_kiosk_would_not_start_with(
    change: tuple[str, str], says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as found:
        config_toml(card(tmp_path, GOOD.replace(*change)))
    assert says.split("; host")[0] in str(found.value)
    assert "card.toml" in found.value.message
