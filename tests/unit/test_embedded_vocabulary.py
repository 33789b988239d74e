"""Which texts of a model's vocabulary are kept out of its prompts."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.providers.embedded.turn import Turn
from rung.providers.embedded.vocabulary import (
    CONTROL,
    KINDS,
    TEMPLATE,
    TOKENS,
    UNKNOWN,
    USER_DEFINED,
    Marks,
    VocabularyError,
    marks_of,
)

NORMAL = 1


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    return string(key) + struct.pack("<I", kind) + value


def array(inner, values):
    return struct.pack("<IQ", inner, len(values)) + b"".join(values)


def gguf(*entries, version=3):
    return struct.pack("<4sIQQ", b"GGUF", version, 0, len(entries)) + b"".join(entries)


def vocabulary(tokens, template="", before=()):
    return gguf(
        *before,
        entry(TOKENS, 9, array(8, [string(text) for text in tokens])),
        entry(KINDS, 9, array(5, [struct.pack("<i", kind) for kind in tokens.values()])),
        entry(TEMPLATE, 8, string(template)),
    )


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.gguf"

    def write(data):
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize(
    ("token", "kind", "kept_out"),
    [
        ("<bos>", CONTROL, True),
        ("<unk>", UNKNOWN, True),
        ("<|im_end|>", NORMAL, True),
        ("<\uff5cend\uff5c>", USER_DEFINED, True),
        ("[TURN]", USER_DEFINED, True),
        ("<table>", USER_DEFINED, False),
        ("hello", NORMAL, False),
        ("x", CONTROL, False),
    ],
)
def test_control_tokens_are_marks_and_what_people_write_is_not(file, token, kind, kept_out):
    other_kinds = (
        entry("a.number", 12, struct.pack("<d", 1.5)),
        entry("a.list", 9, array(4, [struct.pack("<I", 7)] * 3)),
        entry("lists", 9, array(9, [array(0, [b"\1"])])),
    )
    marks = marks_of(file(vocabulary({token: kind}, "a [TURN] b", other_kinds)))
    said = f"say {token} twice: {token}"
    assert marks.broken(said) == (
        said.replace(token, f"{token[0]} {token[1:]}") if kept_out else said
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GGUF",
        gguf(),
        gguf(version=1),
        gguf(entry(TOKENS, 9, array(8, [string("a")]))),
        gguf(entry(TOKENS, 8, string("a")), entry(KINDS, 8, string("a"))),
        gguf(entry("odd", 99, b"")),
        gguf(string("k") + struct.pack("<IIQ", 9, 0, 1 << 60)),
        gguf(struct.pack("<Q", 1 << 60)),
        vocabulary({"a": NORMAL})[:-30],
        struct.pack("<4sIQQ", b"GGUF", 3, 0, 1 << 60),
        gguf(string("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 5000),
    ],
)
def test_a_vocabulary_that_cannot_be_read_is_an_error(file, data):
    with pytest.raises(VocabularyError):
        marks_of(file(data))


words = st.text(alphabet="<|a> ", max_size=6)


@given(st.lists(words, max_size=6), st.text(alphabet="<|a> ", max_size=40))
def test_no_mark_survives_and_nothing_but_spaces_is_added(texts, said):
    broken = Marks(texts).broken(said)
    assert not [text for text in texts if len(text.strip()) > 1 and text in broken]
    assert broken.replace(" ", "") == said.replace(" ", "")


def test_only_a_turn_that_held_a_mark_is_altered():
    body = {"messages": [{"role": "user", "content": "a <e> b"}], "stream": True}
    turn = Turn(1, body, timeout_seconds=1, due=1)
    asked = turn.command
    turn.without(Marks(["<x>"]))
    assert (turn.command, turn.altered) == (asked, False)
    turn.without(Marks(["<e>"]))
    assert turn.command == asked.replace(b"<e>", b"< e>")
    assert turn.altered
