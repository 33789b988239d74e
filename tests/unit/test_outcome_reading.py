"""Files of outcomes become arrays, whatever their format; each fault is told with its line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.errors import RequestError
from rung.outcome_files import Query, read
from rung.outcome_rows import COLUMNS, opening
from rung.tuner import reading
from rung.tuner.pricing_file import repriced
from rung.tuner.reading import read_outcomes
from support.outcomes_made import independent, made, rows_of, write_lines

FULL = {
    "query_id": "q1",
    "category": "maths",
    "model": "cheap",
    "correct": 0.5,
    "cost_usd": 0.000652,
    "tokens_in": 120,
    "tokens_out": 30,
    "tokens_cached": 100,
    "latency_s": 1.25,
    "confidence": 0.75,
    "accepted": True,
    "answer": "42",
    "prompt": "What is six times seven?",
    "weight": 2.5,
}
PLAIN = {"query_id": "q1", "model": "cheap", "correct": 1}


def written(folder: Path, rows, name: str = "o.jsonl") -> Path:
    """Rows in the format that the name says."""
    file = folder / name
    if ".csv" in name:
        out = io.StringIO(newline="")
        columns = list(dict.fromkeys(key for row in rows for key in row))
        writer = csv.DictWriter(out, columns)
        writer.writeheader()
        writer.writerows(rows)
        data = out.getvalue().encode()
    elif name.endswith(".parquet"):
        lines = write_lines(folder / "rows.jsonl", rows)
        with duckdb.connect() as connection:
            source = f"read_json('{lines}', format = 'newline_delimited')"
            connection.execute(f"COPY (SELECT * FROM {source}) TO '{file}' (FORMAT parquet)")
        return file
    else:
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return file


ALL_FORMATS = ["o.jsonl", "o.jsonl.gz", "o.json", "o.ndjson.gz", "o.csv", "o.csv.gz", "o.parquet"]


def refused(file: Path, **asked) -> str:
    with pytest.raises(RequestError) as caught:
        read_outcomes(file, **asked)
    assert (
        caught.value.fix or "No such file" in str(caught.value) or "directory" in str(caught.value)
    )
    return str(caught.value)


# ------------------------------------------------------------------ what is read


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_every_format_gives_the_same_arrays(tmp_path: Path, name: str) -> None:
    other = {"query_id": "q2", "model": "dear", "correct": 1, "extra": "x"}
    found = read_outcomes(written(tmp_path, [FULL, other | {"category": "chat"}], name))
    assert found.models == ("cheap", "dear")
    assert found.queries == ("q1", "q2")
    assert found.categories == ("maths", "chat")
    assert found.category.tolist() == [0, 1]
    np.testing.assert_array_equal(found.correct, [[0.5, np.nan], [np.nan, 1]])
    np.testing.assert_array_equal(found.cost, [[652_000, np.nan], [np.nan, np.nan]])
    single = {
        "seconds": 1.25,
        "confidence": 0.75,
        "accepted": 1.0,
        "tokens_in": 120,
        "tokens_out": 30,
        "tokens_cached": 100,
    }
    for field, value in single.items():
        np.testing.assert_array_equal(
            getattr(found, field), [[value, np.nan], [np.nan, np.nan]], field
        )
    assert found.answers is not None
    assert found.answers.tolist() == [[0, -1], [-1, -1]]
    assert found.prompts == ("What is six times seven?", "")
    assert found.weight is not None
    assert found.weight.tolist() == [2.5, 1.0]
    assert found.draws is None


def test_what_nobody_told_is_none(tmp_path: Path) -> None:
    found = read_outcomes(written(tmp_path, [PLAIN]))
    assert np.isnan(found.cost).all()
    assert found.categories == ("",)
    for field in ("seconds", "confidence", "accepted", "answers", "draws", "prompts", "weight"):
        assert getattr(found, field) is None


def test_null_is_not_observed_and_keeps_its_cost(tmp_path: Path) -> None:
    rows = [PLAIN, PLAIN | {"model": "dear", "correct": None, "cost_usd": 0.25}]
    found = read_outcomes(written(tmp_path, rows))
    np.testing.assert_array_equal(found.correct, [[1, np.nan]])
    np.testing.assert_array_equal(found.cost, [[np.nan, 250_000_000]])


@pytest.mark.parametrize("truth", [True, "true", "True", "1", 1, 1.0])
def test_truth_is_read_as_it_is_written(tmp_path: Path, truth: object) -> None:
    name = "o.csv" if isinstance(truth, str) else "o.jsonl"
    found = read_outcomes(written(tmp_path, [PLAIN | {"correct": truth}], name))
    assert found.correct.tolist() == [[1.0]]


def test_further_samples_are_draws_and_the_first_is_the_outcome(tmp_path: Path) -> None:
    rows = [PLAIN | {"sample": n, "correct": c} for n, c in ((2, 0), (0, 1), (1, 0.25))]
    found = read_outcomes(written(tmp_path, [*rows, PLAIN | {"model": "dear"}]))
    assert found.correct.tolist() == [[1.0, 1.0]]
    np.testing.assert_array_equal(found.draws, [[[0.25, 0], [np.nan, np.nan]]])


def test_the_same_answer_has_the_same_number_of_whatever_model(tmp_path: Path) -> None:
    answers = ["42", 42, " 42.0 ", "43", "Yes.", "yes", {"a": 1}, '{"a": 1.0}', "  ", None]
    rows = [PLAIN | {"model": f"m{n}", "answer": answer} for n, answer in enumerate(answers)]
    found = read_outcomes(written(tmp_path, rows))
    assert found.answers is not None
    assert found.answers.tolist() == [[0, 0, 0, 1, 2, 2, 3, 3, -1, -1]]


def test_long_answers_differ_by_their_last_letter(tmp_path: Path) -> None:
    long = "word " * 100
    answers = [long + "a", long + "b", long.upper() + " a"]
    rows = [PLAIN | {"model": f"m{n}", "answer": answer} for n, answer in enumerate(answers)]
    found = read_outcomes(written(tmp_path, rows))
    assert found.answers is not None
    assert found.answers.tolist() == [[0, 1, 0]]


def test_a_query_is_told_of_on_any_of_its_rows(tmp_path: Path) -> None:
    rows = [
        PLAIN,
        PLAIN | {"model": "b", "category": "maths", "prompt": "first", "weight": 3},
        PLAIN | {"model": "c", "category": "maths", "prompt": "second", "weight": 3.0},
    ]
    found = read_outcomes(written(tmp_path, rows))
    assert (found.categories, found.prompts) == (("maths",), ("first",))
    assert found.weight is not None
    assert found.weight.tolist() == [3.0]


def test_whole_numbers_may_name_queries(tmp_path: Path) -> None:
    assert read_outcomes(written(tmp_path, [PLAIN | {"query_id": 7}])).queries == ("7",)
    found = read_outcomes(written(tmp_path, [PLAIN | {"query_id": 7}], "o.parquet"))
    assert found.queries == ("7",)


def test_models_are_read_alone_and_in_the_order_asked_for(tmp_path: Path) -> None:
    world = independent([0.5, 0.6, 0.7]).drawn(20, seed=1)
    rows = [*rows_of(world), {"query_id": "only", "model": "m1", "correct": 1}]
    file = written(tmp_path, rows)
    found = read_outcomes(file, models=["m2", "m0"])
    assert found.models == ("m2", "m0")
    assert found.queries == world.queries
    np.testing.assert_array_equal(found.correct, world.correct[:, [2, 0]])
    assert "no outcomes of m9" in refused(file, models=["m0", "m9"])
    assert "each model once" in refused(file, models=["m0", "m0"])
    assert "each model once" in refused(file, models=[])


def test_a_category_is_read_alone(tmp_path: Path) -> None:
    rows = [PLAIN | {"query_id": f"q{n}", "category": "ab"[n % 2]} for n in range(6)]
    file = written(tmp_path, rows)
    found = read_outcomes(file, category="b")
    assert found.queries == ("q1", "q3", "q5")
    assert "no category 'c'" in refused(file, category="c")
    assert "tells no `category`" in refused(written(tmp_path, [PLAIN], "n.jsonl"), category="c")


def test_marks_of_byte_order_line_ends_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    lines = [json.dumps(PLAIN), "", "  ", json.dumps(PLAIN | {"model": "b"})]
    file = tmp_path / "o.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert read_outcomes(file).models == ("cheap", "b")
    table = tmp_path / "o.csv"
    table.write_bytes(b"\xef\xbb\xbfmodel , correct,note,query_id\r\na,1,,q\r\n\r\nb, 0.5 ,x,q\r\n")
    assert read_outcomes(table).correct.tolist() == [[1, 0.5]]


def test_a_cell_may_hold_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    prompt = 'say "a, b"\r\nand\nthen' + "x" * 200_000
    rows = [PLAIN | {"prompt": prompt}, PLAIN | {"model": "b"}]
    assert read_outcomes(written(tmp_path, rows, "o.csv")).prompts == (prompt,)
    assert csv.field_size_limit() == 131_072


def test_half_of_a_surrogate_pair_and_nan_in_a_foreign_column_are_let_pass(tmp_path: Path) -> None:
    row = PLAIN | {"prompt": "cut \ud83d", "judge": float("nan")}
    assert read_outcomes(written(tmp_path, [row])).prompts == ("cut ?",)


def test_a_packed_file_is_known_by_what_it_holds(tmp_path: Path) -> None:
    file = written(tmp_path, [PLAIN], "o.jsonl.gz").rename(tmp_path / "plain.jsonl")
    assert read_outcomes(file).models == ("cheap",)
    moved = written(tmp_path, [PLAIN], "o.parquet").rename(tmp_path / "[a-z]*.pq")
    assert read_outcomes(moved).models == ("cheap",)


def test_a_pipe_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(json.dumps(PLAIN).encode(),))
    writer.start()
    assert read_outcomes(pipe).models == ("cheap",)
    writer.join()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_costs_of_whole_nanodollars_stay_whole(tmp_path_factory, amounts: list[float]) -> None:
    nano = [float(round(amount * 1e9)) for amount in amounts]
    rows = [PLAIN | {"query_id": f"q{n}", "cost_usd": each / 1e9} for n, each in enumerate(nano)]
    found = read_outcomes(written(tmp_path_factory.mktemp("costs"), rows))
    assert found.cost[:, 0].tolist() == nano


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_training_reads_every_format(tmp_path: Path, name: str) -> None:
    rows = [
        FULL,
        PLAIN | {"model": "dear", "cost_usd": 0.25, "sample": 0},
        PLAIN | {"model": "dear", "correct": 0, "sample": 1},
        PLAIN | {"query_id": "q2", "prompt": "other", "correct": None},
    ]
    queries = read(written(tmp_path, rows, name))
    assert queries["q1"] == Query(
        "What is six times seven?",
        {"cheap": 0.5, "dear": 1.0},
        {"cheap": pytest.approx(652_000), "dear": 250_000_000},
    )
    assert queries["q2"] == Query("other")


# ------------------------------------------------------------------ the documentation

PAGE = (Path(__file__).parents[2] / "docs" / "outcomes.md").read_text("utf-8")
BLOCKS = dict(re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL))


@pytest.mark.parametrize("language", ["jsonl", "csv"])
def test_the_documentation_shows_files_that_are_read(tmp_path: Path, language: str) -> None:
    file = tmp_path / f"o.{language}"
    file.write_text(BLOCKS[language], "utf-8")
    found = read_outcomes(file)
    assert (found.models, found.queries) == (("small", "large"), ("q1", "q2"))
    assert found.correct.tolist() == [[1, 1], [0, 0.5]]
    np.testing.assert_array_equal(found.cost, [[200_000, 11_000_000], [300_000, np.nan]])
    assert found.categories == ("maths", "chat")


def test_the_documentation_shows_prices_that_are_understood(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text(BLOCKS["json"], "utf-8")
    outcomes = replace(
        made([[1, 1, 1]], models=("small", "large", "local")),
        tokens_in=np.array([[1000.0] * 3]),
        tokens_out=np.array([[100.0] * 3]),
    )
    found = repriced(outcomes, tmp_path / "prices.json")
    assert found.cost.tolist() == [[210_000, 4_500_000, 0]]


def test_every_column_is_documented() -> None:
    table = PAGE.partition("## Columns")[2].partition("## What is refused")[0]
    first = " ".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))
    assert re.findall(r"`(\w+)`", first) == list(COLUMNS)


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "line 2 is not JSON"),
        ("[1]", "line 2 is no JSON object but a list"),
        ("[", "jq -c"),
        ("7", "line 2 is no JSON object"),
        ('{"query_id": "q"', "line 2 is not JSON"),
        ('{"query_id": "q", "model": x}', "line 2 is not JSON: Expecting value (column 28)"),
        ('{"a": ' + "[" * 200_000, "line 2 is nested too deep"),
        ('{"query_id": "q", "model": "m", "correct": 1, "answer": 1e999}', "`answer` must be"),
        ('{"query_id": "q", "model": "m", "correct": 1, "answer": NaN}', "`answer` must be"),
        ('{"query_id": "q", "correct": 1}', "`model` must be a text"),
        ('{"query_id": "", "model": "m", "correct": 1}', "`query_id` must be a text"),
        ('{"query_id": "q", "model": 7, "correct": 1}', "`model` must be a text"),
        ('{"query_id": "q", "model": "' + "m" * 2000 + '", "correct": 1}', "1 to 1000 characters"),
        ('{"query_id": "q", "model": "m"}', "`correct` must be a number from 0 to 1"),
        ('{"query_id": "q", "model": "m", "correct": "yes"}', "`correct` must be a number"),
        ('{"query_id": "q", "model": "m", "correct": 1.01}', "`correct` must be a number"),
        ('{"query_id": "q", "model": "m", "correct": NaN}', "`correct` must be a number"),
        ('{"query_id": "q", "model": "m", "correct": 1, "cost_usd": Infinity}', "not inf"),
        ('{"query_id": "q", "model": "m", "correct": 1, "cost_usd": 1e999}', "`cost_usd` must"),
        ('{"query_id": "q", "model": "m", "correct": 1, "cost_usd": -1}', "`cost_usd` must"),
        (
            '{"query_id": "q", "model": "m", "correct": 1, "cost_usd": 1000001}',
            "0 to 1,000,000, in US dollars",
        ),
        ('{"query_id": "q", "model": "m", "correct": 1, "cost_usd": true}', "`cost_usd` must"),
        ('{"query_id": "q", "model": "m", "correct": 1, "latency_s": -0.1}', "`latency_s` must"),
        ('{"query_id": "q", "model": "m", "correct": 1, "tokens_in": -1}', "`tokens_in` must"),
        ('{"query_id": "q", "model": "m", "correct": 1, "tokens_out": "9"}', "`tokens_out` must"),
        ('{"query_id": "q", "model": "m", "correct": 1, "confidence": 90}', "`confidence` must"),
        ('{"query_id": "q", "model": "m", "correct": 1, "accepted": 2}', "`accepted` must"),
        ('{"query_id": "q", "model": "m", "correct": 1, "sample": 0.5}', "`sample` must"),
        ('{"query_id": "q", "model": "m", "correct": 1, "sample": -1}', "`sample` must"),
        ('{"query_id": "q", "model": "m", "correct": 1, "weight": 0}', "`weight` must"),
        ('{"query_id": "q", "model": "m", "correct": 1, "prompt": 7}', "`prompt` must"),
        ('{"query_id": "q", "model": "m", "correct": 1, "category": ["a"]}', "`category` must"),
        (
            '{"query_id": "q1", "model": "cheap", "correct": 1}',
            "line 2 repeats 'q1' of 'cheap'",
        ),
        (
            '{"query_id": "q1", "model": "b", "correct": 1, "sample": 1}',
            "line 2 is a further sample of 'b' on 'q1', and there is no first",
        ),
        (
            '{"query_id": "q1", "model": "b", "correct": 1, "tokens_in": 1, "tokens_cached": 2}',
            "line 2 has more `tokens_cached` than `tokens_in`",
        ),
        (
            '{"query_id": "q1", "model": "b", "correct": 1, "category": "other"}',
            "line 2: `category` is 'other' of 'q1', which has 'c' further up",
        ),
        (
            '{"query_id": "q1", "model": "b", "correct": 1, "weight": 2}',
            "line 2: `weight` is 2.0 of 'q1', which has 1.0 further up",
        ),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "o.jsonl"
    file.write_text(json.dumps(PLAIN | {"category": "c", "weight": 1}) + "\n" + line + "\n")
    told = refused(file)
    assert said in told
    assert "o.jsonl" in told
    assert len(told) < 3000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"query_id,correct\nq,1\n", "line 1: the header has no `model`"),
        (b"query_id;model;correct\nq;m;1\n", "part the columns by commas"),
        (b"query_id,model,correct,model\nq,m,1,m\n", "has `model` more than once"),
        (b"query_id,model,correct\nq,m,1\nq,b\n", "line 3 has 2 cells, the header 3"),
        (b"query_id,model,correct\nq,m,1,2\n", "line 2 has 4 cells, the header 3"),
        (b'query_id,model,correct\nq,m,1\nq,"b,1\nx', "line 3 is not CSV"),
        (b'query_id,model,correct,prompt\nq,m,1,"a\nb"\nq,b,7,\n', "line 4: `correct`"),
        (b"query_id,model,correct\nq,m,nan\n", "line 2: `correct` must be a number"),
        (b"query_id,model,correct,cost_usd\nq,m,1,$2\n", "line 2: `cost_usd` must be a number"),
        (b"query_id,model,correct,cost_usd\nq,m,1,1e7\n", "line 2: `cost_usd` must be a number"),
        (b"query_id,model,correct,sample\nq,m,1,1.5\n", "line 2: `sample` must be"),
        (b"query_id,model,correct\nq,,1\n", "`model` must be a text"),
        (b"query_id,model,correct\nq,m,1\nq,m,0\n", "line 3 repeats 'q' of 'm'"),
        (b"query_id,model,correct\nq,\xff,1\n", "line 2 is not UTF-8"),
        (b"query_id,model,correct\n", "holds no outcomes"),
        (b"", "line 1: the header has no"),
        (b"\xff\xfeq\x00", "is UTF-16"),
    ],
)
def test_a_fault_in_a_table_is_told_with_its_line(tmp_path: Path, text: bytes, said: str) -> None:
    file = tmp_path / "o.csv"
    file.write_bytes(text)
    assert said in refused(file)


@pytest.mark.parametrize(
    ("select", "said"),
    [
        ("'q' query_id, 1 correct", "no column `model`"),
        ("'q' query_id, 'm' model, 'x' correct", "column `correct` is VARCHAR"),
        ("'q' query_id, 'm' model, 1 correct, true cost_usd", "column `cost_usd` is BOOLEAN"),
        ("'q' query_id, 7 model, 1 correct", "column `model` is INTEGER"),
        ("'q' query_id, 'm' model, [1] correct", "column `correct` is INTEGER[]"),
        ("'q' query_id, 'm' model, 1 correct, DATE '2026-01-01' latency_s", "is DATE"),
        ("'q' query_id, 'm' model, 1 correct, 1.5 sample", "column `sample` is DECIMAL(2,1)"),
        ("'q' query_id, 'm' model, 'nan'::DOUBLE correct", "row 1: `correct` must be a number"),
        ("'q' query_id, 'm' model, 2 correct", "row 1: `correct` must be a number"),
        ("NULL query_id, 'm' model, 1 correct", "row 1 needs `query_id`"),
        ("unnest(['q', 'q']) query_id, 'm' model, 1 correct", "row 2 repeats 'q' of 'm'"),
        ("'q' query_id, 'm' model, NULL correct", "holds no outcomes"),
        ("'q' query_id, 'm' model, 1 correct WHERE false", "holds no outcomes"),
    ],
)
def test_a_fault_in_a_parquet_file_is_told(tmp_path: Path, select: str, said: str) -> None:
    file = tmp_path / "o.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {select}) TO '{file}' (FORMAT parquet)")
    assert said in refused(file)


def test_decimals_and_categories_of_a_parquet_file_are_read(tmp_path: Path) -> None:
    file = tmp_path / "o.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'q' query_id, 'm'::ENUM('m', 'n') model, true correct,"
            " 0.000652::DECIMAL(18, 9) cost_usd, NULL latency_s, 5::UTINYINT answer)"
            f" TO '{file}' (FORMAT parquet)"
        )
    found = read_outcomes(file)
    assert (found.models, found.correct.tolist(), found.cost.tolist()) == (
        ("m",),
        [[1.0]],
        [[652_000.0]],
    )


def test_files_that_are_none_of_the_formats_are_told(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.jsonl")
    assert "directory" in refused(tmp_path)
    (tmp_path / "empty.jsonl").write_bytes(b"\n \n")
    assert "holds no outcomes" in refused(tmp_path / "empty.jsonl")
    (tmp_path / "empty.parquet").write_bytes(b"")
    assert "is no Parquet file" in refused(tmp_path / "empty.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1" + b"x" * 50)
    assert "no sound Parquet file" in refused(tmp_path / "broken.parquet")
    (tmp_path / "latin.jsonl").write_bytes('{"query_id": "é"'.encode("latin-1"))
    assert "not UTF-8" in refused(tmp_path / "latin.jsonl")
    (tmp_path / "wide.jsonl").write_bytes(json.dumps(PLAIN).encode("utf-16"))
    assert "UTF-16" in refused(tmp_path / "wide.jsonl")


@pytest.mark.parametrize("name", ["o.jsonl.gz", "o.csv.gz"])
@pytest.mark.parametrize("harm", ["cut", "flipped", "followed"])
def test_a_damaged_packed_file_is_told(tmp_path: Path, name: str, harm: str) -> None:
    rows = [PLAIN | {"query_id": f"q{n}", "prompt": os.urandom(20).hex()} for n in range(500)]
    file = written(tmp_path, rows, name)
    data = file.read_bytes()
    broken = {
        "cut": data[:-20],
        "flipped": data[:-6] + bytes([data[-6] ^ 1]) + data[-5:],
        "followed": data + b"garbage",
    }
    file.write_bytes(broken[harm])
    assert "damaged gzip file" in refused(file)


def test_a_packed_line_without_end_is_refused_early(tmp_path: Path) -> None:
    file = tmp_path / "bomb.jsonl.gz"
    file.write_bytes(gzip.compress(b"0" * (opening.LONGEST_LINE + 2)))
    assert "line 1 is longer than 16,777,216 bytes" in refused(file)


@pytest.mark.parametrize(
    ("each", "many", "said"),
    [
        (opening.LONGEST_LINE + 1, 1, "has a text of 16,777,217 bytes"),
        (opening.LONGEST_LINE, 130, "bytes of text, more than 2,147,483,648"),
    ],
)
def test_a_small_parquet_file_of_endless_texts_is_refused(
    tmp_path: Path, each: int, many: int, said: str
) -> None:
    file = tmp_path / "bomb.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT range query_id, 'm' model, 1 correct, repeat('x', {each}) prompt"
            f" FROM range({many})) TO '{file}' (FORMAT parquet, COMPRESSION zstd)"
        )
    assert file.stat().st_size < 100_000
    assert said in refused(file)


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [PLAIN | {"query_id": f"q{n}", "model": f"m{n}"} for n in range(40)]
    file = written(tmp_path, rows)
    with monkeypatch.context() as patched:
        patched.setattr(reading, "MOST_CELLS", 100)
        assert "40 queries by 40 models are more than 100 cells" in refused(file)
    with monkeypatch.context() as patched:
        patched.setattr(reading, "MOST_ROWS", 10)
        assert "more than 10 outcomes" in refused(file)
    with monkeypatch.context() as patched:
        patched.setattr(opening, "MOST_LINES", 20)
        assert "more than 20 lines" in refused(file)
    with monkeypatch.context() as patched:
        patched.setattr(opening, "LONGEST_FILE", 200)
        assert "longer than 200 bytes" in refused(file)
    drawn = [PLAIN, PLAIN | {"sample": 10_000}]
    many = [PLAIN | {"query_id": f"q{n}x"} for n in range(2500)]
    assert "by 10,000 samples" in refused(written(tmp_path, [*drawn, *many], "d.jsonl"))


def test_without_duckdb_the_fix_is_said_and_other_formats_are_read(tmp_path: Path) -> None:
    written(tmp_path, [PLAIN], "o.parquet")
    written(tmp_path, [PLAIN], "o.csv")
    code = """
import sys
from pathlib import Path
sys.modules["duckdb"] = None
from rung.tuner.reading import read_outcomes
assert read_outcomes(Path("o.csv")).models == ("cheap",)
read_outcomes(Path("o.parquet"))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert 'pip install "rung[duckdb]"' in ran.stderr


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


@given(st.lists(st.dictionaries(st.sampled_from([*COLUMNS, "odd"]), VALUES), max_size=6))
@settings(max_examples=150)
def test_any_rows_are_read_or_refused_in_words(tmp_path_factory, rows: list[dict]) -> None:
    whole = [{"query_id": n, "model": "m", "correct": 1} | row for n, row in enumerate(rows)]
    folder = tmp_path_factory.mktemp("any")
    for name in ("o.jsonl", "o.csv"):
        try:
            found = read_outcomes(written(folder, whole, name))
        except RequestError as error:
            assert error.fix  # noqa: PT017 only what is refused has a fix
        except UnicodeEncodeError:
            continue
        else:
            assert np.nanmin(found.correct) >= 0
            assert np.nanmax(found.correct) <= 1


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_bytes_are_refused_in_words(tmp_path_factory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    for name in ("o.jsonl", "o.csv", "o.parquet"):
        (folder / name).write_bytes(data)
        refused(folder / name)
