import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.types import (
    Fault,
    Finish,
    Message,
    Need,
    Opaque,
    Request,
    Role,
    Sampling,
    SchemaRequest,
    Text,
    UsageSource,
)
from rung.wire import ollama as wire
from rung.wire import ollama_server as server

HELLO = (Message(Role.SYSTEM, (Text("Be brief."),)), Message(Role.USER, (Text("a"), Text("b"))))
OPTIONS = wire.ChatOptions("qwen2.5:0.5b", 16_384, "30m")


def encoded(sampling: Sampling = Sampling(), schema: SchemaRequest | None = None, **options):  # noqa: B008
    given_options = wire.ChatOptions(
        **{"model": "m", "context_tokens": 16_384, "keep_alive": "5m"} | options
    )
    return json.loads(wire.encode_chat(HELLO, sampling, schema, given_options))


# ------------------------------------------------------------------ what is sent


def test_a_chat_request_sets_the_window_and_forbids_cutting():
    body = json.loads(wire.encode_chat(HELLO, Sampling(max_tokens=7), None, OPTIONS))
    assert body == {
        "model": "qwen2.5:0.5b",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "a\nb"},
        ],
        "stream": False,
        "truncate": False,
        "keep_alive": "30m",
        "options": {"num_ctx": 16_384, "num_predict": 7},
    }


def test_sampling_is_carried_and_what_is_unset_is_left_to_the_model():
    full = Sampling(max_tokens=5, temperature=0.0, top_p=0.9, seed=0, stop=("END",))
    assert encoded(full)["options"] == {
        "num_ctx": 16_384,
        "num_predict": 5,
        "temperature": 0.0,
        "top_p": 0.9,
        "seed": 0,
        "stop": ["END"],
    }
    assert set(encoded()["options"]) == {"num_ctx", "num_predict"}


def test_an_answer_without_a_limit_still_ends_at_the_window():
    assert 16_000 < encoded()["options"]["num_predict"] < 16_384
    tiny = encoded(context_tokens=8)["options"]["num_predict"]
    assert tiny == 256


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (SchemaRequest(None), "json"),
        (SchemaRequest({"type": "object"}), {"type": "object"}),
        (SchemaRequest({}), {}),
        (SchemaRequest(schema=True), None),
        (SchemaRequest(schema=False), None),
        (None, None),
    ],
)
def test_a_schema_becomes_the_format(schema, expected):
    assert encoded(schema=schema).get("format") == expected


def test_a_load_asks_for_the_same_window_as_the_chat_after_it():
    assert json.loads(wire.encode_load(OPTIONS)) == {
        "model": "qwen2.5:0.5b",
        "messages": [],
        "stream": False,
        "keep_alive": "30m",
        "options": {"num_ctx": 16_384},
    }


def test_losses_name_needs_and_parts_once_each():
    messages = (*HELLO, Message(Role.USER, (Opaque("image_url", {}), Opaque("image_url", {}))))
    request = Request("r", "chat", messages, needs=frozenset({Need.IMAGES, Need.TOOLS}))
    lacks = wire.OLLAMA_LACKS
    assert wire.losses(request, messages, lacks) == ("image_url", "images", "tools")
    assert wire.losses(Request("r", "chat", HELLO), HELLO, lacks) == ()


@given(st.integers(1, 300_000), st.none() | st.integers(1, 300_000))
def test_a_window_is_a_bucket_or_the_most_there_may_be(needed, most):
    size = wire.bucket(needed, most)
    assert size in wire.BUCKETS or size == most
    assert most is None or size <= most
    holds = [b for b in wire.BUCKETS if b >= needed]
    if holds and (most is None or holds[0] <= most):
        assert size == holds[0]


@given(st.lists(st.text(max_size=50), max_size=4), st.none() | st.integers(1, 5000))
def test_the_needed_window_holds_the_prompt_and_its_answer(texts, limit):
    messages = tuple(Message(Role.USER, (Text(t),)) for t in texts)
    needed = wire.needed_tokens(messages, Sampling(max_tokens=limit))
    assert needed >= wire.prompt_bytes(messages) / 3 + (limit or wire.ANSWER_TOKENS)


# ------------------------------------------------------------------ what comes back


def test_a_line_of_a_stream_keeps_thinking_apart():
    line = (
        b'{"model":"m","message":{"role":"assistant","thinking":"hm","content":"a"},"done":false}'
    )
    part = wire.decode_part(line)
    assert (part.text, part.thinking, part.done, part.model) == ("a", "hm", False, "m")
    assert part.usage.source is UsageSource.NONE


@pytest.mark.parametrize(
    ("reason", "finish", "loaded"),
    [
        ("stop", Finish.STOP, False),
        ("length", Finish.LENGTH, False),
        ("load", Finish.UNKNOWN, True),
        ("unload", Finish.UNKNOWN, False),
        (None, Finish.UNKNOWN, False),
    ],
)
def test_the_last_line_tells_why_it_ended(reason, finish, loaded):
    part = wire.decode_part(json.dumps({"done": True, "done_reason": reason}).encode())
    assert (part.finish, part.loaded, part.done) == (finish, loaded, True)


def test_counts_are_the_providers_and_cached_ones_are_inside():
    line = {
        "done": True,
        "prompt_eval_count": 100,
        "prompt_eval_cached_count": 90,
        "eval_count": 3,
        "load_duration": 2_500_000_000,
    }
    part = wire.decode_part(json.dumps(line).encode())
    assert part.usage.source is UsageSource.PROVIDER
    counts = (part.usage.input_tokens, part.usage.cache_read_tokens, part.usage.output_tokens)
    assert counts == (100, 90, 3)
    assert part.load_seconds == 2.5


def test_more_cached_tokens_than_there_are_do_not_pass():
    line = b'{"done":true,"prompt_eval_count":5,"prompt_eval_cached_count":90,"eval_count":1}'
    assert wire.decode_part(line).usage.cache_read_tokens == 5


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"done":"yes"}',
        b'{"eval_count":-1,"done":true}',
        b'{"eval_count":NaN}',
        b'{"eval_count":1e400}',
        b'{"message":{"content":7}}',
        b'{"message":{"content":"\\ud800"}}',
        b'{"message":{"content":"\xff"}}',
        b'{"x":' + b"[" * 100_000,
        b'{"load_duration":' + b"9" * 5000 + b"}",
        b"<html>502</html>",
    ],
)
def test_what_is_not_ollamas_is_refused_by_name(raw):
    with pytest.raises(wire.OllamaWireError):
        wire.decode_part(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "message",
                    "content",
                    "done",
                    "error",
                    "models",
                    "name",
                    "eval_count",
                    "model_info",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
READERS = [
    wire.decode_part,
    server.decode_tags,
    server.decode_loaded,
    server.decode_version,
    server.decode_show,
]


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_reading_never_raises_anything_but_its_own_error(raw):
    for read in READERS:
        with contextlib.suppress(wire.OllamaWireError):
            read(raw)
    assert isinstance(server.decode_error(raw), str)


# ------------------------------------------------------------------ lines


@given(st.lists(st.binary(max_size=20), max_size=8), st.randoms(use_true_random=False))
def test_lines_are_the_same_however_the_stream_is_sliced(lines, random):
    stream = b"\n".join(lines)
    reader = wire.Lines()
    found: list[bytes] = []
    at = 0
    while at < len(stream):
        size = random.randint(1, 5)
        found += reader.feed(stream[at : at + size])
        at += size
    *whole, rest = stream.split(b"\n")
    assert found == [line for line in whole if line.strip()]
    assert reader.rest() == rest.strip()


@pytest.mark.parametrize("pieces", [[b"123456789"], [b"1"] * 9, [b"1234", b"56789\n"]])
def test_a_line_without_end_is_refused(pieces):
    reader = wire.Lines(most_bytes=8)
    *before, last = pieces
    for piece in before[:8]:
        reader.feed(piece)
    with pytest.raises(wire.OllamaWireError, match="longer than 8 bytes"):
        reader.feed(last)


def test_many_short_lines_in_one_piece_pass_the_limit():
    assert wire.Lines(most_bytes=8).feed(b"1234567\n" * 50) == [b"1234567"] * 50


# ------------------------------------------------------------------ cut prompts

WINDOW = 16_384


@pytest.mark.parametrize(
    ("sent_bytes", "counted", "cut"),
    [
        (40_000, 10_000, False),  # English, whole
        (300_000, WINDOW, True),  # filled to the brim
        (300_000, 8_194, True),  # kept start and half
        (300_000, 8_195, True),
        (300_000, 900, True),  # old turns dropped
        (40_000, 12, False),  # all but the end was cached, by a version that leaves that out
        (12_000, WINDOW, False),  # fewer bytes than tokens in the window: it fitted
        (45_000, 0, False),  # no count at all
        (48_000, 16_000, False),  # dense, and just fitted
    ],
)
def test_a_cut_prompt_shows_in_its_count(sent_bytes, counted, cut):
    assert wire.cut_prompt(sent_bytes, counted, WINDOW) is cut


@given(st.integers(0, WINDOW - 1), st.integers(3, 6))
def test_a_prompt_that_fitted_is_not_called_cut(tokens, bytes_per_token):
    halves = {keep + (WINDOW - keep) // 2 for keep in wire.KEPT_TOKENS}
    assert wire.cut_prompt(tokens * bytes_per_token, tokens, WINDOW) is (
        tokens in halves and tokens * bytes_per_token > WINDOW
    )


# ------------------------------------------------------------------ a server about itself


def test_names_without_a_tag_are_the_latest():
    assert server.full_name("llama3.2") == "llama3.2:latest"
    assert server.full_name("llama3.2:1b") == "llama3.2:1b"
    assert server.full_name("localhost:5000/me/model") == "localhost:5000/me/model:latest"


def test_loaded_models_tell_their_window():
    raw = b'{"models":[{"name":"a","context_length":4096,"size":10,"size_vram":4},{"model":"b:1"}]}'
    assert server.decode_loaded(raw) == {
        "a:latest": server.Loaded("a", 4096, 10, 4),
        "b:1": server.Loaded("b:1"),
    }


def test_show_tells_the_trained_window_and_where_it_runs():
    raw = (
        b'{"model_info":{"general.architecture":"qwen2","qwen2.context_length":32768},'
        b'"capabilities":["completion","tools"],"remote_host":"https://ollama.com:443"}'
    )
    expected = server.Shown(32_768, ("completion", "tools"), "https://ollama.com:443")
    assert server.decode_show(raw) == expected
    assert server.decode_show(b'{"model_info":{"x.context_length":true}}') == server.Shown()


WRAPPED = json.dumps(
    {
        "error": json.dumps(
            {
                "error": {
                    "code": 400,
                    "message": "request (351 tokens) exceeds the available context size (256)",
                    "type": "exceed_context_size_error",
                }
            }
        )
    }
).encode()


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (WRAPPED, Fault.CONTEXT_TOO_LONG),
        (
            b'{"error":"prompt too long; exceeded max context length by 8 tokens"}',
            Fault.CONTEXT_TOO_LONG,
        ),
        (
            b'{"error":"model requires more system memory (5.0 GiB) than is available (3.9 GiB)"}',
            Fault.UNAVAILABLE,
        ),
        (b'{"error":"CUDA error: out of memory"}', Fault.UNAVAILABLE),
        (b'{"error":"model \'x\' not found"}', Fault.NOT_FOUND),
        (b'{"error":"server busy, please try again."}', Fault.OVERLOADED),
        (b'{"error":"something else"}', None),
        (b"", None),
    ],
)
def test_complaints_are_understood(raw, fault):
    assert server.fault_of(server.decode_error(raw)) is fault


def test_a_complaint_is_one_short_line():
    assert (
        server.decode_error(b"<html>\r\n\x00 bad " + b"x" * 5000) == "<html> \x00 bad " + "x" * 487
    )
