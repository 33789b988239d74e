"""tallies: what each test runner prints at its end is counted; other output is none."""

from __future__ import annotations

import pytest

from rung.verifiers.tallies import Tally, tally

CARGO = "test result: ok. {} passed; 0 failed; {} ignored; 0 measured; 0 filtered out"


@pytest.mark.parametrize(
    ("output", "counted"),
    [
        ("..s\n3 passed, 1 skipped in 0.02s", Tally(3, 1)),
        ("==== 1 failed, 2 passed, 3 warnings in 75.20s (0:01:15) ====", Tally(3)),
        ("=== 1 error in 0.08s ===", Tally(1)),
        ("2 skipped in 0.01s", Tally(0, 2)),
        ("=== 1 passed, 4 deselected in 0.01s ===", Tally(1)),
        ("1 xfailed, 1 xpassed in 0.01s", Tally(2)),
        ("no tests ran in 0.00s", Tally()),
        ("collected 0 items", Tally()),
        ("collected 3 items\n\n3 passed in 0.00s", Tally(3)),
        ("Ran 3 tests in 0.001s\n\nOK", Tally(3)),
        ("Ran 3 tests in 0.001s\n\nOK (skipped=1)", Tally(2, 1)),
        ("Ran 3 tests in 0.001s\n\nFAILED (failures=1, skipped=1)", Tally(2, 1)),
        ("Ran 0 tests in 0.000s\n\nNO TESTS RAN", Tally()),
        ("Tests:       1 skipped, 2 passed, 3 total", Tally(2, 1)),
        ("      Tests  2 passed | 1 skipped (3)", Tally(2, 1)),
        ("No tests found, exiting with code 1", Tally()),
        ("No test files found, exiting with code 1", Tally()),
        ("  3 passing (5ms)\n  1 pending", Tally(3, 1)),
        ("# tests 3\n# pass 2\n# fail 1\n# skipped 0", Tally(3)),
        ("\u2139 pass 2\n\u2139 fail 0\n\u2139 skipped 1", Tally(2, 1)),
        (
            f"{CARGO.format(3, 1)}\n\n{CARGO.format(0, 0)}",
            Tally(3, 1),
        ),
        ("ok  \texample.com/a\t0.002s\n?   \texample.com/b\t[no test files]", Tally(1)),
        ("?   \texample.com/b\t[no test files]", Tally()),
        ("ok  \texample.com/a\t0.002s [no tests to run]", Tally()),
    ],
)
def test_the_tally_of_each_runner_is_read(output, counted):
    assert tally(f"noise before\n{output}\n") == counted


@pytest.mark.parametrize(
    "output",
    [
        "",
        "All checks passed!",
        "it passed in 3 s",
        "3 passed",
        "OK",
        "ok",
        "Found 2 errors.",
        "x" * 10**6,
    ],
)
def test_other_output_holds_none(output):
    assert tally(output) is None


def test_a_flood_is_read_at_its_end_alone():
    assert tally("1 passed in 0.1s\n" * 1_000_000).ran <= 2_000
    assert tally("9" * 1_000_000 + " passed in 1s") is None
