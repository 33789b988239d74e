"""`rung verify`: what is read, which verifier is meant, what is said, and with which status."""

import io
import json
import sys

import pytest

from rung.cli import exhibits, named
from rung.cli import verify as commands
from rung.cli.main import COMMANDS
from rung.cli.named import Wanted
from rung.cli.trials import difference
from rung.cli.verify import Common, Spoiling
from rung.config import built_in
from rung.core.errors import ConfigError, RequestError
from rung.core.types import Need
from rung.core.verdicts import Weight
from rung.verifiers.catalogue import KINDS

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TOML = """
[tiers.low]
provider = "openai_compatible"
model = "m"
base_url = "http://127.0.0.1:9/v1"
api_key_env = "A_KEY_THAT_IS_NOT_SET"
price = "free"
[ladders.default]
tiers = ["low"]
verify = ["person", "grep -q x ."]
[verifiers.person]
kind = "json_schema"
schema = "person.json"
[verifiers.quick]
kind = "regex"
pattern = "a"
timeout_seconds = 0.5
[verifiers.opinion]
kind = "judge"
tier = "low"
"""
TOOL = {"name": "weather", "parameters": {"type": "object", "required": ["city"]}}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RUNG_CONFIG", raising=False)
    (tmp_path / "person.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "good.json").write_text('{"name": "Ada", "age": 36}\n')
    return tmp_path


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def ran(capsys, name, answer, **common):
    with pytest.raises(SystemExit) as left:
        commands.run(name, answer=answer, common=Common(**common), json=True)
    return left.value.code, json.loads(capsys.readouterr().out)


def trial(capsys, name, *answers, spoiling=None, **common):
    with pytest.raises(SystemExit) as left:
        commands.test(name, answer=answers, common=Common(**common), spoiling=spoiling, json=True)
    return left.value.code, json.loads(capsys.readouterr().out)


# ------------------------------------------------------------------ answers and requests


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("spam\n", "spam"),
        ("spam\r\n", "spam"),
        ("spam", "spam"),
        ("spam\n\n", "spam\n"),
        ("", ""),
        ("\ufeffspam", "spam"),
        ('{"a": 1}', '{"a": 1}'),
        ('{"object": "other"}', '{"object": "other"}'),
        ('{"object": ["chat.completion"]}', '{"object": ["chat.completion"]}'),
        ("{", "{"),
    ],
)
def test_a_file_is_the_answers_text_without_its_last_line_end(folder, content, text):
    found = exhibits.exhibit(write(folder, "a.txt", content))
    assert (found.answer.text, found.read_as) == (text, "text")


CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
BODIES = {
    "chat": {
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hi", "tool_calls": [CALL]},
                "finish_reason": "tool_calls",
            }
        ],
    },
    "messages": {
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "text", "text": "hi"},
            {"type": "tool_use", "id": "c1", "name": "weather", "input": {}},
        ],
        "stop_reason": "tool_use",
    },
    "responses": {
        "object": "response",
        "status": "completed",
        "output": [
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "hi", "annotations": []}],
            },
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
        ],
    },
}


@pytest.mark.parametrize("dialect", BODIES)
def test_a_providers_body_is_read_with_its_tool_calls(folder, dialect):
    found = exhibits.exhibit(write(folder, "a.json", json.dumps(BODIES[dialect])))
    assert (found.read_as, found.answer.text) == (dialect, "hi")
    assert [call.name for call in found.answer.tool_calls] == ["weather"]


def test_a_body_that_is_broken_is_told(folder):
    path = write(folder, "a.json", '{"object": "chat.completion", "choices": 3}')
    with pytest.raises(RequestError, match="looks like a body of chat and is none"):
        exhibits.exhibit(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"\x7fELF\x02\xff\xfe", "no UTF-8 text: see the byte at 5"),
        (b"x" * (exhibits.LONGEST + 1), "is longer than 33,554,432 bytes"),
    ],
)
def test_a_file_that_is_no_answer_is_told_with_its_name(folder, content, said):
    path = str(folder / "a.txt") if content is None else write(folder, "a.txt", content)
    with pytest.raises(RequestError, match=said) as caught:
        exhibits.exhibit(path)
    assert "a.txt" in caught.value.message
    assert caught.value.fix


def test_a_folder_and_a_name_that_is_none_are_told(folder):
    with pytest.raises(RequestError, match="is a folder"):
        exhibits.exhibit(str(folder))
    with pytest.raises(RequestError, match="cannot be read"):
        exhibits.exhibit("a\0b")


@pytest.mark.parametrize(
    ("body", "dialect"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, "chat"),
        ({"messages": [{"role": "user", "content": "hi"}], "system": "be brief"}, "messages"),
        ({"model": "m", "input": "hi"}, "responses"),
        (
            {
                "messages": [{"role": "user", "content": "hi"}],
                "tools": [{"type": "function", "function": TOOL}],
            },
            "chat",
        ),
        (
            {
                "messages": [{"role": "user", "content": "hi"}],
                "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
            },
            "messages",
        ),
    ],
)
def test_a_request_may_be_a_body_of_any_dialect(folder, body, dialect):
    found = exhibits.request(write(folder, "r.json", json.dumps(body)))
    assert found.dialect == dialect
    assert found.question == "hi"
    assert (Need.TOOLS in found.needs) == ("tools" in body)


@pytest.mark.parametrize("text", ["What is 2 + 2?\n", '{"a": 1}', "[1]", "{"])
def test_any_other_request_is_the_users_question(folder, text):
    assert exhibits.request(write(folder, "r.txt", text)).question == text


def test_a_request_that_is_a_broken_body_is_told(folder):
    with pytest.raises(RequestError, match="is no body of chat") as caught:
        exhibits.request(write(folder, "r.json", '{"messages": "hi"}'))
    assert caught.value.param == "messages"


def test_standard_input_is_one_text(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"piped\n")))
    assert exhibits.exhibit("-").answer.text == "piped"
    with pytest.raises(RequestError, match="named twice"):
        commands.run("arithmetic", answer="-", common=Common(asked="-"))


# ------------------------------------------------------------------ which verifier


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("a=true", True),
        ("a=3", 3),
        ("a=0.5", 0.5),
        ('a=["x", "y"]', ["x", "y"]),
        ("a={ max = 200 }", {"max": 200}),
        ("a=plain words", "plain words"),
        ("a=[0-9]+", "[0-9]+"),
        ('a="3"', "3"),
        ("a=", ""),
        ("a=x=y", "x=y"),
        ("a=1\nb = 2", "1\nb = 2"),
    ],
)
def test_an_option_is_read_as_rung_toml_would_have_it(typed, value):
    assert named.options([typed]) == {"a": value}


@pytest.mark.parametrize("typed", [["a"], ["=3"], ["a=1", "a=2"]])
def test_an_option_that_is_none_is_told(typed):
    with pytest.raises(RequestError, match="--option"):
        named.options(typed)


def made(name, *typed):
    return named.built(Wanted(name, typed), built_in({}))


def test_a_path_among_the_options_is_one_of_the_current_folder():
    assert made("json_schema", "schema=person.json").weight is Weight.REQUIRED


def test_names_mean_a_kind_a_function_a_gate_or_a_command(monkeypatch, folder):
    (folder / "my_own_checks.py").write_text("def valid(text):\n    return True\n")
    monkeypatch.syspath_prepend(folder)
    assert made("arithmetic").name == "arithmetic"
    assert made("tool_calls").name == "tool_calls"
    assert made("my_own_checks:valid").weight is Weight.REQUIRED
    assert made("ruff check .").name == "ruff check ."
    assert made("./check.sh", "stdin=true").stdin is True


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("aritmetic", (), "did you mean `arithmetic`"),
        ("pytest", (), "a command holds a blank"),
        ("tool_calls", ("a=1",), "takes no options"),
        ("json_schema", ("schema=nope.json",), "nope.json cannot be read"),
        ("length", ("word=3",), "length has no option 'word'"),
        ("judge", ("tier=nope",), "there is no tier 'nope'"),
        ("no_such_module:f", (), "cannot be imported"),
        ('echo "', (), "closed|closing|quot"),
    ],
)
def test_what_names_nothing_is_told_with_the_fix(name, typed, said):
    with pytest.raises((RequestError, ConfigError)) as caught:
        made(name, *typed)
    found = str(caught.value)
    assert any(each in found for each in said.split("|"))


def test_a_configured_verifier_needs_no_key_and_takes_no_options(folder, capsys):
    path = folder / "rung.toml"
    path.write_text(TOML)
    status, told = ran(capsys, "person", "good.json", path=path)
    assert (status, told["passed"], told["verifier"]) == (0, True, "person")
    with pytest.raises(RequestError, match=r"is configured in rung\.toml"):
        commands.run("person", answer="good.json", common=Common(option=("a=1",), path=path))
    with pytest.raises(ConfigError, match="A_KEY_THAT_IS_NOT_SET"):
        commands.run("opinion", answer="good.json", common=Common(path=path))


# ------------------------------------------------------------------ run


def test_what_a_verifier_concludes_is_said_with_a_status_of_its_own(folder, capsys):
    passed = ran(capsys, "json_schema", "good.json", option=("schema=person.json",))
    wrong = ran(capsys, "arithmetic", write(folder, "a", "17 * 23 = 390"))
    unsure = ran(capsys, "language", write(folder, "b", "ok"), option=("languages=['de']",))
    assert [status for status, _ in (passed, wrong, unsure)] == [0, 1, 3]
    assert [told["passed"] for _, told in (passed, wrong, unsure)] == [True, False, None]
    assert set(passed[1]) >= {"passed", "reason", "trust", "verifier", "seconds"}
    assert passed[1]["trust"] == "data"
    assert "391" in wrong[1]["reason"]


def test_people_are_told_in_one_line(folder, capsys):
    path = write(folder, "a", "[bold]spam[/]\x1b[31m\nor ham")
    with pytest.raises(SystemExit):
        commands.run("label_set", answer=path, common=Common(option=("labels=['spam']",)))
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "label_set failed" in out
    assert "[bold]spam[/]" in out
    assert "\x1b" not in out


def test_a_request_gives_a_check_what_it_compares_with(folder, capsys):
    asked = write(folder, "r.txt", "There were 1,234 cases.")
    answer = write(folder, "a.txt", "1234 cases")
    assert ran(capsys, "numbers_grounded", answer, asked=asked)[0] == 0
    assert ran(capsys, "numbers_grounded", answer)[0] == 1


def test_a_million_lines_and_no_line_have_an_outcome(folder, capsys):
    status, told = ran(capsys, "arithmetic", write(folder, "a", "1 + 1 = 2\n" * 1_000_000))
    assert (status, told["passed"]) == (3, None)
    assert "too many" in told["reason"]
    assert ran(capsys, "not_empty", write(folder, "b", ""))[0] == 1


def test_a_verifier_that_crashes_or_hangs_has_judged_nothing(folder, capsys, monkeypatch):
    (folder / "bad_checks.py").write_text(
        "import asyncio\ndef crash(text):\n    raise SystemExit(0)\n"
    )
    monkeypatch.syspath_prepend(folder)
    status, told = ran(capsys, "bad_checks:crash", "good.json")
    assert (status, told["passed"]) == (3, None)
    assert "SystemExit" in told["reason"]


# ------------------------------------------------------------------ test


def test_a_gate_is_tried_with_mutants_of_good_answers(capsys):
    status, told = trial(capsys, "json_schema", "good.json", option=("schema=person.json",))
    assert status == 0
    rows = {row["mutation"]: row for row in told["mutations"]}
    assert rows["drop a field"]["caught"] == rows["drop a field"]["tried"] == 2
    missed = rows["be off by one"]
    assert (missed["caught"], missed["missed"]) == (0, 1)
    assert missed["example"]["was"] != missed["example"]["now"]
    total = told["total"]
    assert total["tried"] == sum(row["tried"] for row in rows.values())
    assert total["tried"] == total["caught"] + total["abstained"] + total["missed"]
    rate = total["caught_rate"]
    assert rate["low"] < rate["value"] == total["caught"] / total["tried"] < rate["high"]


def test_the_same_seed_gives_the_same_report_and_several_answers_add_up(folder, capsys):
    other = write(folder, "other.json", '{"name": "Eda", "age": 85}')
    option = {"option": ("schema=person.json",), "spoiling": Spoiling(variants=2, seed=7)}
    once = trial(capsys, "json_schema", "good.json", **option)[1]
    again = trial(capsys, "json_schema", "good.json", **option)[1]
    both = trial(capsys, "json_schema", "good.json", other, **option)[1]
    assert once["mutations"] == again["mutations"]
    assert both["total"]["tried"] == 2 * once["total"]["tried"]
    assert [each["answer"] for each in both["good"]] == ["good.json", other]


def test_a_gate_that_rejects_good_answers_is_found_out(folder, capsys):
    bad = write(folder, "bad.json", '{"name": "Ada"}')
    status, told = trial(capsys, "json_schema", bad, "good.json", option=("schema=person.json",))
    assert status == 1
    assert [each["passed"] for each in told["good"]] == [False, True]
    assert told["total"]["tried"] > 20
    unsure = write(folder, "ok.txt", "ok")
    status, told = trial(capsys, "language", unsure, option=("languages=['de']",))
    assert (status, told["mutations"]) == (3, [])
    assert told["total"]["caught_rate"] == {"value": None, "low": 0.0, "high": 1.0}


def test_people_see_what_slipped_through(capsys):
    option = ("schema=person.json",)
    with pytest.raises(SystemExit):
        commands.test("json_schema", answer=("good.json",), common=Common(option=option))
    out = capsys.readouterr().out
    for said in (
        "json_schema, a required gate",
        "What slipped through, one of each",
        '"age": 36} ->',
        "as good as its original",
        "slipped through, ",
    ):
        assert said in out


def test_what_cannot_be_tried_is_told(folder):
    long = write(folder, "long.txt", "word " * 60_000)
    with pytest.raises(RequestError, match=r"long.txt cannot be mutated: .* 200,000"):
        commands.test("not_empty", answer=(long,))
    with pytest.raises(RequestError, match="a good answer is needed"):
        commands.test("not_empty", answer=())


def test_a_difference_is_shown_where_it_begins():
    was, now = difference("a" * 100 + "one" + "b" * 100, "a" * 100 + "two" + "b" * 100)
    assert was.startswith("…" + "a" * 12 + "one")
    assert now.startswith("…" + "a" * 12 + "two")
    assert len(was) < 60
    assert difference("same", "same and more") == ("same", "same and more")


# ------------------------------------------------------------------ list


def test_all_kinds_and_configured_verifiers_are_listed(folder, capsys):
    path = folder / "rung.toml"
    path.write_text(TOML)
    commands.list(path=path, json=True)
    told = json.loads(capsys.readouterr().out)
    kinds = {each["name"]: each for each in told["kinds"]}
    assert set(kinds) >= set(KINDS)
    unknown = [name for name in KINDS if kinds[name]["weight"] is None]
    assert unknown == []
    assert (kinds["judge"]["weight"], kinds["judge"]["trust"]) == ("signal", "judge")
    assert kinds["refusal"]["weight"] == "signal"
    configured = {each["name"]: each for each in told["configured"]}
    assert configured["person"]["ladders"] == ["default"]
    assert configured["grep -q x ."]["kind"] == "command"
    commands.list(path=path)
    shown = capsys.readouterr().out
    assert "opinion" in shown
    assert "the answer is JSON that satisfies a JSON Schema" in shown


def test_a_verifier_that_cannot_be_built_is_listed_with_the_reason(folder, capsys):
    path = folder / "rung.toml"
    path.write_text(TOML.replace("person.json", "gone.json"))
    commands.list(path=path)
    assert "gone.json cannot be read" in capsys.readouterr().out


def test_the_page_of_the_command_has_examples_of_all_three():
    examples = "\n".join(COMMANDS["verify"].examples)
    assert all(f"rung verify {part}" in examples for part in COMMANDS["verify"].parts)
