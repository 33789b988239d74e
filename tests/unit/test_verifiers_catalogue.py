"""The catalogue: kinds by name, their options, and plug-ins that can do no harm."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint

import pytest

from rung.core.errors import ConfigError
from rung.core.verdicts import Status, Trust, Weight
from rung.verifiers.base import passed, run
from rung.verifiers.catalogue import GROUP, KINDS, build, plug_ins
from rung.verifiers.implied import implied
from support.subjects import subject


def made(kind, **options):
    return build("own", KINDS[kind], options)


def refused(kind, **options):
    with pytest.raises(ConfigError) as caught:
        made(kind, **options)
    return caught.value.problems


async def status(verifier, text):
    return (await run(verifier, subject(text))).status


def test_what_is_implied():
    checks = {check.name: check.weight for check in implied()}
    assert checks == {
        "not_empty": Weight.IMPLIED,
        "cut_off": Weight.IMPLIED,
        "repetition": Weight.IMPLIED,
        "refusal": Weight.SIGNAL,
        "hedging": Weight.SIGNAL,
    }


async def test_a_schema_may_be_a_table_a_path_or_any_object(tmp_path):
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"type": "array"}))
    assert await status(made("json_schema", schema={"type": "array"}), "[]") is Status.PASSED
    assert await status(made("json_schema", schema=str(path)), "[]") is Status.PASSED
    assert await status(made("json_schema", any_object=True), "[]") is Status.FAILED
    assert await status(made("json_schema", schema=str(path)), "{}") is Status.FAILED


def test_a_schema_that_cannot_be_used_names_its_place(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "big.json").write_text(" " * 300_000)
    for schema, said in [
        (str(tmp_path / "none.json"), "cannot be read"),
        (str(tmp_path), "cannot be read"),
        (str(tmp_path / "bad.json"), "is not JSON"),
        (str(tmp_path / "big.json"), "is larger"),
        ({"type": "strin"}, "/type"),
        ({"$ref": "http://x.invalid"}, "nothing is ever fetched"),
        (5, "must be a path or a table"),
        ("a\x00b", "cannot be read"),
    ]:
        problem = refused("json_schema", schema=schema)[0]
        assert (problem.place, said in problem.message) == ("schema", True), problem
    assert refused("json_schema")[0].place == "schema"
    assert refused("json_schema", schema=True, any_object=True)[0].place == "schema"


async def test_signals_become_gates_when_told_to():
    for kind in ("refusal", "hedging"):
        assert made(kind).weight is Weight.SIGNAL
        assert made(kind, gate=True).weight is Weight.REQUIRED
        assert refused(kind, gate="yes")[0].place == "gate"
    for kind in ("not_empty", "cut_off", "repetition"):
        assert made(kind).weight is Weight.REQUIRED
    assert await status(made("label_set", labels=["a"]), "A") is Status.PASSED
    assert await status(made("label_set", labels=["a"], ignore_case=False), "A") is Status.FAILED


def test_a_python_function_is_called_by_name():
    check = made("python", function="math:isnan", timeout_seconds=3)
    assert (check.name, check.timeout_seconds, check.trust) == ("own", 3.0, Trust.CODE)
    assert refused("python")[0].place == "function"
    assert refused("python", function="math:none")[0].place == "function"
    for seconds in (0, -1, "3", True, float("nan"), 1e9):
        problem = refused("python", function="math:isnan", timeout_seconds=seconds)[0]
        assert problem.place == "timeout_seconds"


def test_unknown_options_are_all_named_with_the_nearest_known():
    problems = refused("json_schema", shema="x", any=True)
    assert [problem.place for problem in problems] == ["shema", "any"]
    assert problems[0].fix == "did you mean `schema`?"
    assert refused("not_empty", x=1)[0].fix == "remove it, there are none"


# ------------------------------------------------------------------ plug-ins


class Yes:
    name = "yes"
    weight = Weight.REQUIRED
    trust = Trust.DATA
    timeout_seconds = 1.0

    def check(self, _subject):
        return passed("yes")


def good(_options):
    return Yes()


def crashes(_options):
    raise SystemExit(1)


def misconfigured(_options):
    raise ConfigError("it needs a key", fix="set it")


class Raising:
    def __getattr__(self, name):
        raise RuntimeError(name)


def no_verifier(_options):
    return object()


def raising(_options):
    return Raising()


not_callable = 3


def entry(name, attribute, module=__name__):
    return EntryPoint(name, f"{module}:{attribute}", GROUP)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "catalogue_plug_ins", sys.modules[__name__])


def plugged(attribute):
    found = plug_ins([entry("mine", attribute, "catalogue_plug_ins")])
    return build("own", found.kinds["mine"], {"any": "option"}), found.warnings


async def test_a_plug_in_is_a_kind_under_the_configured_name():
    verifier, warnings = plugged("good")
    verdict = await run(verifier, subject("x"))
    assert (verdict.verifier, verdict.status, warnings) == ("own", Status.PASSED, ())


@pytest.mark.parametrize("attribute", ["missing", "not_callable"])
async def test_a_plug_in_that_cannot_be_loaded_warns_and_abstains(attribute):
    verifier, warnings = plugged(attribute)
    verdict = await run(verifier, subject("x"))
    assert verdict.status is Status.ABSTAINED
    assert "not available" in verdict.reason
    assert verifier.weight is Weight.REQUIRED
    assert len(warnings) == 1
    assert "'mine' is not available" in warnings[0]


@pytest.mark.parametrize("attribute", ["crashes", "no_verifier", "raising"])
async def test_a_plug_in_that_cannot_be_built_abstains(attribute):
    verifier, _ = plugged(attribute)
    assert await status(verifier, "x") is Status.ABSTAINED


def test_a_plug_in_may_refuse_its_options():
    with pytest.raises(ConfigError, match="needs a key"):
        plugged("misconfigured")


def test_a_plug_in_cannot_take_the_place_of_a_built_in():
    found = plug_ins([entry("json_schema", "good"), entry("x", "good"), entry("x", "crashes")])
    assert list(found.kinds) == ["x"]
    assert len([w for w in found.warnings if "is taken" in w]) == 2


def test_plug_ins_that_are_installed_are_found():
    assert plug_ins().warnings == ()
