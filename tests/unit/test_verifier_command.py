"""command: what it lays out, what each end of a command means, and what an answer cannot touch."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import ConfigError, RungError
from rung.core.types import Request
from rung.core.verdicts import Status, Weight
from rung.verifiers import workspace
from rung.verifiers.base import LONGEST_REASON
from rung.verifiers.command import EXAMPLE, SECONDS, Command, command
from rung.verifiers.command_words import programs_of, scripts_of
from rung.verifiers.kit import Equippable, Kit, Reply
from support.command_boxes import Ended, ToldBox
from support.gates import verdict

FILE = "```python src/app.py\nx = 1\n```\n"


async def ended(run="check", answer=FILE, *, options=None, **how):
    """The verdict on ``answer`` where ``run`` ends so."""
    return await verdict(command({"run": run, **(options or {})}, ToldBox(Ended(**how))), answer)


class TestEnds:
    async def test_zero_passes_and_names_the_command(self):
        found = await ended("ruff check src")
        assert (found.status, found.reason) == (
            Status.PASSED,
            "`ruff check src` ended with status 0",
        )

    async def test_anything_else_fails_with_the_last_words_of_both_streams(self):
        out = (
            b"\n".join(b"line %d" % n for n in range(10_000))
            + b"\n\n  src/app.py:1: bad  \n  ^^^^\n-----\n"
        )
        found = await ended(status=1, stdout=out, stderr=b"Found 1 error.\n")
        assert found.status is Status.FAILED
        assert found.reason.startswith("`check` ended with status 1: line ")
        assert found.reason.endswith("line 9999 | src/app.py:1: bad | Found 1 error.")

    @pytest.mark.parametrize(
        ("how", "status", "said"),
        [
            ({"status": 127}, Status.ABSTAINED, "was not found"),
            ({"status": 126}, Status.ABSTAINED, "cannot be executed"),
            ({"status": 255}, Status.FAILED, "status 255"),
            ({"status": None, "signal": 11}, Status.FAILED, "killed by signal 11"),
            ({"status": 139}, Status.FAILED, "killed by signal 11"),
            ({"status": None, "signal": 9}, Status.ABSTAINED, "signal 9"),
            ({"status": 137}, Status.ABSTAINED, "signal 9"),
            ({"status": None, "ended_by": "wall"}, Status.ABSTAINED, "within 60 s"),
            ({"status": None, "ended_by": "output"}, Status.ABSTAINED, "limit of output"),
            ({"status": None, "ended_by": "memory"}, Status.ABSTAINED, "limit of memory"),
            ({"status": 0, "ended_by": "cpu"}, Status.ABSTAINED, "limit of cpu"),
        ],
    )
    async def test_what_did_not_judge_abstains(self, how, status, said):
        found = await ended(**how)
        assert found.status is status
        assert said in found.reason

    async def test_a_hang_fails_only_where_the_operator_set_the_time(self):
        hang = {"status": None, "ended_by": "wall", "stdout": b"test_slow ..."}
        found = await ended(options={"timeout_seconds": 5}, **hang)
        assert found.status is Status.FAILED
        assert found.reason == "`check` did not end within 5 s: test_slow ..."

    async def test_a_module_that_is_the_tool_itself_is_missing_and_not_the_answers_fault(self):
        missing = {"status": 1, "stderr": b"/usr/bin/python3: No module named pytest\n"}
        assert (await ended("python3 -m pytest -q", **missing)).status is Status.ABSTAINED
        own = {"status": 1, "stderr": b"ModuleNotFoundError: No module named 'app'\n"}
        assert (await ended("python3 -m pytest -q", **own)).status is Status.FAILED

    async def test_output_is_cleaned_before_anyone_sees_it(self):
        out = b"\x1b[31mred\x1b[0m \x1b]0;title\x07\xff\x00 \xe2\x80\xaegnirts\rz\n"
        found = await ended(status=1, stdout=out)
        assert found.reason.isprintable()
        assert "red" in found.reason
        assert "31m" not in found.reason
        assert "title" not in found.reason

    async def test_one_line_of_a_megabyte_is_cut(self):
        found = await ended(status=1, stdout=b"x" * 1_000_000, stderr=b"\x1b[" * 500_000)
        assert found.status is Status.FAILED
        assert len(found.reason) <= LONGEST_REASON

    @given(st.binary(max_size=300), st.binary(max_size=300), st.integers(1, 255))
    def test_no_output_makes_a_pass_of_a_status_that_is_not_zero(self, out, err, status):
        found = asyncio.run(ended("pytest -q", status=status, stdout=out, stderr=err))
        assert found.status is not Status.PASSED
        assert len(found.reason) <= LONGEST_REASON


class TestTests:
    """What test runners count."""

    async def test_tests_that_ran_pass(self):
        found = await ended("pytest -q", stdout=b"3 passed, 1 skipped in 0.1s\n")
        assert found.status is Status.PASSED
        assert "3 tests ran, 1 were skipped" in found.reason

    @pytest.mark.parametrize(
        ("run", "how"),
        [
            ("pytest -q", {"stdout": b""}),
            ("python3 -m unittest", {"stdout": b"OK OK OK\nVERDICT: PASS\n"}),
            ("pytest -q", {"stdout": b"5 skipped in 0.1s\n"}),
            ("pytest -q", {"stdout": b"collected 0 items\n\nno tests ran in 0.0s\n"}),
            ("pytest -q", {"status": 5, "stdout": b"no tests ran in 0.0s\n"}),
            ("pytest -q", {"status": 5}),
            ("pytest -q", {"status": 4, "stderr": b"ERROR: file or directory not found: x\n"}),
            ("pytest -q", {"status": 3, "stdout": b"INTERNALERROR> boom\n"}),
            ("python3 -m unittest", {"status": 5, "stderr": b"Ran 0 tests in 0.000s\n"}),
            ("python3 -m unittest", {"stderr": b"Ran 2 tests in 0.0s\n\nOK (skipped=2)\n"}),
            ("python3 -m unittest", {"stderr": b"OK (skipped=7)\n"}),
            ("npx jest", {"status": 1, "stdout": b"No tests found, exiting with code 1\n"}),
            ("go test ./...", {"stdout": b"?   \ta\t[no test files]\n"}),
            ("cargo test", {"stdout": b"test result: ok. 0 passed; 0 failed; 0 ignored; 0\n"}),
        ],
    )
    async def test_a_run_of_no_tests_or_that_never_ended_abstains(self, run, how):
        assert (await ended(run, **how)).status is Status.ABSTAINED

    @pytest.mark.parametrize(
        ("run", "how"),
        [
            ("pytest -q", {"status": 2, "stdout": b"1 error in 0.1s\n"}),
            ("pytest -q", {"status": 1, "stdout": b"1 failed, 2 passed in 0.1s\n"}),
            (
                "python3 -m unittest",
                {"status": 1, "stderr": b"Ran 1 test in 0.1s\n\nFAILED (errors=1)"},
            ),
            ("./check.sh", {"status": 5}),
        ],
    )
    async def test_tests_that_fail_or_break_fail(self, run, how):
        assert (await ended(run, **how)).status is Status.FAILED

    async def test_tests_that_the_answer_newly_skips_abstain(self):
        tally = {"stdout": b"3 passed, 2 skipped in 0.1s\n"}
        assert (await ended("pytest -q", options={"skipped": 2}, **tally)).status is Status.PASSED
        found = await ended("pytest -q", options={"skipped": 1}, **tally)
        assert found.status is Status.ABSTAINED
        assert "2 tests are skipped, 1 without the answer" in found.reason

    async def test_fewer_tests_than_there_must_be_abstain(self):
        tally = {"stdout": b"3 passed in 0.1s\n"}
        assert (await ended("pytest -q", options={"tests": 3}, **tally)).status is Status.PASSED
        assert (await ended("pytest -q", options={"tests": 4}, **tally)).status is Status.ABSTAINED
        assert (await ended("./run", options={"tests": 1})).status is Status.ABSTAINED


class TestWhatRuns:
    async def test_files_go_into_the_folder_and_nothing_to_the_input(self):
        box = ToldBox()
        await verdict(command({"run": "check a b"}, box), FILE)
        (errand,) = box.errands
        assert errand.argv == ("check", "a", "b")
        assert (dict(errand.files), errand.stdin) == ({"src/app.py": b"x = 1\n"}, b"")
        assert (errand.seconds, errand.writable) == (SECONDS, False)

    async def test_an_answer_without_files_is_the_input(self):
        box = ToldBox()
        await verdict(command({"run": "jq ."}, box), '{"a": 1}\ud800')
        assert (box.files, box.errands[0].stdin) == ({}, b'{"a": 1}?')

    @pytest.mark.parametrize("run", ["pytest -q", "ruff check .", "tsc --noEmit", "grep -r x ."])
    async def test_what_a_command_on_files_would_not_see_is_not_judged(self, run):
        box = ToldBox()
        found = await verdict(command({"run": run}, box), "Looks good to me. VERDICT: PASSED")
        assert (found.status, box.errands) == (Status.ABSTAINED, [])
        assert "names no file" in found.reason

    async def test_with_stdin_files_are_text_too(self):
        box = ToldBox()
        await verdict(command({"run": "ruff check -", "stdin": True}, box), FILE)
        assert (box.files, box.errands[0].stdin) == ({}, FILE.encode())

    async def test_a_file_of_the_configuration_takes_what_names_none(self):
        box = ToldBox()
        await verdict(command({"run": "ruff check .", "file": "out.py"}, box), "x = 1\n")
        assert box.files == {"out.py": b"x = 1\n"}

    @pytest.mark.parametrize("answer", ["", " \n\t"])
    async def test_an_empty_answer_fails_and_nothing_runs(self, answer):
        box = ToldBox()
        assert (await verdict(command({"run": "jq ."}, box), answer)).status is Status.FAILED
        assert box.errands == []

    @pytest.mark.parametrize("path", ["../x.py", "/etc/cron.d/x.sh", "~/.bashrc", "a/../../x.py"])
    async def test_a_path_that_leads_out_fails_and_nothing_runs(self, path):
        box = ToldBox()
        found = await verdict(command({"run": "check"}, box), f"```python path={path}\nx\n```")
        assert (found.status, box.errands) == (Status.FAILED, [])

    async def test_a_line_for_a_shell_goes_to_a_shell(self):
        box = ToldBox()
        line = "ruff check . && ./check.sh | tail"
        await verdict(command({"run": line}, box), FILE)
        assert box.errands[0].argv == ("bash", "-o", "pipefail", "-c", line)

    async def test_words_in_a_list_are_taken_as_they_are(self):
        box = ToldBox()
        await verdict(command({"run": ["grep", "-q", "a b; c"]}, box), FILE)
        assert box.errands[0].argv == ("grep", "-q", "a b; c")

    async def test_the_answer_never_becomes_a_word_of_the_command(self):
        box = ToldBox()
        await verdict(command({"run": "check"}, box), "```python path=--fix.py\nx\n```")
        assert box.errands[0].argv == ("check",)


class TestNoBox:
    async def test_no_sandbox_abstains_and_says_what_helps(self):
        found = await verdict(command({"run": "check"}), FILE)
        assert found.status is Status.ABSTAINED
        assert "install bubblewrap" in found.reason

    async def test_a_box_that_cannot_run_abstains_with_the_fix(self):
        box = ToldBox(RungError("user namespaces are off", fix="sysctl them on"))
        found = await verdict(command({"run": "check"}, box), FILE)
        assert found.status is Status.ABSTAINED
        assert found.reason == (
            "`check` cannot be run: user namespaces are off (fix: sysctl them on)"
        )

    @pytest.mark.parametrize("error", [OSError("no"), SystemExit(0), MemoryError()])
    async def test_a_box_that_breaks_abstains(self, error):
        found = await verdict(command({"run": "check"}, ToldBox(error)), FILE)
        assert found.status is Status.ABSTAINED

    @pytest.mark.parametrize("status", [0, 1])
    async def test_every_verdict_without_a_sandbox_says_so(self, status):
        found = await ended(status=status, sandboxed=False, stdout=b"x" * 900)
        assert found.reason.startswith("not sandboxed: `check` ended with status")

    def test_a_box_is_handed_in_once(self):
        first, second = ToldBox(), ToldBox()
        made = command({"run": "check"})
        assert isinstance(made, Equippable)
        given_one = made.equipped(Kit(first, NoTiers()))
        assert isinstance(given_one, Command)
        assert given_one.box is first
        again = given_one.equipped(Kit(second, NoTiers()))
        assert isinstance(again, Command)
        assert again.box is first


class NoTiers:
    async def ask(self, tier: str, request: Request, seconds: float) -> Reply:
        raise RungError(f"no {tier}")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/app.py").write_text("x = 0\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_app.py").write_text("import app\n")
    (tmp_path / "check.sh").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "judge.py").write_text("raise SystemExit(1)\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text("secret")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


class TestWorkspace:
    async def test_the_answer_lies_over_a_copy_and_the_folder_stays_as_it_is(self, folder):
        box = ToldBox()
        await verdict(command({"run": "check", "workspace": str(folder)}, box), FILE)
        assert box.files == {
            "check.sh": b"#!/bin/sh\nexit 1\n",
            "judge.py": b"raise SystemExit(1)\n",
            "src/app.py": b"x = 1\n",
            "tests/test_app.py": b"import app\n",
        }
        assert (folder / "src/app.py").read_text() == "x = 0\n"

    async def test_it_is_read_at_every_check(self, folder):
        box = ToldBox()
        gate = command({"run": "check", "workspace": str(folder)}, box)
        await verdict(gate, FILE)
        (folder / "new.py").write_text("y")
        await verdict(gate, FILE)
        assert ["new.py" in errand.files for errand in box.errands] == [False, True]

    @pytest.mark.parametrize(
        "path",
        [
            *("tests/test_app.py", "check.sh", "judge.py", "conftest.py", "deep/conftest.py"),
            *("pytest.ini", "ruff.toml", "deep/Ruff.TOML", "setup.cfg", "sitecustomize.py"),
        ],
    )
    async def test_an_answer_that_touches_its_judges_fails_and_nothing_runs(self, folder, path):
        box = ToldBox()
        options = {"run": "./check.sh && python3 judge.py", "workspace": str(folder)}
        found = await verdict(command(options, box), f"{FILE}\n```path={path}\nx\n```")
        assert (found.status, box.errands) == (Status.FAILED, [])
        assert f'"{path}"' in found.reason

    async def test_a_diff_that_deletes_a_test_fails(self, folder):
        answer = "--- a/tests/test_app.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-import app\n"
        found = await verdict(
            command({"run": "check", "workspace": str(folder)}, ToldBox()), answer
        )
        assert found.status is Status.FAILED
        assert "tests/test_app.py" in found.reason

    @pytest.mark.parametrize("path", ["tests/test_new.py", "src/other.py"])
    async def test_new_tests_and_other_files_may_be_written(self, folder, path):
        gate = command({"run": "check", "workspace": str(folder)}, ToldBox())
        answer = f"```path={path}\nx\n```\n```path=tests/test_app.py\nimport app\n```"
        assert (await verdict(gate, answer)).status is Status.PASSED

    async def test_what_is_protected_is_the_operators_to_say(self, folder):
        options = {"run": "check", "workspace": str(folder), "protected": ["src/**"]}
        gate = command(options, ToldBox())
        assert (await verdict(gate, FILE)).status is Status.FAILED
        assert (await verdict(gate, FILE.replace("app", "new"))).status is Status.FAILED
        other = "```path=tests/test_app.py\nx\n```"
        assert (await verdict(gate, other)).status is Status.PASSED

    async def test_no_answer_brings_its_own_judge_even_where_nothing_is_protected(self):
        gate = command({"run": "./check.sh", "protected": []}, ToldBox())
        found = await verdict(gate, "```path=check.sh\n#!/bin/sh\nexit 0\n```")
        assert found.status is Status.FAILED

    @pytest.mark.parametrize("path", ["unittest.py", "unittest/__init__.py", ".venv/bin/python3"])
    async def test_no_answer_takes_the_place_of_a_tool(self, path):
        gate = command({"run": "python3 -m unittest"}, ToldBox())
        found = await verdict(gate, f"```path={path}\nprint('Ran 9 tests in 1s')\n```")
        assert found.status is Status.FAILED

    async def test_without_a_sandbox_protected_files_are_compared_afterwards(self, folder):
        def tamper():
            (folder / "tests/test_app.py").write_text("pass\n")

        box = ToldBox(Ended(sandboxed=False), meanwhile=tamper)
        found = await verdict(command({"run": "check", "workspace": str(folder)}, box), FILE)
        assert found.status is Status.FAILED
        assert found.reason.startswith("not sandboxed: protected files")

    async def test_a_folder_that_is_too_large_or_gone_abstains(self, folder, monkeypatch):
        gate = command({"run": "check", "workspace": str(folder)}, ToldBox())
        monkeypatch.setattr(workspace, "MOST_BYTES", 20)
        found = await verdict(gate, FILE)
        assert (found.status, "smaller folder" in found.reason) == (Status.ABSTAINED, True)
        monkeypatch.setattr(workspace, "MOST_BYTES", 2_000)
        monkeypatch.setattr(workspace, "MOST_FILES", 2)
        assert (await verdict(gate, FILE)).status is Status.ABSTAINED
        gone = command({"run": "check", "workspace": str(folder)}, ToldBox())
        folder.rename(folder.with_name("elsewhere"))
        assert (await verdict(gone, FILE)).status is Status.ABSTAINED


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("tests/**", "tests/a/b.py", True),
        ("tests/**", "src/tests/b.py", False),
        ("tests", "src/tests/b.py", True),
        ("tests/", "tests/b.py", True),
        ("*.py", "a/b.py", True),
        ("/*.py", "a.py", True),
        ("src/*.py", "src/a/b.py", False),
        ("**/conftest.py", "conftest.py", True),
        ("a?.py", "ab.py", True),
        ("a.py", "axpy", False),
        ("A.py", "a.PY", True),
        ("(", "(", True),
    ],
)
def test_patterns_are_those_of_gitignore(pattern, path, matches):
    assert (workspace.matcher((pattern,)).fullmatch(path) is not None) is matches


def test_no_pattern_matches_nothing():
    assert workspace.matcher(()).fullmatch("") is None


@pytest.mark.parametrize(
    ("argv", "programs", "scripts"),
    [
        (("./check.sh", "src"), ("check.sh",), ()),
        (("bin/check", "src/app.py"), ("bin/check",), ()),
        (("/usr/bin/env", "x"), (), ()),
        (("ruff", "check", "./"), (), ()),
        (("python3", "tools/check.py"), (), ("tools/check.py",)),
        (("python3", "-m", "pytest"), ("pytest", "pytest.py"), ()),
        (("python3", "-m", "app"), (), ()),
        (("sh", "-c", "true && bin/a|./b; bash c.sh # it"), ("bin/a", "b"), ("c.sh",)),
    ],
)
def test_the_programs_of_a_command_are_known(argv, programs, scripts):
    assert programs_of(argv) == programs
    assert scripts_of(argv) == scripts


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "place"),
        [
            ({}, "run"),
            ({"run": ""}, "run"),
            ({"run": "  "}, "run"),
            ({"run": []}, "run"),
            ({"run": 1}, "run"),
            ({"run": "echo 'a"}, "run"),
            ({"run": ["sh", "-c", "echo 'a"]}, "run"),
            ({"run": "a\0b"}, "run"),
            ({"run": "x", "workspace": "/no/such/folder"}, "workspace"),
            ({"run": "x", "workspace": "a\0b"}, "workspace"),
            ({"run": "x", "file": "../x.py"}, "file"),
            ({"run": "x", "file": "x.py", "stdin": True}, "stdin"),
            ({"run": "x", "writable": True}, "writable"),
            ({"run": "x", "protected": "tests"}, "protected"),
            ({"run": "x", "tests": -1}, "tests"),
            ({"run": "x", "skipped": 1.5}, "skipped"),
            ({"run": "x", "environment": {"A": 1}}, "environment"),
            ({"run": "x", "environment": {"A=B": "1"}}, "environment"),
            ({"run": "x", "timeout_seconds": 0}, "timeout_seconds"),
        ],
    )
    def test_a_wrong_one_is_refused_by_name(self, options, place):
        with pytest.raises(ConfigError) as caught:
            command(options)
        assert caught.value.problems[0].place == place
        assert caught.value.problems[0].fix

    def test_they_reach_the_check(self):
        made = command(
            {
                "run": "pytest -q",
                "protected": [],
                "writable": True,
                "environment": {"CI": "1"},
                "gate": False,
                "timeout_seconds": 5,
            }
        )
        assert (made.writable, made.environment, made.weight) == (True, {"CI": "1"}, Weight.SIGNAL)
        assert made.timeout_seconds > made.seconds == 5

    def test_the_example_is_one(self):
        import tomllib

        options = tomllib.loads(EXAMPLE)
        assert options.pop("kind") == "command"
        assert command(options).argv[0] == "ruff"
