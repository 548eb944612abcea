"""Rules: when they tell, when they do not, what they refuse, and a dry run over a recorded session by the command."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise, product
from pathlib import Path

import pytest
from fer_edge.bundle import LABELS
from fer_edge.errors import UsageError
from fer_edge.runtime.rules.camera_rules import CameraRules
from fer_edge.runtime.rules.rule import ABOVE, BELOW, Rule, faults
from fer_edge.runtime.rules.watch import RuleWatch
from fer_edge.runtime.status.snapshot import Aggregate
from support.front_door import run_verb
from support.planted import plant

Command = Callable[..., tuple[int, str]]
Faces = Mapping[int, str]
FPS = 10
PLACE = '[place]\nname = "Hall"\nkind = "home"\npurpose = "to be tested"\ndeclared = 2026-11-25\n'


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return partial(run_verb, capsys)


def told(rule: Rule, faces: Callable[[float], Faces], seconds: float = 60, least: int = 1) -> list[float]:
    """When a rule tells, of what is shown at each moment."""
    watch = RuleWatch(rule, LABELS)
    moments = (watch.see(i / FPS, faces(i / FPS), least) for i in range(round(seconds * FPS)))
    return [fired.time_s for fired in moments if fired]


def spells(label: str, *pieces: tuple[float, float]) -> Callable[[float], Faces]:
    """One face that shows a label between these seconds, else neutral."""
    return lambda t: {1: label if any(a <= t < b for a, b in pieces) else "neutral"}


def test_it_tells_of_what_lasts_and_not_of_what_is_over_before() -> None:
    rule = Rule("r", "sad", for_s=5, cool_down_s=1)
    assert told(rule, spells("sad", (10, 14.5))) == []
    (once,) = told(rule, spells("sad", (10, 14.5), (30, 35.8)))
    assert 35 <= once <= 36
    assert told(rule, spells("happy", (0, 60))) == []


def test_a_blink_ends_nothing_and_a_gap_does() -> None:
    rule = Rule("r", "sad", for_s=5)
    shown = spells("sad", (10, 13), (13.3, 17))
    assert len(told(rule, shown)) == 1
    assert told(rule, lambda t: {} if 12 <= t < 14 else shown(t)) == [], "who went out of view for 2 s begins anew"


def test_it_cools_down() -> None:
    found = told(Rule("r", "sad", for_s=5, cool_down_s=20), spells("sad", (0, 60)))
    assert len(found) == 3
    assert [round(b - a, 6) for a, b in pairwise(found)] == [20, 20]


def test_below_and_the_index_of_valence() -> None:
    assert len(told(Rule("r", "happy", BELOW, 0.5, for_s=5), lambda t: {1: "happy" if t < 30 else "sad"})) == 1
    mixed = {1: "sad", 2: "angry", 3: "neutral"}
    rule = Rule("r", "valence_index", BELOW, -0.5, for_s=5)
    assert len(told(rule, lambda t: mixed if t > 20 else {**mixed, 1: "happy"}, least=3)) == 1


def test_a_baseline_is_each_persons_own() -> None:
    """Who is sad all the time is not told of; who becomes it is, and again only when it has become usual and ended."""
    rule = Rule("r", "sad", ABOVE, 0.5, for_s=2, baseline_s=20, cool_down_s=10)
    assert told(rule, spells("sad", (0, 60))) == []
    assert told(rule, spells("sad", (5, 10))) == [], "not known for long enough"
    (once,) = told(rule, spells("sad", (30, 60)))
    assert 32 <= once <= 33.5
    crowd = dict.fromkeys(range(3), "sad")
    assert told(rule, lambda t: crowd, least=3) == []
    assert len(told(rule, lambda t: crowd if t > 30 else dict.fromkeys(crowd, "neutral"), least=3)) == 1


def test_a_clock_that_stands_still_or_steps_back_tells_nothing_by_itself() -> None:
    watch = RuleWatch(Rule("r", "sad", for_s=5), LABELS)
    assert [watch.see(10.0, {1: "sad"}, 1) for _ in range(100)] == [None] * 100
    assert watch.see(4.0, {1: "sad"}, 1) is None
    assert watch.see(500.0, {1: "sad"}, 1) is None, "nothing is known of the time between"


LEAST = 3


def crowds() -> Iterator[tuple[Faces, Faces]]:
    """Everybody agrees; the same with one who does not."""
    for size, all_show, one_shows in product((3, 4, 6), ("neutral", "happy", "sad"), LABELS):
        agreed = dict.fromkeys(range(size), all_show)
        yield agreed, {**agreed, 0: one_shows}


@pytest.mark.parametrize("when", [ABOVE, BELOW])
@pytest.mark.parametrize("what", ["happy", "neutral", "valence_index"])
def test_no_rule_that_is_accepted_is_passed_by_one_person_alone(what: str, when: str) -> None:
    """Whatever the others agree on; the thresholds beside the accepted ones would tell of one."""
    accepted = refused = 0
    for threshold in (n / 24 for n in range(-23, 24)):
        rule = Rule("r", what, when, threshold, over_s=0.1, for_s=0)
        wrong = [w for _, w in faults(rule, LEAST)]
        passed = [
            told(rule, lambda t, f=one: f, 1, LEAST)
            for agreed, one in crowds()
            if not told(rule, lambda t, f=agreed: f, 1, LEAST)
        ]
        if wrong:
            refused += any("one person alone" in w for w in wrong)
        else:
            accepted += 1
            assert not any(passed), rule
    assert accepted > 3
    assert refused > 3


@pytest.mark.parametrize("what", ["happy", "valence_index"])
def test_nor_against_a_baseline(what: str) -> None:
    for threshold in (0.3, 0.5, 0.7):
        rule = Rule("r", what, ABOVE, threshold, over_s=0.5, for_s=0.5, baseline_s=5)
        if [w for _, w in faults(rule, LEAST)]:
            continue
        usual = dict.fromkeys(range(LEAST), "sad")
        assert told(rule, lambda t, u=usual: u if t < 10 else {**u, 0: "happy"}, 20, LEAST) == []
        assert told(rule, lambda t, u=usual: u if t < 10 else dict.fromkeys(u, "happy"), 20, LEAST)


def test_fewer_than_the_least_group_are_not_heard_of() -> None:
    from support.planted import observation

    rules, aggregate = CameraRules([Rule("r", "happy", for_s=1)], LABELS), Aggregate(LEAST)
    for faces in (2, 3):
        for i in range(40):
            aggregate.update(i / FPS + faces * 100, [observation(i, 0.0, "happy", n) for n in range(faces)])
            fired = rules.see(i / FPS + faces * 100, aggregate)
            assert faces == 3 or not fired
    assert aggregate.readable()


def test_a_least_group_that_was_raised_silences_a_rule_that_could_tell_of_one() -> None:
    from support.planted import observation

    rules, aggregate = CameraRules([Rule("r", "happy", threshold=0.34, for_s=1)], LABELS), Aggregate(LEAST)
    aggregate.least_group = 2
    found = []
    for i in range(40):
        aggregate.update(i / FPS, [observation(i, 0.0, "happy", n) for n in range(2)])
        found += rules.see(i / FPS, aggregate)
    assert found == []


WRONG = {
    'what = "sad"': "rule.name is missing",
    'name = "r"': "rule.what is missing",
    'name = "a b"\nwhat = "sad"': "rule.name must be up to 32 letters",
    'name = "r"\nwhat = "sad"\nthreshold = 2': "rule.threshold must be a number from -1 to 1",
    'name = "r"\nwhat = "sad"\nthreshold = -0.5': "rule.threshold must be from 0 to 0.99 here, not -0.5",
    'name = "r"\nwhat = "sad"\nthreshold = 0.2': "alone among 3 (privacy.least_group): here it must be at least 0.3334",
    'name = "r"\nwhat = "sad"\nfor_s = "10"': "rule.for_s must be a number",
    'name = "r"\nwhat = "sad"\nfor_s = nan': "rule.for_s must be a number",
    'name = "r"\nwhat = "sad"\nlog = false': "the rule would tell nobody",
    'name = "r"\nwhat = "sad"\nbaseline_s = 30': "at least 5 times over_s and for_s together, 55",
    'name = "r"\nwhat = "sad"\nmqtt = true': "rule.mqtt is true and needs mqtt.host",
    'name = "r"\nwhat = "sad"\nwebhook = true': "rule.webhook is true and needs webhook.url",
    'name = "r"\nwhat = "sad"\ntreshold = 1': "did you mean threshold?",
    'name = "r"\nwhat = "saad"': "does not know saad",
    'name = "r"\nwhat = "sad"\n[[rule]]\nname = "r"\nwhat = "sad"': "rule[1].name 'r' is another rule's name already",
    'name = "r"\nwhat = "sad"\n[webhook]\nurl = "http://hooks.example/x"': "needs webhook.secret_file",
    'name = "r"\nwhat = "sad"\n[webhook]\nurl = "ftp://hooks.example"': "webhook.url must be http:// or https://",
    'name = "r"\nwhat = "sad"\n[webhook]\nurl = "http://u:p@hooks.example"': "without a user, a password or blanks",
}


@pytest.mark.parametrize("lines", WRONG, ids=range(len(WRONG)))
def test_check_refuses(lines: str, command: Command) -> None:
    Path("c.toml").write_text(f'{PLACE}[store]\nfolder = "kept"\n[[rule]]\n{lines}\n')
    code, said = command("config", "check", "c.toml")
    assert code == 2, said
    assert WRONG[lines] in said
    assert "Traceback" not in said


def test_none_is_on_by_default_and_a_good_one_is_accepted(command: Command) -> None:
    Path("c.toml").write_text(f'{PLACE}[store]\nfolder = "kept"\n')
    assert '"rule": []' in command("config", "show", "c.toml", "--json")[1]
    Path("c.toml").write_text(Path("c.toml").read_text() + '[[rule]]\nname = "r"\nwhat = "sad"\n')
    assert command("config", "check", "c.toml") == (0, "c.toml: ok\n")


SPELLS = [("neutral", 20.0), ("sad", 4.0), ("neutral", 20.0), ("sad", 8.0), ("neutral", 8.0)]
ONE = """
[privacy]
least_group = 1
[[rule]]
name = "long"
what = "sad"
for_s = 5
[[rule]]
name = "none"
what = "fear"
"""


def test_a_dry_run_says_when_it_would_have_told(command: Command, tmp_path: Path) -> None:
    plant(tmp_path / "s", SPELLS)
    Path("c.toml").write_text(ONE)
    code, said = command("report", "s", "--rules", "c.toml", "--only", "rules")
    assert code == 0, said
    assert "rule long:           1 time: 49.6 s" in said
    assert "rule none:           never" in said
    assert "in 59.9 of 59.9 s, when at least 1 face could be read" in said
    (row,) = csv.DictReader(Path("s/rules.csv").read_text().splitlines())
    assert (row["rule"], float(row["value"])) == ("long", 1.0)
    assert abs(float(row["time_s"]) - 49.5) <= 0.2, "44 s, half a second of its mean, and 5"
    code, said = command("report", "s", "--rules", "c.toml", "--only", "csv,rules", "--json")
    assert json.loads(said)["rules"] == {"long": [float(row["time_s"])], "none": []}
    assert [Path(p).name for p in json.loads(said)["outputs"]] == ["observations.csv", "rules.csv"]


def test_a_dry_run_keeps_the_least_group(command: Command, tmp_path: Path) -> None:
    plant(tmp_path / "s", SPELLS)
    Path("c.toml").write_text(ONE.replace("least_group = 1", "least_group = 3"))
    code, said = command("report", "s", "--rules", "c.toml", "--only", "rules")
    assert (code, "never" in said, "in 0.0 of 59.9 s, when at least 3 faces could be read" in said) == (0, True, True)
    plant(tmp_path / "three", SPELLS, SPELLS, SPELLS)
    assert "rule long:           1 time" in command("report", "three", "--rules", "c.toml", "--only", "rules")[1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "c.toml has no rule"),
        ("[[rule]", "is not valid TOML"),
        ('[[rule]]\nname = "r"\nwhat = "saad"\n', "does not know saad"),
        ('[[rule]]\nname = "r"\nwhat = "sad"\nthreshold = 7\n', "rule.threshold must be a number from -1 to 1"),
    ],
)
def test_a_dry_run_refuses(text: str, says: str, command: Command, tmp_path: Path) -> None:
    plant(tmp_path / "s", [("neutral", 1.0)])
    Path("c.toml").write_text(text)
    code, said = command("report", "s", "--rules", "c.toml", "--only", "rules")
    assert code == 2, said
    assert says in said
    assert "Traceback" not in said
    assert not Path("s/rules.csv").exists()
    assert command("report", "s", "--only", "rules")[0] == 2
    assert command("report", "s", "--rules", "absent.toml")[0] == 2


def test_the_bundle_is_asked_at_the_start_too() -> None:
    with pytest.raises(UsageError, match="rule r: the bundle does not know joy"):
        CameraRules([Rule("r", "joy")], LABELS)
    with pytest.raises(UsageError, match="there is no index of valence"):
        CameraRules([Rule("r", "valence_index")], ("happy", "neutral"))
