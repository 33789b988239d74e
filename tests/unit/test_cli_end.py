"""How a command's process ends: with its status, and with all that it printed."""

import sys

import pytest

from rung import cli
from rung.cli import main


class Ended(BaseException):
    pass


@pytest.fixture
def ended(monkeypatch):
    """The statuses that a process would have ended with at once."""
    statuses = []

    def leave(status):
        statuses.append(status)
        raise Ended

    monkeypatch.setattr(cli.os, "_exit", leave)
    return statuses


def does(monkeypatch, ending=None):
    def command():
        if ending is not None:
            raise ending

    monkeypatch.setattr(main, "main", command)


@pytest.mark.parametrize(
    ("ending", "status"),
    [(None, 0), (SystemExit(3), 3), (SystemExit(None), 0), (KeyboardInterrupt(), 130)],
)
def test_where_http_was_used_the_process_ends_at_once(monkeypatch, ended, ending, status):
    monkeypatch.setitem(sys.modules, "pyqwest", sys)
    does(monkeypatch, ending)
    with pytest.raises(Ended):
        cli.run()
    assert ended == [status]


@pytest.mark.parametrize(("ending", "status"), [(None, 0), (SystemExit(3), 3)])
def test_where_it_was_not_the_interpreter_ends_it(monkeypatch, ended, ending, status):
    monkeypatch.delitem(sys.modules, "pyqwest", raising=False)
    does(monkeypatch, ending)
    with pytest.raises(SystemExit) as caught:
        cli.run()
    assert caught.value.code == status
    assert ended == []


def test_what_was_printed_is_written_before_the_end(monkeypatch, ended):
    flushed = []
    stream = type("Out", (), {"flush": lambda _: flushed.append(1)})()
    monkeypatch.setitem(sys.modules, "pyqwest", sys)
    monkeypatch.setattr(sys, "stdout", stream)
    does(monkeypatch)
    with pytest.raises(Ended):
        cli.run()
    assert flushed


def test_a_reader_who_has_gone_makes_it_no_success(monkeypatch, ended):
    class Gone:
        def flush(self):
            raise BrokenPipeError

    monkeypatch.setitem(sys.modules, "pyqwest", sys)
    monkeypatch.setattr(sys, "stdout", Gone())
    does(monkeypatch)
    with pytest.raises(Ended):
        cli.run()
    assert ended == [1]
