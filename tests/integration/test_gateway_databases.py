"""A running gateway whose database fails: what to do is said, nothing is lost, and it recovers."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from support.gateway import Gateway, Reply, ask, chat, request, rung
from support.ledger_rows import rows
from support.postgres import GUARDED, PASSWORD
from support.provider_books import Books, booked_calls, config, disagreements, shed

WRONG = "not-the-password-4e1d"
PATIENCE_SECONDS = 30.0
ALLOWANCE = '[spending]\nledger_away = "allow"\nallowance_usd = 0.04\n'

_numbers = iter(range(1, 100_000))


def post(gateway: Gateway, script: str = "low=right", **more: object) -> Reply:
    while True:
        body = chat(f"#{next(_numbers)} {script}", **more)
        reply = ask(gateway.port, request(body=body))
        if not shed(reply):
            return reply
        time.sleep(0.1)


def served(gateway: Gateway, seconds: float = PATIENCE_SECONDS) -> Reply:
    """Ask until somebody is served."""
    until = time.monotonic() + seconds
    while (reply := post(gateway)).status != 200:
        assert time.monotonic() < until, reply.raw
        time.sleep(0.1)
    return reply


def agreed(books: Books, place: str) -> None:
    """Wait until the ledger and the provider's books say the same."""
    until = time.monotonic() + PATIENCE_SECONDS
    while booked_calls(place) != len(books.entries):
        if time.monotonic() > until:
            break  # what is missing is told below
        time.sleep(0.1)
    assert disagreements(books, place) == []


def told(reply: Reply) -> str:
    """What a caller is told in a refusal."""
    assert reply.status == 503, reply.raw
    return str(reply.json["error"]["message"])


# ------------------------------------------------------------------ a disk of its own


def _mounted(options: str) -> list[str]:
    """The command that puts a file system at a folder, for what it becomes alone."""
    script = f'{options} && shift && exec "$@"'
    return ["unshare", "-rm", "sh", "-c", script, "sh"]


FULL = _mounted('mount -t tmpfs -o size=4m none "$1"')
READ_ONLY = _mounted('mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"')


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run([*FULL, "/mnt", "true"], capture_output=True, check=False)
    return done.returncode == 0


needs_mounts = pytest.mark.skipif(not _may_mount(), reason="no file system can be mounted here")


@needs_mounts
def test_a_full_disk_refuses_with_its_fix_and_what_was_served_is_booked_when_there_is_room(
    tmp_path,
):
    disk = tmp_path / "disk"
    disk.mkdir()
    books = Books()
    with books.server() as provider:
        made = config(provider.base_url, str(disk / "ledger.db"))
        with Gateway(tmp_path, made, under=[*FULL, str(disk)]) as gateway:
            seen = Path(f"/proc/{gateway.process.child.pid}/root{disk}")
            assert post(gateway).status == 200
            with ThreadPoolExecutor(1) as pool:
                slow = pool.submit(post, gateway, "low=late")
                _wait(lambda: any(entry.behaviour == "late" for entry in books.entries))
                _fill(seen / "filler")
                # It was paid for by then: its caller has it, and its row has to wait.
                assert slow.result().status == 200
            calls = len(books.entries)
            said = told(post(gateway))
            assert "disk is full" in said
            assert "free some space" in said
            assert len(books.entries) == calls
            (seen / "filler").unlink()
            served(gateway)
            _wait(lambda: booked_calls(_copied(seen, tmp_path)) == len(books.entries))
            assert disagreements(books, _copied(seen, tmp_path)) == []


def _copied(disk: Path, to: Path) -> str:
    """The ledger where SQLite finds it: it follows links of /proc to nowhere."""
    for name in ("ledger.db", "ledger.db-wal"):
        shutil.copy(disk / name, to / f"copied-{name}")
    return str(to / "copied-ledger.db")


def _fill(path: Path) -> None:
    """Take the last byte of its disk, again and again until nobody makes room any more."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)


def _wait(holds, seconds: float = PATIENCE_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


@needs_mounts
@pytest.mark.parametrize("there", [False, True])
def test_a_read_only_folder_is_told_at_the_start(tmp_path, there):
    disk = tmp_path / "disk"
    disk.mkdir()
    if there:
        rung_with(tmp_path, str(disk / "ledger.db"), "bill")
        closing(sqlite3.connect(disk / "ledger.db"))
    (tmp_path / "rung.toml").write_text(config("http://127.0.0.1:9", str(disk / "ledger.db")))
    done = subprocess.run(
        [*READ_ONLY, str(disk), shutil.which("rung") or _rung(), "serve"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    refused(done, str(disk / "ledger.db"), "writable for this user")


def _rung() -> str:
    from support.gateway import RUNG

    return str(RUNG)


# ------------------------------------------------------------------ files


def rung_with(folder: Path, place: str, *arguments: str, env: dict[str, str] | None = None):
    """A command with a configuration that keeps its ledger at ``place``."""
    (folder / "rung.toml").write_text(config("http://127.0.0.1:9", place))
    return rung(folder, *arguments, env=env)


def refused(done: subprocess.CompletedProcess[str], *said: str) -> None:
    """It ended with the status of a ledger that cannot be used, in words."""
    assert done.returncode == 5, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "fix:" in done.stderr
    for words in said:
        assert words in done.stderr


def test_a_lock_of_another_program_is_waited_for(tmp_path):
    place = str(tmp_path / "ledger.db")
    books = Books()
    with (
        books.server() as provider,
        Gateway(tmp_path, config(provider.base_url, place)) as gateway,
    ):
        assert post(gateway).status == 200
        with closing(sqlite3.connect(place, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with ThreadPoolExecutor(4) as pool:
                asked = [pool.submit(post, gateway) for _ in range(4)]
                time.sleep(0.5)
                other.execute("ROLLBACK")
                assert [one.result().raw for one in asked if one.result().status != 200] == []
        agreed(books, place)


def test_a_file_that_is_moved_away_is_told_and_holds_what_was_acknowledged(tmp_path):
    place = tmp_path / "ledger.db"
    books = Books()
    with (
        books.server() as provider,
        Gateway(tmp_path, config(provider.base_url, str(place))) as gateway,
    ):
        name = post(gateway).headers["x-rung-request-id"]
        for suffix in ("", "-wal", "-shm"):
            Path(f"{place}{suffix}").rename(f"{place}.moved{suffix}")
        said = told(post(gateway))
        assert "moved" in said
        assert "restart rung" in said
        moved = rows(f"{place}.moved", "SELECT id FROM requests")
        assert [row["id"] for row in moved] == [name]


@pytest.mark.parametrize("command", [["serve"], ["bill"]])
@pytest.mark.parametrize("content", [b"these are no pages at all" * 400, b"SQLite format 3\0junk"])
def test_a_file_that_is_no_ledger_is_told_by_commands_and_left_alone(tmp_path, command, content):
    place = tmp_path / "ledger.db"
    place.write_bytes(content)
    refused(rung_with(tmp_path, str(place), *command), str(place))
    assert place.read_bytes() == content


# ------------------------------------------------------------------ servers


def test_a_server_that_goes_and_comes_back_is_told_and_nothing_is_lost(tmp_path, own_postgres):
    place = own_postgres.url(own_postgres.fresh())
    books = Books()
    with (
        books.server() as provider,
        Gateway(tmp_path, config(provider.base_url, place)) as gateway,
    ):
        assert post(gateway).status == 200
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(post, gateway, "low=late")
            _wait(lambda: any(entry.behaviour == "late" for entry in books.entries))
            own_postgres.kill()
            # It was paid for by then: its caller has it, and its row has to wait.
            assert slow.result().status == 200
        calls = len(books.entries)
        said = told(post(gateway))
        assert "cannot be reached" in said
        assert "start the server" in said
        assert len(books.entries) == calls
        assert gateway.status is None
        own_postgres.start()
        served(gateway)
        agreed(books, place)
        bill = json.loads(rung(tmp_path, "bill", "--json").stdout)
    spent = sum(row["cost_nanousd"] for row in rows(place, "SELECT cost_nanousd FROM requests"))
    assert bill["total"]["spend_nanousd"] == spent > 0


def test_while_the_server_is_away_an_allowance_is_spent_and_then_booked(tmp_path, own_postgres):
    place = own_postgres.url(own_postgres.fresh())
    books = Books()
    budget = '[[budgets]]\nname = "all"\nusd = 1000\nper = "ever"\n'
    with (
        books.server() as provider,
        Gateway(tmp_path, config(provider.base_url, place, ALLOWANCE + budget)) as gateway,
    ):
        assert post(gateway).status == 200
        own_postgres.stop()
        found = [post(gateway).status for _ in range(60)]
        assert found[0] == 200
        assert found[-1] == 503
        own_postgres.start()
        served(gateway)
        agreed(books, place)
        # What was spent meanwhile is counted too, a moment later.
        _wait(lambda: _counted(place) == _cost(place))


def _counted(place: str) -> tuple[int, int]:
    (row,) = rows(place, "SELECT spent_nanousd, held_nanousd FROM budgets")
    return row["spent_nanousd"], row["held_nanousd"]


def _cost(place: str) -> tuple[int, int]:
    return sum(row["cost_nanousd"] for row in rows(place, "SELECT cost_nanousd FROM attempts")), 0


@pytest.mark.parametrize(
    "command",
    [
        ["serve"],
        ["bill"],
        ["bill", "--json"],
        ["config", "check"],
        ["doctor"],
        ["ledger", "info"],
        ["explain"],
        ["budget", "list"],
    ],
)
def test_a_wrong_password_is_told_and_shown_nowhere(tmp_path, postgres, postgres_url, command):
    name = postgres_url.rpartition("/")[2]
    guarded = postgres.url(name, user=GUARDED)
    inside = guarded.replace("@", f":{WRONG}@")
    for place, env in ((guarded, {"RUNG_LEDGER_PASSWORD": WRONG}), (inside, {})):
        done = rung_with(tmp_path, place, *command, env=env)
        assert WRONG not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        if command[0] not in {"config", "doctor"}:
            refused(done, "refused this user", "RUNG_LEDGER_PASSWORD", GUARDED)


def test_the_right_password_comes_from_the_environment(tmp_path, postgres, postgres_url):
    guarded = postgres.url(postgres_url.rpartition("/")[2], user=GUARDED)
    books = Books()
    for name in ("RUNG_LEDGER_PASSWORD", "PGPASSWORD"):
        with (
            books.server() as provider,
            Gateway(tmp_path, config(provider.base_url, guarded), env={name: PASSWORD}) as gateway,
        ):
            assert post(gateway).status == 200
        assert PASSWORD not in gateway.said


@pytest.mark.parametrize(
    "place",
    [
        f"postgresql://rung:{WRONG}@127.0.0.1:1/rung",
        f"postgresql://rung:{WRONG}@127.0.0.1:70000/rung",
        f"postgresql://rung:{WRONG}@[::1/rung",
        f"postgresql://rung:{WRONG}@127.0.0.1/rung?no_such_option=1",
        f"mysql://rung:{WRONG}@127.0.0.1/rung",
        f"postgresql+asyncpg://rung:{WRONG}@127.0.0.1/rung",
        f"Postgresql://rung:{WRONG}@127.0.0.1:1/rung",
        f"Postgresql:/rung:{WRONG}@127.0.0.1/rung",
        "sqlite:///rung.db",
        "postgresql://%zz",
    ],
)
def test_an_address_that_is_wrong_is_told_at_the_start(tmp_path, place):
    done = rung_with(tmp_path, place, "serve")
    assert done.returncode in {2, 5}, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "postgresql://" in done.stderr
    assert WRONG not in done.stdout + done.stderr
    assert not list(tmp_path.glob("**/*@*"))
