"""What a job may be, where its files go, and what bubblewrap is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.sandbox import Job, JobError, Limits, UnavailableError
from rung.sandbox.bubble import Descriptors, Inside, Programs, command
from rung.sandbox.host import reachable
from rung.sandbox.pool import alike, suits
from rung.sandbox.running import setup_failure
from rung.sandbox.shape import LONGEST_PATH, MOST_FILES, PYTHON
from rung.sandbox.workdir import Base, lay_out, make_work

HOSTILE_PATHS = [
    "", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "x/", "a\0b", "./..", "\ud800",
    "a" * 256, "/".join("a" * 40), "a" * (LONGEST_PATH + 1), ".",
]  # fmt: skip


class TestJob:
    @pytest.mark.parametrize("path", HOSTILE_PATHS)
    def test_a_path_that_leads_out_or_cannot_be_is_refused(self, path: str) -> None:
        with pytest.raises(JobError):
            Job(argv=("true",), files={path: b""})

    @pytest.mark.parametrize(
        "paths", [("a", "a/b"), ("a/b/c", "a/b"), ("a", "./a"), ("a/b", "a//b")]
    )
    def test_two_things_in_one_place_are_refused(self, paths: tuple[str, ...]) -> None:
        with pytest.raises(JobError):
            Job(argv=("true",), files=dict.fromkeys(paths, b""))

    def test_too_many_files_are_refused(self) -> None:
        with pytest.raises(JobError, match="more than"):
            Job(argv=("true",), files={str(place): b"" for place in range(MOST_FILES + 1)})

    @pytest.mark.parametrize("argv", [(), ("",), ("a\0b",), ("true", "\ud800")])
    def test_a_command_that_no_process_can_be_given_is_refused(self, argv: tuple[str, ...]) -> None:
        with pytest.raises(JobError):
            Job(argv=argv)

    @pytest.mark.parametrize("environment", [{"A=B": "c"}, {"A": "b\0"}, {"A\0": "b"}])
    def test_an_environment_that_no_process_can_be_given_is_refused(
        self, environment: dict[str, str]
    ) -> None:
        with pytest.raises(JobError):
            Job(argv=("true",), environment=environment)

    @pytest.mark.parametrize("name", ["wall_seconds", "memory_bytes", "processes", "output_bytes"])
    @pytest.mark.parametrize("value", [0, -1, float("nan")])
    def test_a_limit_is_above_zero(self, name: str, value: float) -> None:
        with pytest.raises(ValueError, match=name):
            Limits(**{name: value})  # type: ignore[arg-type]


SOME_PATHS = st.lists(
    st.lists(st.sampled_from(["a", "b", "ü", ".", "..", "", "c.py", "-rf"]), max_size=4).map(
        "/".join
    ),
    max_size=6,
)


class TestWorkFolder:
    @given(paths=SOME_PATHS)
    def test_what_is_accepted_is_laid_out_inside_and_nowhere_else(
        self, tmp_path_factory: pytest.TempPathFactory, paths: list[str]
    ) -> None:
        try:
            job = Job(argv=("true",), files={path: path.encode() for path in paths})
        except JobError:
            return
        base = Base(tmp_path_factory.getbasetemp(), shared=False)
        try:
            work = make_work(base.path, None)
            lay_out(work, job.files)
            laid = {path for path in base.path.rglob("*") if path.is_file()}
            assert laid == {work / path for path in job.files}
            assert all((work / path).read_bytes() == path.encode() for path in job.files)
        finally:
            base.remove()

    def test_folders_that_a_killed_process_left_are_removed_and_used_ones_are_not(
        self, tmp_path: Path
    ) -> None:
        used = Base(tmp_path, shared=False)
        for name in ("rung-sandbox-left", "rung-sandbox-new", "other"):
            (tmp_path / name / "job-1").mkdir(parents=True)
        for path in (used.path, tmp_path / "rung-sandbox-left", tmp_path / "other"):
            os.utime(path, (0, 0))
        mine = Base(tmp_path, shared=False)
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {used.path.name, mine.path.name, "rung-sandbox-new", "other"}
        used.remove()
        mine.remove()

    def test_a_script_may_be_executed_whatever_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0o077)
        try:
            lay_out(tmp_path, {"d/run.sh": b"#!/bin/sh\n", "d/text": b"x"})
        finally:
            os.umask(before)
        modes = [
            tmp_path.joinpath(name).stat().st_mode & 0o777 for name in ("d", "d/run.sh", "d/text")
        ]
        assert modes == [0o755, 0o755, 0o644]

    def test_a_link_that_is_in_the_way_is_not_followed(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        work = tmp_path / "work"
        work.mkdir()
        (work / "folder").symlink_to(outside)
        (work / "file").symlink_to(outside / "made")
        for path in ("folder/x", "file"):
            with pytest.raises(OSError):
                lay_out(work, {path: b"x"})
        assert list(outside.iterdir()) == []


def words(*, writable: bool = False, reads: tuple[Path, ...] = ()) -> list[str]:
    inside = Inside(Limits(), Path("/host/work"), reads, {"NAME": "value"}, writable)
    programs = Programs("/usr/bin/bwrap", "/usr/bin/prlimit", "/usr/bin/sh", "/usr/bin/cp")
    return command(programs, Descriptors(5, 6, 7), inside)


class TestCommand:
    def test_nothing_is_missing_that_the_sandbox_stands_on(self) -> None:
        said = words()
        for needed in (
            "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
            "--disable-userns", "--die-with-parent", "--new-session", "--clearenv", "--seccomp",
        ):  # fmt: skip
            assert needed in said
        assert said[said.index("--cap-drop") + 1] == "ALL"

    def test_the_only_writable_mounts_are_sized_tmpfs_and_harmless_devices(self) -> None:
        for said in (words(), words(writable=True)):
            bound = [
                said[at + 1] for at, word in enumerate(said) if word in ("--bind", "--dev-bind")
            ]
            assert set(bound) <= {"/dev/null", "/dev/full", "/dev/random", "/dev/urandom"}
            for at, word in enumerate(said):
                if word == "--tmpfs" and said[at + 1] != "/dev":
                    assert said[at - 2] == "--size"
            assert said.index("--remount-ro") > said.index("--tmpfs")

    def test_the_environment_is_set_after_it_was_emptied(self) -> None:
        said = words()
        assert said.index("--clearenv") < said.index("--setenv")

    def test_a_writable_job_gets_a_copy(self) -> None:
        said = words(writable=True)
        assert said[said.index("/host/work") - 1] == "--ro-bind"
        assert said[said.index("/host/work") + 1] != "/job"

    def test_folders_to_read_are_not_covered_by_the_private_tmp(self) -> None:
        said = words(reads=(Path("/tmp/tools"),))
        covering = [
            at for at, word in enumerate(said) if word == "/tmp" and said[at - 1] == "--tmpfs"
        ]
        assert covering[0] < said.index("/tmp/tools")


class TestSlots:
    def test_only_a_file_of_the_job_that_python_runs_is_served_warm(self) -> None:
        files = {"main.py": b""}
        assert suits(Job(argv=(PYTHON, "main.py", "x"), files=files))
        assert not suits(Job(argv=(PYTHON, "-c", "pass"), files=files))
        assert not suits(Job(argv=("python3", "main.py"), files=files))
        assert not suits(Job(argv=(PYTHON, "main.py"), files=files, writable=True))

    def test_limits_that_are_held_from_outside_may_differ(self) -> None:
        base = Limits()
        assert alike(Limits(wall_seconds=1, output_bytes=5, cpu_seconds=1), base)
        assert not alike(Limits(memory_bytes=1 << 20), base)
        assert not alike(Limits(cpu_seconds=base.cpu_seconds + 1), base)


class TestHost:
    def test_what_is_below_a_closed_folder_cannot_be_reached(self, tmp_path: Path) -> None:
        inner = tmp_path / "closed" / "inner"
        inner.mkdir(parents=True)
        inner.chmod(0o755)
        (tmp_path / "closed").chmod(0o700)
        assert not reachable(inner, 60_999)
        assert not reachable(tmp_path / "absent", 60_999)
        assert not reachable(Path("/usr/absent"), 60_999)
        assert reachable(Path("/usr/bin"), 60_999)

    @pytest.mark.parametrize(
        ("said", "fix"),
        [
            (b"bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "systempaths"),
            (b"bwrap: setting up uid map: Permission denied", "apparmor"),
            (b"bwrap: No permissions to create new namespace", "max_user_namespaces"),
            (b"bwrap: Creating new namespace failed: No space left", "max_user_namespaces"),
            (b"", "rung doctor"),
            (b"\x1b[2J\xff", "rung doctor"),
        ],
    )
    def test_what_bubblewrap_says_becomes_a_fix(self, said: bytes, fix: str) -> None:
        error = setup_failure(said)
        assert isinstance(error, UnavailableError)
        assert error.fix is not None
        assert fix in error.fix
        assert error.message.isprintable()
