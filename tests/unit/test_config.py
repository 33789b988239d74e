import os
import tomllib
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung import config
from rung.config import BUILT_IN, built_in, find, load, parse
from rung.core.errors import ConfigError
from rung.core.plan import OnExhausted
from rung.core.types import Need
from rung.fittings import auto_of, policy_of
from rung.inspection import problems

PATH = Path("/somewhere/rung.toml")
SMALL = '[tiers.a]\nprovider = "embedded"\n[ladders.main]\ntiers = ["a"]\n'
HOSTED = """\
[tiers.a]
provider = "openai_compatible"
model = "m"
base_url = "http://127.0.0.1:1/v1"
{}
[ladders.main]
tiers = ["a"]
{}
"""


CHECKED = """\
[tiers.a]
provider = "embedded"
[ladders.default]
tiers = ["a"]
"""


LIMITED = """\
[tiers.a]
provider = "embedded"
[tiers."meta/b:1"]
provider = "embedded"
constrained = true
[ladders.main]
tiers = ["a", "meta/b:1"]
[ladders.main.limits.a]
min_confidence = 0.7
samples = 3
repairs = 2
[ladders.main.limits."meta/b:1"]
most_spent_usd = 0.05
reach = "60%"
[ladders.other]
tiers = ["a", "meta/b:1"]
"""


def faults(text, env=None, inspect=problems):
    """What `rung config check` would say, a line each."""
    with pytest.raises(ConfigError) as caught:
        parse(text, PATH, env or {}, inspect)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def fault(text, env=None):
    (only,) = faults(text, env)
    return only


# ------------------------------------------------------------------ what is right


def test_a_tier_may_have_limits_of_its_own_on_a_ladder():
    made = parse(LIMITED, PATH, {}, problems)
    main, other = (policy_of(*each, made) for each in made.file.ladders.items())
    low, high = main.rungs
    assert (low.min_confidence, low.most_spent_nanousd, low.reach) == (0.7, None, 1.0)
    assert (low.samples, low.repairs) == (3, 2)
    assert Need.MANY_CHOICES in low.lacks
    assert (high.min_confidence, high.most_spent_nanousd, high.reach) == (None, 50_000_000, 0.6)
    assert [rung.samples for rung in other.rungs] == [1, 1]
    assert {rung.reach for rung in other.rungs} == {1.0}
    tables = made.file.ladders
    assert auto_of(tables["main"], made).repairs == {"meta/b:1"}
    assert auto_of(tables["other"], made).repairs == {"a", "meta/b:1"}


def test_every_limit_that_is_none_is_told_with_its_fix():
    text = LIMITED.replace('reach = "60%"', "reach = 1.5\nreech = 1").replace(
        "min_confidence = 0.7", "min_confidence = true\nreach = 0.5\nmost_spent_usd = 1"
    )
    text += "[ladders.other.limits.'meta/b:2']\nreach = 0.5\n"
    told = "\n".join(faults(text))
    for said in (
        "rung.toml:9: ladders.main.limits.a.min_confidence: Input should not be true or false",
        "rung.toml:10: ladders.main.limits.a.reach: does nothing for the lowest tier",
        "rung.toml:11: ladders.main.limits.a.most_spent_usd: does nothing for the lowest tier",
        "rung.toml:16: ladders.main.limits.meta/b:1.reach: Input should be less than or equal to 1",
        (
            "rung.toml:17: ladders.main.limits.meta/b:1.reech: there is no such key. "
            "Fix: did you mean `reach`?"
        ),
        (
            "rung.toml:20: ladders.other.limits.meta/b:2: tier 'meta/b:2' does not stand on the "
            "ladder. Fix: did you mean `meta/b:1`?"
        ),
    ):
        assert said in told, told


def test_little_has_to_be_said():
    made = parse(SMALL, PATH, {}, problems)
    assert made.default_ladder == "main"
    ladder = made.file.ladders["main"]
    assert (ladder.tiers, ladder.on_exhausted) == (("a",), OnExhausted.INBOX)
    assert (made.file.server.host, made.file.server.port) == ("127.0.0.1", 4100)
    tier = made.file.tiers["a"]
    assert (tier.retries, tier.repairs, tier.samples, tier.timeout_seconds) == (1, "auto", 1, 120.0)


def test_the_first_ladder_is_the_default_unless_another_is_named():
    two = SMALL + '[ladders.other]\ntiers = ["a"]\n'
    assert parse(two, PATH, {}).default_ladder == "main"
    assert parse('default_ladder = "other"\n' + two, PATH, {}).default_ladder == "other"


def test_amounts_are_what_was_typed():
    price = "[tiers.a.price]\ninput_usd_per_mtok = 0.1\noutput_usd_per_mtok = 0.3\n"
    made = parse(HOSTED.format(price, "max_usd = 0.07"), PATH, {}, problems)
    assert made.file.tiers["a"].price.input_usd_per_mtok == Decimal("0.1")
    assert made.file.ladders["main"].max_usd == Decimal("0.07")


def test_a_models_own_name_may_name_a_tier():
    text = SMALL.replace("[tiers.a]", '[tiers."llama3.1:8b"]').replace('["a"]', '["llama3.1:8b"]')
    assert list(parse(text, PATH, {}, problems).file.tiers) == ["llama3.1:8b"]


def test_the_built_in_one_is_sound_and_stays_on_this_machine():
    made = built_in({"HOME": "/home/x"})
    assert problems(made) == []
    assert made.path is None
    assert {tier.provider for tier in made.file.tiers.values()} == {"embedded"}
    assert parse(BUILT_IN, PATH, {}, problems).file.ladders == made.file.ladders


# ------------------------------------------------------------------ where it is


def test_it_is_looked_for_from_the_nearest_to_the_farthest(tmp_path):
    home, folder = tmp_path / "home", tmp_path / "project"
    own = home / ".config" / "rung" / "rung.toml"
    own.parent.mkdir(parents=True)
    folder.mkdir()
    env = {"HOME": str(home)}
    assert find(env, folder) is None
    own.touch()
    assert find(env, folder) == own
    assert find({**env, "XDG_CONFIG_HOME": str(tmp_path)}, folder) is None
    (folder / "rung.toml").touch()
    assert find(env, folder) == folder / "rung.toml"
    assert find({**env, "RUNG_CONFIG": "named.toml"}, folder) == Path("named.toml")
    assert find({**env, "RUNG_CONFIG": ""}, folder) == folder / "rung.toml"


def test_the_ledger_is_where_data_belongs_or_beside_the_file(tmp_path):
    env = {"HOME": "/home/x"}
    assert parse(SMALL, PATH, env).ledger == Path("/home/x/.local/share/rung/ledger.db")
    elsewhere = {**env, "XDG_DATA_HOME": "/data"}
    assert parse(SMALL, PATH, elsewhere).ledger == Path("/data/rung/ledger.db")
    path = tmp_path / "rung.toml"
    path.write_text('ledger = "mine.db"\n' + SMALL)
    assert load(path, env).ledger == tmp_path / "mine.db"
    path.write_text('ledger = "/absolute/mine.db"\n' + SMALL)
    assert load(path, env).ledger == Path("/absolute/mine.db")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for path, said in (
        (tmp_path / "none.toml", "does not exist"),
        (tmp_path, "cannot be read"),
        (tmp_path / "latin.toml", "cannot be read"),
    ):
        (tmp_path / "latin.toml").write_bytes(b"# caf\xe9")
        with pytest.raises(ConfigError, match=said):
            load(path, {})


def test_a_schema_is_taken_from_the_files_folder(tmp_path):
    (tmp_path / "s.json").write_text('{"type": "object"}')
    path = tmp_path / "rung.toml"
    verifier = '[verifiers.shape]\nkind = "json_schema"\nschema = "{}"\n'
    path.write_text(SMALL + verifier.format("s.json"))
    load(path, {}, problems)
    path.write_text(SMALL + verifier.format("other.json"))
    with pytest.raises(ConfigError, match=r"rung.toml:7: verifiers.shape.*other.json"):
        load(path, {}, problems)


# ------------------------------------------------------------------ what is wrong


def test_every_fault_is_told_at_once_with_its_line():
    text = """\
default_ladder = "mian"

[server]
port = 99999
prot = 1

[tiers.cheap]
provider = "olama"
model = "m"
retrys = 2
timeout_seconds = "soon"

[tiers.idle]
provider = "embedded"
model = "m"
keep_alive = "5m"

[ladders.main]
tiers = ["cheap", "claud", "idle", "idle"]
verify = ["shape"]

[verifiers.shap]
kind = "json_schem"
"""
    told = "\n".join(faults(text))
    for said in (
        "rung.toml:1: default_ladder: there is no ladder 'mian'. Fix: did you mean `main`?",
        "rung.toml:4: server.port:",
        "rung.toml:5: server.prot: there is no such key. Fix: did you mean `port`?",
        "rung.toml:8: tiers.cheap.provider: there is no provider 'olama'.",
        "rung.toml:10: tiers.cheap.retrys: there is no such key. Fix: did you mean `retries`?",
        "rung.toml:11: tiers.cheap.timeout_seconds:",
        "rung.toml:15: tiers.idle.model: does nothing for provider 'embedded'.",
        "rung.toml:16: tiers.idle.keep_alive: does nothing for provider 'embedded'.",
        "rung.toml:19: ladders.main.tiers: there is no tier 'claud'.",
        "rung.toml:19: ladders.main.tiers: tier 'idle' is listed twice.",
        "rung.toml:20: ladders.main.verify: there is no verifier 'shape'. Fix: did you mean `shap`",
        "rung.toml:23: verifiers.shap.kind: there is no kind 'json_schem'.",
    ):
        assert said in told, told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "tiers: is required. Fix: add `[tiers.<name>]"),
        ('[tiers.a]\nprovider = "embedded"', "ladders: is required"),
        ("[tiers]\n[ladders.m]\ntiers = ['a']", "tiers:"),
        ("[tiers.a]\nmodel = 'm'\n[ladders.m]\ntiers = ['a']", "tiers.a.provider: is required"),
        (SMALL.replace('["a"]', "[]"), "ladders.main.tiers"),
        (SMALL + "[ladders.'bad name']\ntiers = ['a']", "bad name"),
        (SMALL + "x = 1", "ladders.main.x: there is no such key"),
        ("surprise = 1\n" + SMALL, "surprise: there is no such key"),
        (HOSTED.format("retries = -1", ""), "tiers.a.retries"),
        (HOSTED.format("samples = 0", ""), "tiers.a.samples"),
        (HOSTED.format("timeout_seconds = 0", ""), "tiers.a.timeout_seconds"),
        (HOSTED.format("timeout_seconds = nan", ""), "tiers.a.timeout_seconds"),
        (HOSTED.format("context_tokens = 10", ""), "tiers.a.context_tokens"),
        (HOSTED.format('price = "cheap"', ""), "tiers.a.price"),
        (HOSTED.format("price = {input_usd_per_mtok = 1}", ""), "output_usd_per_mtok"),
        (
            HOSTED.format("price = {input_usd_per_mtok = -1, output_usd_per_mtok = 1}", ""),
            "tiers.a.price.input_usd_per_mtok",
        ),
        (
            HOSTED.format("price = {input_usd_per_mtok = inf, output_usd_per_mtok = 1}", ""),
            "tiers.a.price.input_usd_per_mtok",
        ),
        (HOSTED.format("", "max_usd = nan"), "ladders.main.max_usd"),
        (HOSTED.format("", "max_usd = -1"), "ladders.main.max_usd"),
        (HOSTED.format("", "min_confidence = 2"), "ladders.main.min_confidence"),
        (HOSTED.format("", 'on_exhausted = "shrug"'), "ladders.main.on_exhausted"),
        (HOSTED.format("", '[server]\nhost = "0.0.0.0"\nkeys = "off"'), "from other machines"),
        (HOSTED.format("", '[server]\nhost = "gateway.example"'), "is no IP address"),
        (HOSTED.format("", '[server]\nhost = ""'), "is no IP address"),
        (HOSTED.format("", '[server]\nhosts = ["*"]'), "every Host would be answered"),
        (HOSTED.format("", "[server]\nmax_body_bytes = 1"), "server.max_body_bytes"),
        ('[tiers.a]\nprovider = "ollama"\n[ladders.m]\ntiers = ["a"]', "tiers.a.model"),
        (HOSTED.format("", "").replace("http:", "ftp:"), "must begin with http://"),
        ('baseline = "no-such-model"\n' + SMALL, "baseline"),
        ("[tiers.a", "is not TOML"),
        ("a = 1\na = 2", "is not TOML"),
    ],
)
def test_a_fault_names_its_place(text, said):
    told = faults(text)
    assert any(said in line for line in told), told
    assert all(line.startswith(("rung.toml", "/somewhere/rung.toml")) for line in told)


def test_a_key_that_is_missing_from_the_environment_is_named():
    text = HOSTED.format('api_key_env = "MY_KEY"\nprice = "free"', "")
    assert "the environment variable MY_KEY is not set" in fault(text)
    assert "MY_KEY" in fault(text, {"MY_KEY": ""})
    made = parse(text, PATH, {"MY_KEY": "sk-secret"}, problems)
    assert made.secret("MY_KEY") == "sk-secret"
    assert "sk-secret" not in repr(made)


def test_a_model_without_a_known_price_is_refused():
    text = '[tiers.a]\nprovider = "openai"\nmodel = "no-such"\n[ladders.m]\ntiers = ["a"]\n'
    assert "price" in fault(text, {"OPENAI_API_KEY": "k"})
    free = text.replace("[ladders", 'price = "free"\n[ladders')
    parse(free, PATH, {"OPENAI_API_KEY": "k"}, problems)


def test_a_local_address_costs_nothing_and_a_distant_one_has_to_say():
    assert parse(HOSTED.format("", ""), PATH, {}, problems)
    distant = HOSTED.format("", "").replace("http://127.0.0.1:1", "https://api.example.com")
    assert "price" in fault(distant)


VERIFIER = SMALL + "[verifiers.{}]\nkind = '{}'\n"


def test_the_name_of_the_vote_is_taken():
    assert fault(VERIFIER.format("agreement", "refusal")) == (
        "rung.toml:5: verifiers.agreement: is the name of the vote among a tier's samples. "
        "Fix: choose another name"
    )


def test_the_name_of_the_gate_on_tool_calls_is_taken():
    assert fault(VERIFIER.format("tool_calls", "refusal")).startswith(
        "rung.toml:5: verifiers.tool_calls: is the name of the gate on tool calls"
    )


@pytest.mark.parametrize("name", ["not_empty", "cut_off", "repetition", "refusal", "hedging"])
def test_the_name_of_a_built_in_check_means_that_check(name):
    other = "hedging" if name == "refusal" else "refusal"
    assert f'Fix: choose another name, or write `kind = "{name}"`' in fault(
        VERIFIER.format(name, other)
    )
    for sound in (VERIFIER.format(name, name), VERIFIER.format(f"my-{name}", name)):
        assert parse(sound, PATH, {}, problems).file.verifiers


def test_a_fault_below_a_quoted_name_has_its_line():
    text = SMALL + '[tiers."llama3.1:8b"]\nprovider = "ollama"\nmodel = "m"\nretrys = 1\n'
    assert fault(text).startswith("rung.toml:8: tiers.llama3.1:8b.retrys")


@given(st.text(max_size=200))
def test_whatever_the_text_is_it_is_a_configuration_or_a_config_error(text):
    with suppress(ConfigError):
        parse(text, PATH, {}, problems)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
KEYS = st.sampled_from(["tiers", "ladders", "server", "verifiers", "ledger", "a", "price", "kind"])


@given(
    st.dictionaries(KEYS, st.recursive(VALUES, lambda v: st.dictionaries(KEYS, v) | st.lists(v)))
)
def test_whatever_the_tables_hold_faults_are_config_errors(tables):
    text = "\n".join(f"{key} = {toml_value(value)}" for key, value in tables.items())
    assert tomllib.loads(text) is not None
    with suppress(ConfigError):
        parse(text, PATH, {}, problems)


def toml_value(value):
    match value:
        case None:
            return '"none"'
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{k} = {toml_value(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml_value, value)) + "]"
        case str():
            return '"' + "".join(c for c in value if c.isalnum()) + '"'
        case _:
            return str(value)


def test_only_one_place_reads_the_environment(monkeypatch):
    monkeypatch.setattr(os, "environ", {"A": "1"})
    assert config.environment() == {"A": "1"}


@pytest.mark.parametrize("key", ["sk-secret\n", "sk secret", "sk-\u200bsecret", "sk-\x00"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(key):
    text = HOSTED.format('api_key_env = "MY_KEY"\nprice = "free"', "")
    told = fault(text, {"MY_KEY": key})
    assert "the key in MY_KEY" in told
    assert "secret" not in told


# ------------------------------------------------------------------ the sandbox


def test_what_commands_may_take_and_see_can_be_set(tmp_path):
    table = f'[sandbox]\nmemory_mb = 2048\nprocesses = 128\nreads = ["{tmp_path}"]\n'
    made = parse(SMALL + table, PATH, {}, problems).file.sandbox
    assert (made.memory_mb, made.processes, made.reads) == (2048, 128, (str(tmp_path),))
    bare = parse(SMALL, PATH, {}, problems).file.sandbox
    assert (bare.memory_mb, bare.processes, bare.reads) == (512, 32, ())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("memory_mb = 8", "sandbox.memory_mb"),
        ("processes = 0", "sandbox.processes"),
        ('reads = ["opt/tool"]', "no folder that begins with /"),
        ('reads = ["/no/such/folder"]', "no folder that begins with /"),
        ('reads = ["/etc"]', "more than programs"),
        ('reads = ["/"]', "more than programs"),
        ('reads = ["a\\u0000b"]', "no folder that begins with /"),
        ('reads = ["/a\\u0000b"]', "sandbox.reads"),
        ("proceses = 9", "did you mean `processes`"),
    ],
)
def test_faults_of_the_sandbox_are_named(line, said):
    assert said in fault(SMALL + f"[sandbox]\n{line}\n")


def test_commands_are_not_shown_the_ledger(tmp_path):
    text = f'ledger = "{tmp_path}/ledger.db"\n{SMALL}[sandbox]\nreads = ["{tmp_path}"]\n'
    assert "the ledger is below" in fault(text)


@pytest.mark.parametrize(
    "line",
    ["audit = true", "min_confidence = true", "wait_seconds = false", "vote_certainty = true"],
)
def test_true_is_no_number(line):
    (said,) = faults(CHECKED + line)
    assert f"{line.split()[0]}: Input should not be true or false" in said


@pytest.mark.parametrize("value", ['"yes"', "1", '"AUTO"', "[]"])
def test_a_switch_is_true_or_false_and_nothing_like_it(value):
    (said,) = faults(f"{CHECKED}carry = {value}")
    assert "ladders.default.carry: Input should be true or false or 'auto'" in said


def test_one_command_for_the_list_of_checks_is_told_how_a_list_is_written():
    (said,) = faults(f'{CHECKED}verify = "pytest -q"')
    assert "should be a list; found 'pytest -q'" in said
    assert 'verify = ["..."]' in said


def test_repairs_that_are_no_number_are_told_at_their_own_key():
    said = faults(CHECKED.replace("[ladders", 'repairs = "Auto"\n[ladders'))
    assert said
    assert all("tiers.a.repairs: " in each for each in said)


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ('compare_fields = ["a"]', "does nothing with compare = 'auto'"),
        ('compare = "number"\ncompare_fields = ["a"]', "does nothing with compare = 'number'"),
        ('compare = "fields"\ncompare_fields = ["a..b"]', "'a..b' names no field"),
    ],
)
def test_compared_fields_that_would_never_be_looked_at_are_refused(lines, wanted):
    (said,) = faults(CHECKED + lines)
    assert "ladders.default.compare_fields: " in said
    assert wanted in said
