"""What of the host jobs are shown: programs and packages, and nothing that lies beside them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rung.sandbox import UnavailableError, canary, tools
from rung.sandbox.bridge import Bridge
from rung.sandbox.bubble import Descriptors, Inside, Programs, command
from rung.sandbox.shape import Limits


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose folder is its environment too, with a secret, keys and an interpreter."""
    base = tmp_path / "pythons" / "3.11.7"
    link = tmp_path / "pythons" / "3.11"
    for folder in (base / "bin", base / "lib", base / "share"):
        folder.mkdir(parents=True)
    (base / "bin" / "python3.11").write_text("")
    link.symlink_to(base)
    home = tmp_path / "project"
    for folder in (home / "bin", home / "lib", home / "src"):
        folder.mkdir(parents=True)
    (home / "lib64").symlink_to("lib")
    (home / "bin" / "python3").symlink_to("python")
    (home / "bin" / "python").symlink_to(link / "bin" / "python3.11")
    for name in ("pyvenv.cfg", ".env", "pip.conf", "bin/activate", "bin/Activate.ps1"):
        (home / name).write_text("SECRET=1")
    (home / "bin" / "postactivate").write_text("SECRET=1")
    return home


def test_an_environment_is_its_programs_and_packages_and_its_interpreters(project: Path) -> None:
    shown = tools.parts_of(project)
    pythons = project.parent / "pythons"
    assert {path for path in shown if path.is_relative_to(project)} == {
        *(project / name for name in ("bin", "lib", "lib64", "pyvenv.cfg"))
    }
    assert {path for path in shown if path.is_relative_to(pythons)} == {
        *(pythons / version / name for version in ("3.11", "3.11.7") for name in ("bin", "lib"))
    }


def test_scripts_that_may_hold_keys_are_shown_empty(project: Path) -> None:
    names = {path.name for path in tools.emptied(tools.parts_of(project))}
    assert names == {"activate", "Activate.ps1", "postactivate"}


def test_any_other_folder_is_shown_whole_and_what_is_below_usr_is_there_already(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "tool"
    folder.mkdir()
    assert tools.parts_of(folder) == (folder,)
    assert tools.parts_of(Path("/usr/share")) == ()
    assert tools.parts_of(Path("/usr")) == ()


@pytest.mark.parametrize(
    "folder",
    [
        *("/", "/etc", "/root", "/home", "/tmp", "/var", "/proc/1", "/sys/kernel", "/dev/shm"),
        *("/run/docker", "/job", "/usr/../etc", "/opt/../root"),
        *("/opt/x/.ssh", "/opt/.aws/tool", "/srv/.config/gcloud"),
    ],
)
def test_what_holds_more_than_programs_is_refused(folder: str) -> None:
    with pytest.raises(UnavailableError, match="more than programs"):
        tools.checked(Path(folder))


def test_a_link_to_what_is_refused_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(UnavailableError):
        tools.checked(tmp_path / "link")


def test_a_home_is_refused_and_so_is_a_python_in_its_bin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = list(tools.pwd.getpwuid(os.getuid()))
    entry[5] = str(tmp_path)
    record = tools.pwd.struct_passwd(entry)
    monkeypatch.setattr(tools.pwd, "getpwuid", lambda _: record)
    with pytest.raises(UnavailableError):
        tools.parts_of_home(tmp_path)


def test_programs_are_looked_for_where_a_folder_keeps_them() -> None:
    folders = (Path("/opt/go"), Path("/opt/node/bin"), Path("/p/node_modules"))
    assert list(tools.searched(folders)) == ["/opt/go/bin", "/opt/node/bin", "/p/node_modules/.bin"]


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    one, other = tmp_path / "bin" / "a", tmp_path / "bin" / "b"
    one.parent.mkdir()
    one.symlink_to(other)
    other.symlink_to(one)
    with pytest.raises((OSError, RuntimeError)):
        tools.homes(one)


def test_only_the_way_to_what_is_shown_may_be_seen() -> None:
    reads = (Path("/root/.venv/bin"), Path("/root/.venv/lib"), Path("/opt/x"), Path("/opt/x/in"))
    assert canary.ways(reads) == {
        "/root": [".venv"],
        "/root/.venv": ["bin", "lib"],
        "/opt": ["x"],
    }


class TestBridge:
    BRIDGE = Bridge("unshare", "sh", "mount", "env", "setpriv", 60_999, (Path("/usr/bin"),))

    def test_without_places_there_is_none(self, tmp_path: Path) -> None:
        laid = Bridge().over(tmp_path)
        assert laid.words == ()
        assert laid.source(Path("/opt/x")) == Path("/opt/x")
        assert list(tmp_path.iterdir()) == []

    def test_each_place_gets_an_end_that_others_can_walk_to(self, tmp_path: Path) -> None:
        laid = self.BRIDGE.over(tmp_path)
        assert laid.source(Path("/usr/bin")) == tmp_path / "shown-0"
        assert laid.source(Path("/opt/bin")) == Path("/opt/bin")
        assert (tmp_path / "shown-0").is_dir()
        assert laid.words[-5:] == ("setpriv", "60999", "/usr/bin", str(tmp_path / "shown-0"), "--")
        assert self.BRIDGE.over(tmp_path) == laid

    def test_the_sandbox_takes_the_far_end_and_shows_it_at_its_own_place(
        self, tmp_path: Path
    ) -> None:
        inside = Inside(
            Limits(),
            Path("/host/work"),
            (Path("/usr/bin"),),
            {},
            emptied=(Path("/usr/bin/activate"),),
            source=self.BRIDGE.over(tmp_path).source,
        )
        words = command(Programs("bwrap", "prlimit", "sh", "cp"), Descriptors(3, 4, 5), inside)
        told = " ".join(words)
        assert f"--ro-bind {tmp_path}/shown-0 /usr/bin" in told
        assert "--ro-bind /dev/null /usr/bin/activate" in told

    def test_one_that_cannot_be_built_does_not_hold(self, tmp_path: Path) -> None:
        absent = Bridge(*("/no/such/program",) * 5, 60_999, (Path("/usr/bin"),))
        assert not absent.holds(tmp_path, "true")
        missing = Bridge(*(sys.executable,) * 5, 60_999, (Path("/nowhere"),))
        assert not missing.holds(tmp_path, "true")
