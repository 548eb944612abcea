"""The API against its description: every route is in it, and whatever is sent gets an answer that stands there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="needs the kiosk extra")

from fer_edge.runtime.status.health import Condition
from fer_edge.runtime.status.snapshot import state_of
from fer_edge.runtime.web.app import application
from fer_edge.runtime.web.connections import Connections
from fer_edge.runtime.web.events import Events
from fer_edge.runtime.web.guard import MAX_BODY
from fer_edge.runtime.web.settings import KioskControl, WebSettings
from fer_edge.runtime.web.token_auth import COOKIE
from support.web_client import SNAPSHOT, TOKEN, Told, ask, control_of, serving, streamed

EXAMPLES, TIMEOUT_S = 12, 300
"""Of each operation; the bound in time is a safety net."""
STREAMS = ("/api/events", "/preview")
"""They do not end by themselves, so a fuzzer would wait; they are asked below."""


def api() -> dict[str, Any]:
    file = resources.files("fer_edge.runtime.web").joinpath("openapi.json")
    return dict(json.loads(file.read_text(encoding="utf-8")))


def test_every_route_is_described_and_nothing_else() -> None:
    routes = application(WebSettings(), KioskControl(), Events(), Connections(1.0)).router.routes()
    served = {(route.method.lower(), str(route.resource and route.resource.canonical)) for route in routes}
    described = {(method, path) for path, item in api()["paths"].items() for method in item}
    assert served - {(method, path) for method, path in served if method == "head"} == described
    for method, path in served:
        assert method != "head" or (("get", path) in described and path not in STREAMS)


def test_the_description_is_a_valid_one_and_says_what_the_code_says() -> None:
    schemas = pytest.importorskip("jsonschema", reason="needs the report extra")
    whole = api()
    schema = {"$ref": "#/components/schemas/State", "components": whole["components"]}
    schemas.Draft202012Validator.check_schema(schema)
    schemas.validate(state_of(SNAPSHOT), schema)
    with pytest.raises(schemas.ValidationError):
        schemas.validate({**state_of(SNAPSHOT), "face": [0, 0, 64, 64]}, schema)
    components = whole["components"]
    assert components["schemas"]["Condition"]["enum"] == [condition.value for condition in Condition]
    assert components["securitySchemes"]["cookie"]["name"] == COOKIE
    assert str(MAX_BODY) in components["responses"]["TooLarge"]["description"]


def test_every_reference_leads_somewhere() -> None:
    whole = api()
    text = json.dumps(whole)
    for kind, parts in whole["components"].items():
        for name in parts:
            assert kind == "securitySchemes" or f'"#/components/{kind}/{name}"' in text, f"{name} is not used"
    for reference in text.split('"$ref": "')[1:]:
        _, *path = reference.split('"')[0].split("/")
        place: Any = whole
        for step in path:
            place = place[step]


def test_the_server_gives_it_away() -> None:
    with serving(control_of(Told())) as server:
        answer, body = ask(server, "/openapi.json")
        assert (answer.headers["Content-Type"], json.loads(body)) == ("application/json; charset=utf-8", api())


def test_streams_are_what_the_description_says() -> None:
    with serving(control_of(Told(), preview=lambda: b"\xff\xd8\xff\xd9"), TOKEN) as server:
        for path in STREAMS:
            described = api()["paths"][path]["get"]["responses"]["200"]["content"]
            stream = streamed(server, path, f"Authorization: Bearer {TOKEN}")
            kind = next(line for line in stream.recv(2000).split(b"\r\n") if line.startswith(b"Content-Type: "))
            assert kind.decode().removeprefix("Content-Type: ").split(";")[0] in described
            stream.close()


def fuzz(folder: Path, url: str, headers: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Schemathesis over everything but the streams, as a program: its plug-in for pytest is not needed."""
    program = Path(sys.executable).with_name("schemathesis")
    if not program.is_file():
        pytest.skip("schemathesis is not installed (dev extra)")
    description = folder / "openapi.json"
    description.write_text(json.dumps(api()))
    command = [program, "run", description, "--url", url, "--max-examples", str(EXAMPLES)]
    command += ["--seed", "7", "--no-color", "--suppress-health-check", "all", "--request-timeout", "10"]
    command += [part for path in STREAMS for part in ("--exclude-path", path)]
    command += [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S)


@pytest.mark.parametrize(("token", "sent"), [("", ""), (TOKEN, TOKEN), (TOKEN, "")], ids=["open", "inside", "outside"])
def test_a_fuzzed_api_shows_no_fault(tmp_path: Path, token: str, sent: str) -> None:
    """No 5xx that is not described, and every answer's status, kind, headers and body stand in the description."""
    headers = {"Authorization": f"Bearer {sent}"} if sent else {}
    with serving(control_of(Told()), token) as server:
        done = fuzz(tmp_path, f"http://127.0.0.1:{server.port}", headers)
        assert ask(server, "/api/state", **headers)[0].status == (200 if sent == token else 401)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Tested: 14" in done.stdout, done.stdout[-3000:]
