"""The system call filter, run through a small machine that obeys it as the kernel does."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.sandbox import bpf, seccomp

MACHINES = sorted(seccomp.ARCHITECTURES)
DENY = bpf.refuse(errno.EPERM)
ABSENT = bpf.refuse(errno.ENOSYS)
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def decide(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter for ``machine`` answers to one call. Raises if it runs off its end."""
    program = seccomp.filter_for(machine)
    assert program is not None
    said = architecture if architecture is not None else seccomp.ARCHITECTURES[machine]
    words = [word % (1 << 64) for word in (*arguments, *(0,) * 6)][:6]
    return run(program, struct.pack("<IIQ6Q", number % (1 << 32), said, 0, *words))


def run(program: bytes, data: bytes) -> int:
    ops = list(struct.iter_unpack("=HBBI", program))
    held, place = 0, 0
    while True:
        code, yes, no, value = ops[place]
        place += 1
        if code == 0x20:
            (held,) = struct.unpack_from("<I", data, value)
        elif code == 0x54:
            held &= value
        elif code == 0x06:
            return value
        else:
            true = {
                0x15: held == value,
                0x25: held > value,
                0x35: held >= value,
                0x45: bool(held & value),
            }[code]
            place += yes if true else no


def row(name: str, machine: str) -> int:
    number = {**seccomp.DENIED, **seccomp.LOOKED_INTO}[name][
        list(seccomp.ARCHITECTURES).index(machine)
    ]
    assert number is not None
    return number


@pytest.mark.parametrize("machine", MACHINES)
class TestFilter:
    def test_every_denied_call_is_refused_whatever_its_arguments(self, machine: str) -> None:
        column = list(seccomp.ARCHITECTURES).index(machine)
        for name, numbers in seccomp.DENIED.items():
            if (number := numbers[column]) is not None:
                assert decide(machine, number) == DENY, name
                assert decide(machine, number, *[(1 << 64) - 1] * 6) == DENY, name

    @given(number=st.integers(0, seccomp.NEWEST_CALL))
    def test_every_other_call_is_allowed(self, machine: str, number: int) -> None:
        column = list(seccomp.ARCHITECTURES).index(machine)
        special = {
            numbers[column] for numbers in (*seccomp.DENIED.values(), *seccomp.LOOKED_INTO.values())
        } | {seccomp.CLONE3[column]}
        if number not in special:
            assert decide(machine, number) == bpf.ALLOW

    @given(number=st.integers(seccomp.NEWEST_CALL + 1, 0x3FFF_FFFF))
    def test_calls_of_the_future_are_absent(self, machine: str, number: int) -> None:
        assert decide(machine, number) == ABSENT

    @given(number=st.integers(0x4000_0000, 0xFFFF_FFFF))
    def test_calls_of_x32_end_the_program(self, machine: str, number: int) -> None:
        assert decide(machine, number) == bpf.KILL_PROCESS

    @given(architecture=st.integers(0, 0xFFFF_FFFF), number=st.integers(0, 500))
    def test_another_architecture_ends_the_program(
        self, machine: str, architecture: int, number: int
    ) -> None:
        if architecture != seccomp.ARCHITECTURES[machine]:
            assert decide(machine, number, architecture=architecture) == bpf.KILL_PROCESS

    @given(flags=st.integers(0, (1 << 64) - 1))
    def test_clone_makes_no_namespace(self, machine: str, flags: int) -> None:
        decided = decide(machine, row("clone", machine), flags)
        assert decided == (DENY if flags & 0x7E02_0000 else bpf.ALLOW)

    @given(family=st.integers(0, (1 << 64) - 1))
    @pytest.mark.parametrize("name", ["socket", "socketpair"])
    def test_only_unix_sockets_are_made(self, machine: str, name: str, family: int) -> None:
        decided = decide(machine, row(name, machine), family)
        assert decided == (bpf.ALLOW if family % (1 << 32) == 1 else DENY)

    @pytest.mark.parametrize("request_", [0x5412, 0x541C, 0x5412 | 1 << 32, 0x541C | 7 << 40])
    def test_nothing_is_typed_into_a_terminal(self, machine: str, request_: int) -> None:
        assert decide(machine, row("ioctl", machine), 0, request_) == DENY
        assert decide(machine, row("ioctl", machine), 0, 0x5401) == bpf.ALLOW

    @pytest.mark.parametrize(
        ("flags", "allowed"),
        [(0x21, False), (0x23, False), (0x22, True), (0x01, True), (0x02, True)],
    )
    def test_memory_is_not_shared_without_a_file(
        self, machine: str, flags: int, allowed: bool
    ) -> None:
        decided = decide(machine, row("mmap", machine), 0, 0, 0, flags)
        assert decided == (bpf.ALLOW if allowed else DENY)

    def test_clone3_is_absent_so_that_clone_is_used(self, machine: str) -> None:
        assert decide(machine, 435) == ABSENT

    def test_numbers_are_those_of_the_kernel_headers(self, machine: str) -> None:
        if not HEADERS[machine].exists():
            pytest.skip(f"no kernel headers for {machine}")
        defined = {
            name: int(number)
            for name, number in re.findall(
                r"#define __NR(?:3264)?_(\w+)\s+(\d+)", HEADERS[machine].read_text("utf-8")
            )
        }
        column = list(seccomp.ARCHITECTURES).index(machine)
        known = {**seccomp.DENIED, **seccomp.LOOKED_INTO, "clone3": seccomp.CLONE3}
        wrong = {
            name: (numbers[column], defined[name])
            for name, numbers in known.items()
            if name in defined and numbers[column] != defined[name]
        }
        assert wrong == {}
        assert len(set(known) & set(defined)) > 80


def test_a_machine_that_is_not_known_has_no_filter() -> None:
    assert seccomp.filter_for("riscv64") is None


class TestAssembler:
    def test_a_jump_goes_to_its_label(self) -> None:
        program = [bpf.load(0), bpf.if_equal(7, yes="there"), bpf.give(1), "there", bpf.give(2)]
        assembled = bpf.assemble(program)
        assert run(assembled, struct.pack("<I", 7)) == 2
        assert run(assembled, struct.pack("<I", 8)) == 1

    @pytest.mark.parametrize(
        "program",
        [
            [bpf.if_equal(1, yes="nowhere"), bpf.give(0)],
            ["back", bpf.if_equal(1, yes="back"), bpf.give(0)],
            ["twice", "twice", bpf.give(0)],
            [bpf.if_equal(1, yes="far"), *[bpf.give(0)] * 256, "far", bpf.give(0)],
        ],
    )
    def test_a_jump_that_cannot_be_made_is_an_error(self, program: list[bpf.Op | str]) -> None:
        with pytest.raises(ValueError, match="label"):
            bpf.assemble(program)
