"""Webhooks: signed, tried again, given up when plainly refused, and never in the way of whoever sends."""

from __future__ import annotations

import socket
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fer_edge.errors import InputError
from fer_edge.runtime.rules.webhook import MAX_WAITING, WebhookSender, WebhookSettings, secret_of
from support.hooks import SECRET, Receiver
from support.waiting import until

Make = Callable[..., WebhookSender]


@pytest.fixture
def sender() -> Iterator[Make]:
    held: list[WebhookSender] = []

    def make(url: str, timeout_s: float = 30.0) -> WebhookSender:
        key = b64decode(SECRET.removeprefix("whsec_"))
        held.append(WebhookSender(WebhookSettings(url, timeout_s=timeout_s), key, waits_s=(0.01, 0.05)))
        return held[-1]

    yield make
    for one in held:
        one.close()


@pytest.fixture
def receiver() -> Iterator[Callable[..., Receiver]]:
    held: list[Receiver] = []

    def make(*statuses: int, **kind: bool) -> Receiver:
        held.append(Receiver(*statuses, **kind))
        return held[-1]

    yield make
    for one in held:
        one.close()


def test_what_is_told_arrives_once_and_in_order(sender: Make, receiver: Callable[..., Receiver]) -> None:
    there = receiver()
    hook = sender(there.url)
    for number in range(3):
        hook.send({"rule": "r", "number": number})
    until(lambda: len(there.told) == 3)
    assert [told["number"] for told in there.told] == [0, 1, 2]
    assert len(set(there.deliveries)) == 3
    assert hook.check() == ""


def test_it_is_tried_again_until_it_is_taken(sender: Make, receiver: Callable[..., Receiver]) -> None:
    there = receiver(503, 429, 500)
    hook = sender(there.url)
    hook.send({"rule": "r"})
    until(lambda: there.told)
    assert there.tries == 4
    until(lambda: hook.check() == "")


@pytest.mark.parametrize("status", [400, 404, 301, 307])
def test_a_plain_refusal_or_redirection_is_said_and_not_repeated(
    status: int, sender: Make, receiver: Callable[..., Receiver]
) -> None:
    there = receiver(status)
    hook = sender(there.url)
    hook.send({"rule": "first"})
    until(lambda: f"answered {status}; what a rule told is given up" in hook.check())
    hook.send({"rule": "second"})
    until(lambda: [told["rule"] for told in there.told] == ["second"])
    assert there.tries == 2
    assert "hook" not in hook.check().replace("webhook", ""), "the path may be a secret"


@pytest.mark.parametrize("kind", ["silent", "drips"])
def test_a_slow_one_holds_nobody_up(kind: str, sender: Make, receiver: Callable[..., Receiver]) -> None:
    """Its own thread waits, for so long as was said and no longer; who sends does not."""
    there = receiver(**{kind: True})
    hook = sender(there.url, timeout_s=0.3)
    for number in range(3 * MAX_WAITING):
        hook.send({"number": number})
    until(lambda: "did not answer within 0.3 s" in hook.check(), hook.check())
    until(lambda: there.tries >= 2)


def test_one_that_is_not_there_is_said_and_found_when_it_comes(sender: Make) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        hook = sender(f"http://127.0.0.1:{probe.getsockname()[1]}/")
        hook.send({"rule": "r"})
        until(lambda: "cannot be reached" in hook.check())
    hook = sender("http://no-such-host.invalid/")
    hook.send({"rule": "r"})
    until(lambda: "the webhook at no-such-host.invalid cannot be reached" in hook.check())


def test_a_secret_that_can_be_guessed_or_is_not_there_is_refused(tmp_path: Path) -> None:
    texts = {"short": "whsec_c2VjcmV0\n", "words": "a secret of many words, more than a few\n", "empty": ""}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    for file in (*(tmp_path / name for name in texts), tmp_path / "absent", None):
        with pytest.raises(InputError, match="secret_file"):
            secret_of(WebhookSettings("http://h/", file))


def test_the_command_in_the_hint_makes_a_secret_that_is_taken(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        secret_of(WebhookSettings("http://h/"))
    subprocess.run(["sh", "-c", refused.value.hint or ""], cwd=tmp_path, check=True)
    assert len(secret_of(WebhookSettings("http://h/", tmp_path / "SECRET"))) == 32


@pytest.mark.parametrize("before", ["whsec_", ""])
def test_a_secret_with_or_without_its_prefix_is_one_key(before: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(before + SECRET.removeprefix("whsec_") + "\n")
    assert secret_of(WebhookSettings("http://h/", tmp_path / "secret")) == b"a secret of more than 24 bytes"
