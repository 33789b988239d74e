"""A tuned ladder into rung.toml: nothing else changes, and nothing wrong is ever written."""

from __future__ import annotations

import os
import tomllib
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.errors import ConfigError
from rung.core.plan import OnExhausted, Policy, Rung
from rung.fittings import policy_of
from rung.ledger import Ledger
from rung.tuner.aims import (
    Aim,
    Baseline,
    Basis,
    Certificate,
    Errors,
    Estimate,
    Part,
    Recommendation,
    Tuned,
)
from rung.tuner.applying import Applied, RungFile, applied, write_file
from rung.tuner.promised import certified, keep

TEXT = """\
# What we serve with.
default_ladder = "main"

[tiers.local]
provider = "ollama"   # on the desk
model = "llama3.1:8b"

[tiers."meta/mid"]
provider = "ollama"
model = "mid"
samples = 3

[tiers.opus]
provider = "ollama"
model = "claude-opus"

[ladders.main]
# cheap to dear
tiers = ["local", "opus"]  # two for now
verify = ["team"]

[verifiers.team]
kind = "label_set"
labels = ["a", "b"]

[[rules]]  # the night shift
name = "night"
lane = ["batch"]
entry = "local"

[server]
port = 4101
"""
LINE = "# tuned 2026-11-23: at most 1 point worse than opus, with 90% confidence (tested, n = 500)"
DAY, LATER = date(2026, 11, 23), date(2026, 12, 24)
SURE = Estimate(0.75, 0.7, 0.8)
WHOLE = Policy(
    "",
    (
        Rung("llama3.1:8b"),
        Rung("mid", most_spent_nanousd=1_500_000, samples=2),
        Rung("opus", reach=0.6),
    ),
)
OWN = Policy("coding", (Rung("mid", samples=3), Rung("opus")))


def found(tuned: Tuned | Policy | None = WHOLE, **more: object) -> Recommendation:
    made = Recommendation(
        aim=Aim(max_loss=0.01),
        tuned=Tuned(tuned) if isinstance(tuned, Policy) else tuned,
        certificate=Certificate(Basis.TESTED, 0.9, ("The requests to come are like these.",)),
        target=0.74,
        quality=SURE,
        quality_lower=0.72,
        cost_usd=SURE,
        cost_upper=0.9,
        saved=None,
        baseline=Baseline("claude-opus", SURE, SURE),
        alternatives=(),
        n=500,
        needed=None,
        advice=(),
        warnings=(),
        seconds=0.1,
    )
    return replace(made, **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "rung.toml"
    place.write_text(TEXT)
    return place


def put(
    path: Path, made: Recommendation, ladder: str = "main", day: date = DAY, **named: str
) -> Applied:
    return applied(RungFile.read(path, {}), ladder, made, named, day)


def said(made: Applied) -> str:
    assert not made.changed
    return "\n".join(str(problem) for problem in made.problems)


# ------------------------------------------------------------------ what is written


def test_the_ladder_is_put_in_and_every_other_line_stays_as_it_was(path: Path) -> None:
    made = put(path, found())
    assert made.problems == ()
    changes = [line for line in made.diff.splitlines()[2:] if line[0] in "+-"]
    assert changes == [
        f"+{LINE}",
        '-tiers = ["local", "opus"]  # two for now',
        '+tiers = ["local", "meta/mid", "opus"]  # two for now',
        "+",
        '+[ladders.main.limits."meta/mid"]',
        "+most_spent_usd = 0.0015",
        "+samples = 2",
        "+",
        "+[ladders.main.limits.opus]",
        "+reach = 0.6",
    ]


def test_a_list_of_several_lines_stays_one_and_keeps_its_comments(path: Path) -> None:
    listed = "tiers = [\n  \"local\",  # here\n  'opus'   # there\n]"
    path.write_text(TEXT.replace('tiers = ["local", "opus"]', listed))
    write_file(put(path, found()))
    wanted = 'tiers = [\n  "local", # here\n  "meta/mid",\n  "opus", # there\n]  # two for now\n'
    assert wanted in path.read_text()


def test_what_is_written_is_the_policy_that_was_tuned(path: Path) -> None:
    write_file(made := put(path, found()))
    parsed = RungFile.read(path, {}).parsed()
    rungs = policy_of("main", parsed.file.ladders["main"], parsed).rungs
    assert [(r.tier, r.most_spent_nanousd, r.samples, r.reach) for r in rungs] == [
        ("local", None, 1, 1.0),
        ("meta/mid", 1_500_000, 2, 1.0),
        ("opus", None, 1, 0.6),
    ]
    assert [rung.tier for rung in made.policies.whole.rungs] == ["local", "meta/mid", "opus"]
    assert (made.policies.whole.ladder, made.baseline) == ("main", "opus")


def test_the_old_file_is_kept_beside_it_with_its_rights(path: Path) -> None:
    path.chmod(0o640)
    backup = write_file(put(path, found()))
    assert backup == path.with_name("rung.toml.bak")
    assert backup.read_text() == TEXT
    assert {each.stat().st_mode & 0o777 for each in (path, backup)} == {0o640}
    assert sorted(each.name for each in path.parent.iterdir()) == ["rung.toml", "rung.toml.bak"]


def test_a_link_to_the_file_stays_a_link(path: Path) -> None:
    link = path.with_name("link.toml")
    link.symlink_to(path)
    write_file(put(link, found()))
    assert link.is_symlink()
    assert "tuned 2026-11-23" in path.read_text()


def test_applied_again_nothing_changes_not_even_the_day(path: Path) -> None:
    both = found(Tuned(WHOLE, {"coding": OWN}))
    write_file(put(path, both))
    again = put(path, both, day=LATER)
    assert (again.problems, again.diff) == ((), "")
    assert write_file(again) is None


def test_another_ladder_takes_the_place_of_the_last_one_with_its_limits_and_its_line(
    path: Path,
) -> None:
    write_file(put(path, found()))
    two = Policy("", (Rung("llama3.1:8b"), Rung("opus")))
    write_file(put(path, found(two, aim=Aim()), day=LATER))
    now = path.read_text()
    line = "# tuned 2026-12-24: as good as opus, with 90% confidence (tested, n = 500)\n"
    before = TEXT.replace("[ladders.main]\n", f"[ladders.main]\n{line}")
    assert now == before


def test_a_policy_that_the_file_has_already_gets_its_line_alone(path: Path) -> None:
    made = put(path, found(Policy("", (Rung("local"), Rung("opus")))))
    added = [line for line in made.diff.splitlines()[2:] if line[0] in "+-"]
    assert added == [f"+{LINE}"]


def test_without_a_guarantee_the_line_says_so(path: Path) -> None:
    made = found(certificate=Certificate(Basis.NOTHING, 0.9, ()))
    assert "+# tuned 2026-11-23: no guarantee; 75.0% right on 500 queries" in put(path, made).diff


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"aim": Aim(quality=0.74)}, "at least 74.0% right"),
        ({"aim": Aim(budget_usd=0.01), "target": None}, "certified"),
        ({"baseline": None}, "at least 74.0% right"),
        ({"aim": Aim(max_loss=0.025)}, "at most 2.5 points worse than opus"),
        (
            {"baseline": Baseline("gone\n[x]\x1b", SURE, SURE), "aim": Aim()},
            "as good as gone?[x]?",
        ),
    ],
)
def test_the_line_says_what_was_certified_and_nothing_else(
    path: Path, more: dict[str, object], says: str
) -> None:
    line = f"+# tuned 2026-11-23: {says}, with 90% confidence (tested, n = 500)"
    assert line in put(path, found(**more)).diff.splitlines()


def test_thresholds_are_written_for_each_tier_that_needs_another_than_the_ladder_says(
    path: Path,
) -> None:
    low, middle, high = WHOLE.rungs
    bars = (replace(low, min_confidence=0.8), middle, replace(high, min_confidence=0.65))
    write_file(put(path, found(Policy("", bars, min_confidence=0.5))))
    limits = tomllib.loads(path.read_text())["ladders"]["main"]["limits"]
    assert {tier: each.get("min_confidence") for tier, each in limits.items()} == {
        "meta/mid": 0.5,
        "opus": 0.65,
    }


@pytest.mark.parametrize(("errors", "repairs"), [(Errors(), None), (Errors(0.2, 0.2), 0)])
def test_repairs_are_left_to_experience_unless_the_check_is_known_to_err(
    path: Path, errors: Errors, repairs: int | None
) -> None:
    write_file(put(path, found(aim=Aim(errors=errors))))
    limits = tomllib.loads(path.read_text())["ladders"]["main"]["limits"]
    assert limits["opus"].get("repairs") == repairs


def test_caps_are_written_and_tighter_ones_of_ones_own_stay(path: Path) -> None:
    capped = replace(
        WHOLE, cost_cap_nanousd=50_000_000, deadline_seconds=30.0, on_exhausted=OnExhausted.BEST
    )
    path.write_text(TEXT.replace('verify = ["team"]', "max_usd = 0.01"))
    made = put(path, found(capped))
    write_file(made)
    ladder = tomllib.loads(path.read_text(), parse_float=Decimal)["ladders"]["main"]
    assert (ladder["max_usd"], ladder["deadline_seconds"]) == (Decimal("0.01"), 30)
    assert ladder["on_exhausted"] == "best"
    (note,) = made.notes
    assert note.startswith("max_usd = 0.01 of ladder 'main' stays")
    path.write_text(path.read_text().replace("max_usd = 0.01", "max_usd = 0.05"))
    assert put(path, found(capped)).notes == ()


def test_a_ladder_that_leaves_the_reference_out_says_what_savings_are_measured_by(
    path: Path,
) -> None:
    short = found(Policy("", (Rung("llama3.1:8b"), Rung("mid"))))
    (note,) = put(path, short).notes
    assert note.startswith("the bill measures savings against the top tier, which is meta/mid now")
    path.write_text(f'baseline = "opus"\n{TEXT}')
    assert put(path, short).notes == ()


# ------------------------------------------------------------------ categories


def test_a_category_gets_a_ladder_with_the_same_checks_and_a_rule_that_leads_there(
    path: Path,
) -> None:
    made = put(path, found(Tuned(WHOLE, {"coding": OWN, "chat": replace(WHOLE, ladder="")})))
    write_file(made)
    read = tomllib.loads(path.read_text())
    assert set(read["ladders"]) == {"main", "main-coding"}
    assert read["ladders"]["main-coding"] == {"tiers": ["meta/mid", "opus"], "verify": ["team"]}
    assert read["rules"][1] == {
        "name": "main-coding",
        "on": ["main"],
        "category": ["coding"],
        "ladder": "main-coding",
    }
    assert made.policies.by_category["coding"].ladder == "main-coding"
    assert made.notes == ("before the rule for coding stand 'night': the first decides",)


def test_a_category_that_has_no_ladder_any_more_loses_its_rule(path: Path) -> None:
    write_file(put(path, found(Tuned(WHOLE, {"coding": OWN}))))
    made = put(path, found())
    write_file(made)
    read = tomllib.loads(path.read_text())
    assert [rule["name"] for rule in read["rules"]] == ["night"]
    assert any("rule 'main-coding' goes" in note for note in made.notes)


def test_a_categorys_ladder_keeps_what_people_have_changed_in_it(path: Path) -> None:
    write_file(put(path, found(Tuned(WHOLE, {"coding": OWN}))))
    path.write_text(path.read_text().replace("[ladders.main-coding]", "[ladders.main-coding]\nx"))
    path.write_text(path.read_text().replace("\nx\n", "\nmax_wait_seconds = 9  # patient\n"))
    other = replace(OWN, rungs=(Rung("llama3.1:8b"), Rung("opus")))
    write_file(put(path, found(Tuned(WHOLE, {"coding": other}))))
    assert "max_wait_seconds = 9  # patient" in path.read_text()
    assert 'tiers = ["local", "opus"]\n' in path.read_text()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", "rung recognises no category 'law'."),
        ("[ladders.other]\ntiers = ['local']\n", "reached by its name"),
        ("[ladders.main-coding]\ntiers = ['local']\n", "there is a ladder 'main-coding' already"),
        ("[[rules]]\nname='main-coding'\nentry='local'\n", "there is a rule 'main-coding' already"),
    ],
)
def test_a_category_that_no_rule_can_lead_to_its_ladder_is_refused(
    path: Path, more: str, told: str
) -> None:
    head, tail = TEXT.split("[server]")
    path.write_text(f"{head}{more}[server]{tail}")
    category = "law" if not more else "coding"
    ladder = "other" if "other" in more else "main"
    assert told in said(put(path, found(Tuned(WHOLE, {category: OWN})), ladder))


# ------------------------------------------------------------------ a share of all requests

CHEAP = Policy("", (Rung("llama3.1:8b"),))
MIXED = Tuned(WHOLE, part=Part(0.1 + 0.2, CHEAP))
RULE = {"name": "main-part", "on": ["main"], "share": 0.3, "ladder": "main-part"}


def test_a_share_of_requests_gets_a_ladder_with_the_same_checks_and_a_rule_that_draws_them(
    path: Path,
) -> None:
    made = put(path, found(MIXED))
    write_file(made)
    read = tomllib.loads(path.read_text())
    assert read["ladders"]["main-part"] == {"tiers": ["local"], "verify": ["team"]}
    assert read["rules"][1:] == [RULE]
    assert made.policies.part == Part(0.3, Policy("main-part", (Rung("local"),)))
    assert made.notes == ("before the rule for 30% of requests stand 'night': the first decides",)
    says = "at most 1 point worse than opus, with 90% confidence (tested, n = 500)"
    lines = path.read_text().splitlines()
    for line in (
        f"# tuned 2026-11-23: {says}; 30% of requests go by main-part",
        f"# tuned 2026-11-23: 30% of requests of main, and with it {says}",
    ):
        assert lines.count(line) == 1


def test_a_share_applied_again_changes_nothing_and_another_one_changes_the_share_alone(
    path: Path,
) -> None:
    write_file(put(path, found(MIXED)))
    assert put(path, found(MIXED), day=LATER).diff == ""
    path.write_text(
        path.read_text().replace("share = 0.3", "share = 0.3  # a third\nagent = false")
    )
    write_file(put(path, found(replace(MIXED, part=Part(0.45, CHEAP))), day=LATER))
    assert tomllib.loads(path.read_text())["rules"][1] == RULE | {"share": 0.45, "agent": False}
    assert "share = 0.45 # a third" in path.read_text().replace("  #", " #")


def test_without_a_share_its_rule_goes_and_the_text_is_that_of_the_ladder_alone(
    path: Path,
) -> None:
    write_file(put(path, found(MIXED)))
    made = put(path, found())
    write_file(made)
    read = tomllib.loads(path.read_text())
    assert [rule["name"] for rule in read["rules"]] == ["night"]
    assert f"{LINE}\n" in path.read_text()
    assert any("rule 'main-part' goes: no share of requests" in note for note in made.notes)


@pytest.mark.parametrize("before", [None, Tuned(WHOLE, {"coding": OWN})])
def test_the_share_is_drawn_before_what_goes_by_its_category(
    path: Path, before: Tuned | None
) -> None:
    if before is not None:
        write_file(put(path, found(before)))
    write_file(put(path, found(replace(MIXED, by_category={"coding": OWN}))))
    names = [rule["name"] for rule in tomllib.loads(path.read_text())["rules"]]
    assert names == ["night", "main-part", "main-coding"]


def test_who_looks_again_at_the_ladders_answers_looks_at_the_shares_too(path: Path) -> None:
    path.write_text(TEXT.replace('verify = ["team"]', 'audit = "2%"'))
    write_file(put(path, found(MIXED)))
    ladders = tomllib.loads(path.read_text())["ladders"]
    assert ladders["main-part"] == {"tiers": ["local"], "audit": "2%", "audit_by": "opus"}
    assert "audit_by" not in ladders["main"]
    assert put(path, found(MIXED), day=LATER).diff == ""


def test_a_ladder_that_is_reached_by_its_name_gets_no_share(path: Path) -> None:
    head, tail = TEXT.split("[server]")
    path.write_text(f"{head}[ladders.other]\ntiers = ['opus']\n[server]{tail}")
    made = put(path, found(MIXED), "other")
    assert (made.problems, made.policies.part) == ((), None)
    assert "share" not in made.new_text


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("[ladders.main-part]\ntiers = ['local']\n", "there is a ladder 'main-part' already"),
        ("[[rules]]\nname='main-part'\nentry='local'\n", "there is a rule 'main-part' already"),
    ],
)
def test_a_name_that_somebody_else_has_given_is_not_taken(path: Path, more: str, told: str) -> None:
    head, tail = TEXT.split("[server]")
    path.write_text(f"{head}{more}[server]{tail}")
    assert told in said(put(path, found(MIXED)))


def test_the_models_of_the_share_need_a_tier_too(path: Path) -> None:
    strange = replace(MIXED, part=Part(0.3, Policy("", (Rung("unheard-of"),))))
    assert "no tier is called unheard-of" in said(put(path, found(strange)))


def test_the_certificate_has_the_share_and_its_ladder(path: Path) -> None:
    promise = certified(found(MIXED), put(path, found(MIXED)))
    assert promise.part is not None
    assert (promise.part.share, promise.part.policy.ladder) == (0.3, "main-part")
    assert promise.beside == {"main-part"}
    with Ledger.open(path.with_name("ledger.db")) as ledger:
        keep(ledger, "main", promise, 1.0)
        kept = ledger.certificate("main")
    assert kept is not None
    assert kept.made == promise


# ------------------------------------------------------------------ which tier a model is


def test_a_model_is_the_tier_of_its_name_before_it_is_the_tier_that_calls_it(path: Path) -> None:
    path.write_text(TEXT.replace('model = "mid"', 'model = "opus"'))
    policy = Policy("", (Rung("local"), Rung("opus")))
    assert [r.tier for r in put(path, found(policy)).policies.whole.rungs] == ["local", "opus"]


def test_every_model_without_a_tier_of_its_own_is_told_at_once(path: Path) -> None:
    path.write_text(TEXT.replace('model = "mid"', 'model = "llama3.1:8b"'))
    told = said(put(path, found(), "mian"))
    for line in (
        (
            "--tiers: several tiers call llama3.1:8b: local, meta/mid. "
            "Fix: say which one: as in --tiers llama3.1:8b=local"
        ),
        "--tiers: no tier is called mid and none calls such a model.",
        "--ladder: there is no ladder 'mian'. Fix: did you mean `main`?",
    ):
        assert line in told
    named = {"llama3.1:8b": "local", "mid": "meta/mid"}
    assert applied(RungFile.read(path, {}), "main", found(), named, DAY).problems == ()


def test_two_models_of_one_tier_and_a_tier_that_is_none_are_refused(path: Path) -> None:
    told = said(put(path, found(), mid="opus"))
    assert "mid and opus are both taken for tier 'opus'" in told
    assert "there is no tier 'opsu'. Fix: did you mean `opus`?" in said(
        put(path, found(), mid="opsu")
    )


def test_names_out_of_a_file_cannot_write_over_the_terminal(path: Path) -> None:
    evil = Policy("", (Rung("a\x1b[2J\nb"), Rung("opus")))
    told = said(put(path, found(evil)))
    assert "\x1b" not in told
    assert "a?[2J?b" in told


# ------------------------------------------------------------------ what is never written


def test_without_a_ladder_to_apply_nothing_is_written(path: Path) -> None:
    assert "there is no ladder to apply" in said(put(path, found(None)))


def test_what_the_configurations_own_reader_refuses_is_not_written(path: Path) -> None:
    made = put(path, found(Policy("", (Rung("mid"), Rung("opus")))))
    assert "rules.0.entry: 'local' stands on no ladder that the rule is for." in said(made)
    with pytest.raises(ConfigError, match="stands on no ladder"):
        write_file(made)
    assert path.read_text() == TEXT


def test_what_was_wrong_before_does_not_stand_in_the_way_where_it_is_no_part_of_it(
    path: Path,
) -> None:
    keyed = TEXT.replace(
        '[tiers.opus]\nprovider = "ollama"', '[tiers.opus]\nprovider = "anthropic"'
    )
    path.write_text(keyed.replace('"claude-opus"', '"claude-opus-4-1"'))
    tuned = Policy("", (Rung("llama3.1:8b"), Rung("claude-opus-4-1")))
    assert put(path, found(tuned)).problems == ()


@pytest.mark.parametrize("text", ["[tiers", TEXT.replace("port = 4101", "prot = 4101")])
def test_a_file_that_is_wrong_as_it_is_has_to_be_right_first(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigError):
        put(path, found())
    assert path.read_text() == text


def test_a_file_that_has_changed_since_it_was_read_is_left_alone(path: Path) -> None:
    made = put(path, found())
    path.write_text(TEXT + "# mine\n")
    with pytest.raises(ConfigError, match="has changed since it was read"):
        write_file(made)
    assert path.read_text() == TEXT + "# mine\n"
    assert not path.with_name("rung.toml.bak").exists()


def test_a_write_that_fails_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = put(path, found())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match=r"cannot be written: .*No space left"):
        write_file(made)
    assert path.read_text() == TEXT
    assert [each.name for each in path.parent.iterdir()] == ["rung.toml"]


# ------------------------------------------------------------------ files of every kind

INLINE = """\
ladders = { main = { tiers = ["local", "opus"] } }
rules = [{ name = "night", lane = ["batch"], entry = "local" }]
tiers = { local = { provider = "ollama", model = "llama3.1:8b" }, opus = { provider = "ollama", \
model = "claude-opus" }, "meta/mid" = { provider = "ollama", model = "mid" } }
"""
DOTTED = """\
ladders.main.tiers = ["local", "opus"]
tiers.local.provider = "ollama"
tiers.local.model = "llama3.1:8b"
tiers.opus = { provider = "ollama", model = "claude-opus" }
tiers."meta/mid" = { provider = "ollama", model = "mid" }
"""
SCATTERED = """\
[ladders.main]  # first
tiers = [
  "local",  # here
  "opus",   # there
]
[tiers.local]
provider = "ollama"
model = "llama3.1:8b"
[ladders.other]
tiers = ["local"]
[tiers.opus]
provider = "ollama"
model = "claude-opus"
[ladders.main.limits.opus]
reach = "50%"
[tiers."meta/mid"]
provider = "ollama"
model = "mid"
"""
QUOTED = TEXT.replace("[ladders.main]", ' [ "ladders" . main ]')
TRICKY = TEXT.replace(
    'labels = ["a", "b"]',
    'labels = ["a", """\n[ladders.main]\n# tuned 2000-01-01: x\n[tiers.z]"""]',
)


def test_what_cannot_be_put_in_safely_is_told_to_be_put_in_by_hand(path: Path) -> None:
    path.write_text(DOTTED)
    with pytest.raises(ConfigError, match="by hand:") as caught:
        put(path, found())
    given = tomllib.loads(str(caught.value.fix).partition(":")[2])["ladders"]["main"]
    assert given["tiers"] == ["local", "meta/mid", "opus"]
    assert given["limits"] == {
        "meta/mid": {"most_spent_usd": 0.0015, "samples": 2},
        "opus": {"reach": 0.6},
    }


@pytest.mark.parametrize(
    "text",
    [TEXT, INLINE, SCATTERED, QUOTED, TRICKY, TEXT.replace("\n", "\r\n"), TEXT.rstrip()],
    ids=["plain", "inline", "scattered", "quoted", "tricky", "crlf", "unended"],
)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_whatever_the_file_looks_like_only_the_ladder_changes_or_nothing_is_written(
    tmp_path_factory: pytest.TempPathFactory, text: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("any") / "rung.toml"
    path.write_bytes(text.encode())
    tuned = Tuned(data.draw(policies()), data.draw(st.just({}) | st.just({"coding": OWN})))
    made = put(path, found(tuned))
    assert made.problems == ()
    write_file(made)
    written = path.read_bytes().decode()
    assert ("\r\n" in text) == ("\r\n" in written)
    before, after = (tomllib.loads(each) for each in (text, written))
    own = {"main-coding"} if made.policies.by_category else set()
    assert set(after["ladders"]) - set(before["ladders"]) == own
    for key in ("tiers", "verifiers", "server", "default_ladder"):
        assert before.get(key) == after.get(key)
    assert before["ladders"].get("other") == after["ladders"].get("other")
    parsed = RungFile.read(path, {}).parsed()
    rungs = policy_of("main", parsed.file.ladders["main"], parsed).rungs
    for wanted, is_now in zip(made.policies.whole.rungs, rungs, strict=True):
        for name in ("tier", "min_confidence", "most_spent_nanousd", "reach", "samples"):
            assert getattr(is_now, name) == getattr(wanted, name)
    assert not put(path, found(tuned), day=LATER).changed


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Ladders that keep the tier that a rule of the files starts at."""
    above = draw(st.lists(st.sampled_from(["mid", "opus"]), unique=True))
    bars = draw(st.booleans())
    rungs = []
    for place, model in enumerate(["llama3.1:8b", *above]):
        rung = Rung(model, samples=draw(st.sampled_from((1, 2, 3))))
        if bars:
            rung = replace(rung, min_confidence=draw(st.sampled_from((0.0, 1 / 3, 0.65, 1.0))))
        if place:
            most = draw(st.none() | st.integers(0, 10**12))
            reach = draw(st.sampled_from((1.0, 0.0, 1e-7, 1 / 3)))
            rung = replace(rung, most_spent_nanousd=most, reach=reach)
        rungs.append(rung)
    return Policy("", tuple(rungs))


# ------------------------------------------------------------------ the certificate


def test_the_certificate_is_kept_by_the_names_of_the_configuration_and_once(path: Path) -> None:
    made = found(Tuned(WHOLE, {"coding": OWN}), aim=Aim(errors=Errors(0.1, 0.2, 0.15, labels=40)))
    ready = put(path, made)
    promise = certified(made, ready)
    assert promise.promises
    assert (promise.target, promise.confidence, promise.basis) == (0.74, 0.9, "tested")
    assert (promise.baseline, promise.n) == ("opus", 500)
    errors = promise.errors
    assert (errors.highest_accept, errors.highest_reject, errors.labels) == (0.15, 0.2, 40)
    with Ledger.open(path.with_name("ledger.db")) as ledger:
        assert ledger.certificate("main") is None
        assert keep(ledger, "main", promise, 1.0)
        assert not keep(ledger, "main", promise, 2.0)
        kept = ledger.certificate("main")
        assert kept is not None
        assert (kept.made, kept.created_unix, kept.unreadable) == (promise, 1.0, None)
        assert keep(ledger, "main", replace(promise, n=501), 3.0)
        assert [row.created_unix for row in ledger.certificates()] == [3.0, 1.0]


def test_a_ladder_tuned_without_a_guarantee_promises_nothing_any_more(path: Path) -> None:
    made = found(certificate=Certificate(Basis.NOTHING, 0.9, ()))
    assert not certified(made, put(path, made)).promises
