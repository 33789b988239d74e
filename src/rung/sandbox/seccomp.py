"""Which system calls a sandboxed program may not make, as a filter for the kernel.

A denied call fails with EPERM, as it would for want of a right, so that programs can go on without
it. ``clone3`` and calls newer than the table answer ENOSYS: the C library then falls back to calls
whose arguments the filter can see. Calls of another architecture end the program.

Numbers are the kernel's (x86-64's own table, and asm-generic for AArch64).
"""

from __future__ import annotations

import errno
import platform

from rung.sandbox import bpf
from rung.sandbox.bpf import Op

NEWEST_CALL = 469
"""``file_setattr``, Linux 6.17. From 424 on all architectures share their numbers."""

_X32_CALLS = 0x4000_0000
_NEW_NAMESPACES = 0x7E02_0000
"""CLONE_NEWNS, -CGROUP, -UTS, -IPC, -USER, -PID, -NET."""
_AF_UNIX = 1
_TIOCSTI = 0x5412
_TIOCLINUX = 0x541C
_SHARED_ANONYMOUS = 0x21
"""MAP_SHARED | MAP_ANONYMOUS: such memory can outlive every mapping of it that could be counted."""

ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}

# Each row: x86-64, AArch64.
Numbers = tuple[int | None, int | None]

OTHER_PROCESSES: dict[str, Numbers] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
}
WIDE_KERNEL_SURFACE: dict[str, Numbers] = {
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "ustat": (136, None),
    "sysfs": (139, None),
    "_sysctl": (156, None),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}
FILE_TREES: dict[str, Numbers] = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "unshare": (272, 97),
    "setns": (308, 268),
}
MEMORY_NOBODY_COUNTS: dict[str, Numbers] = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "vmsplice": (278, 75),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmdt": (67, 197),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "mq_timedsend": (242, 182),
    "mq_timedreceive": (243, 183),
    "mq_notify": (244, 184),
    "mq_getsetattr": (245, 185),
}
WHOLE_MACHINE: dict[str, Numbers] = {
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "create_module": (174, None),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
}
DENIED: dict[str, Numbers] = {
    **OTHER_PROCESSES,
    **WIDE_KERNEL_SURFACE,
    **FILE_TREES,
    **MEMORY_NOBODY_COUNTS,
    **WHOLE_MACHINE,
}
LOOKED_INTO: dict[str, Numbers] = {
    "clone": (56, 220),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "ioctl": (16, 29),
    "mmap": (9, 222),
}
"""Calls that are denied only with certain arguments."""

CLONE3: Numbers = (435, 435)


def filter_for(machine: str | None = None) -> bytes | None:
    """The filter for a machine as ``uname -m`` names it (default: this one), None if unknown."""
    machine = machine or platform.machine()
    if machine not in ARCHITECTURES:
        return None
    return bpf.assemble(_program(machine))


def _program(machine: str) -> list[Op | str]:
    column = list(ARCHITECTURES).index(machine)
    denied = sorted(number for row in DENIED.values() if (number := row[column]) is not None)
    looked_into = {name: number for name, row in LOOKED_INTO.items() if (number := row[column])}
    clone3 = CLONE3[column]
    assert clone3 is not None
    return [
        bpf.load(bpf.ARCHITECTURE_AT),
        bpf.if_equal(ARCHITECTURES[machine], no="kill"),
        bpf.load(bpf.NUMBER_AT),
        bpf.if_at_least(_X32_CALLS, yes="kill"),
        bpf.if_greater(NEWEST_CALL, yes="absent"),
        bpf.if_equal(clone3, yes="absent"),
        *(bpf.if_equal(number, yes=name) for name, number in looked_into.items()),
        *(bpf.if_equal(number, yes="deny") for number in denied),
        "allow",
        bpf.give(bpf.ALLOW),
        *_arguments(),
        "deny",
        bpf.give(bpf.refuse(errno.EPERM)),
        "absent",
        bpf.give(bpf.refuse(errno.ENOSYS)),
        "kill",
        bpf.give(bpf.KILL_PROCESS),
    ]


def _arguments() -> list[Op | str]:
    """The kernel reads all of these as 32 bits, so their upper halves cannot hide anything."""
    allow = bpf.give(bpf.ALLOW)
    return [
        "clone",
        bpf.load_argument(0),
        bpf.if_any_bit(_NEW_NAMESPACES, yes="deny"),
        allow,
        "socket",
        "socketpair",
        bpf.load_argument(0),
        bpf.if_equal(_AF_UNIX, no="deny"),
        allow,
        "ioctl",
        bpf.load_argument(1),
        bpf.if_equal(_TIOCSTI, yes="deny"),
        bpf.if_equal(_TIOCLINUX, yes="deny"),
        allow,
        "mmap",
        bpf.load_argument(3),
        bpf.keep_bits(_SHARED_ANONYMOUS),
        bpf.if_equal(_SHARED_ANONYMOUS, yes="deny"),
        allow,
    ]
