"""What hostile programs try in a sandbox, as a table: each is a Python program and how it may end.

A program says BREACH when something works that must not, and OVER when it has tried everything;
one that says neither has proved nothing. On the standard library alone: it also runs as another
user, by the system's Python.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MEBIBYTE = 1 << 20

PRELUDE = '''
import ctypes, errno, json, mmap, os, resource, signal, socket, subprocess, sys, threading, time
bait = json.loads(sys.stdin.buffer.readline())
libc = ctypes.CDLL(None, use_errno=True)

def breach(what):
    print("BREACH", what, flush=True)

def refused(what, call, *words):
    try:
        got = call(*words)
    except (OSError, AttributeError, ValueError, OverflowError):
        return
    breach(f"{what}: {got!r}"[:200])

def read(path):
    with open(path, "rb") as file:
        return file.read(200)

def write(path, content=b"1"):
    descriptor = os.open(path, os.O_WRONLY)
    try:
        return os.write(descriptor, content)
    finally:
        os.close(descriptor)

def create(path):
    with open(path, "wb") as file:
        return file.write(b"x")

def syscall(number, *words):
    """Only EPERM and ENOSYS are a refusal; any other error is an answer to the arguments."""
    ctypes.set_errno(0)
    got = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(word) for word in words))
    wrong = ctypes.get_errno()
    if got == -1 and wrong in (errno.EPERM, errno.ENOSYS):
        raise OSError(wrong, os.strerror(wrong))
    return got, os.strerror(wrong)

def call(name, *words):
    refused(name, syscall, bait["calls"][name], *words)

def over():
    print("OVER", flush=True)
'''


@dataclass(frozen=True)
class Attack:
    """``ends`` are the ways it may end; ``says`` is what its output must hold. ``signal`` is that
    which ends it, if it is not killed by a limit."""

    name: str
    code: str
    ends: tuple[str, ...] = ("exit",)
    says: bytes = b"OVER"
    limits: dict[str, Any] = field(default_factory=dict)
    signal: int | None = None
    stdin: bytes = b""


def killed(name: str, code: str, *ends: str, **limits: Any) -> Attack:
    return Attack(name, code, ends=ends, says=b"", limits=limits)


def tries(name: str, *lines: str) -> Attack:
    return Attack(name, "\n".join([*lines, "over()"]))


TOO_MANY = """
children = []
try:
    while len(children) < 500:
        child = os.fork()
        if child == 0:
            {does}
            os._exit(0)
        children.append(child)
except OSError:
    pass
if len(children) > bait["processes"]:
    breach(f"{{len(children)}} children")
over()
"""

BOMBS = [
    Attack("fork bomb", TOO_MANY.format(does="signal.pause()")),
    killed(
        "exponential fork bomb",
        "while True:\n  try: os.fork()\n  except OSError: pass",
        "wall",
        "cpu",
        "processes",
        "memory",
    ),
    Attack(
        "thread bomb",
        """
threads = 0
try:
    while threads < 500:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        threads += 1
except RuntimeError:
    pass
if threads > bait["processes"]:
    breach(f"{threads} threads")
over()
os._exit(0)
""",
    ),
    Attack("zombies", TOO_MANY.format(does="os._exit(0)")),
    Attack(
        "memory bomb",
        """
held = []
try:
    while True:
        held.append(b"x" * 1_000_000)
except MemoryError:
    if len(held) * 1_000_000 > bait["memory"]:
        breach(f"{len(held)} MB")
    held.clear()
over()
""",
    ),
    Attack(
        "one huge allocation",
        """
try:
    mmap.mmap(-1, 10 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    breach("10 GB")
except (OSError, MemoryError):
    over()
""",
    ),
    killed(
        "memory bomb of many processes",
        """
for _ in range(12):
    if os.fork() == 0:
        held = b"x" * 60_000_000
        signal.pause()
signal.pause()
""",
        "memory",
    ),
    killed(
        "memory bomb of short-lived processes",
        """
while True:
    try:
        if os.fork() == 0:
            held = b"x" * 60_000_000
            time.sleep(0.4)
            os._exit(0)
    except OSError:
        time.sleep(0.01)
""",
        "memory",
    ),
    tries(
        "memory in memfd", "call('memfd_create', 0, 0)", "refused('memfd', os.memfd_create, 'x')"
    ),
    tries("memory in memfd_secret", "call('memfd_secret', 0)"),
    tries(
        "System V shared memory",
        "call('shmget', 0, 1 << 30, 0o1600)",
        "call('semget', 0, 1, 0o1600)",
        "call('msgget', 0, 0o1600)",
    ),
    tries("POSIX message queue", "call('mq_open', 0, 0, 0, 0)"),
    tries("shared anonymous memory", "refused('shared memory', mmap.mmap, -1, 1 << 20)"),
    tries(
        "shared memory of /dev/zero",
        "refused('/dev/zero', lambda: mmap.mmap(os.open('/dev/zero', os.O_RDWR), 1 << 20))",
    ),
    tries("pages hidden in a pipe", "call('vmsplice', 0, 0, 0, 0)"),
    Attack(
        "fill /tmp",
        """
total = 0
try:
    for place in range(1000):
        with open(f"/tmp/{place}", "wb", buffering=0) as file:
            for _ in range(4):
                total += file.write(b"x" * 1_000_000)
except OSError:
    pass
if total > bait["tmp"]:
    breach(f"{total} bytes")
over()
""",
    ),
    Attack(
        "fill /dev/shm",
        """
total = 0
try:
    for place in range(1000):
        with open(f"/dev/shm/{place}", "wb", buffering=0) as file:
            total += file.write(b"x" * 1_000_000)
except OSError:
    pass
if total > 8 << 20:
    breach(f"{total} bytes")
over()
""",
    ),
    killed(
        "fill /tmp with empty files",
        """
place = 0
while True:
    os.close(os.open(f"/tmp/{place}", os.O_CREAT | os.O_WRONLY))
    place += 1
""",
        "storage",
        tmp_files=2000,
    ),
    Attack(
        "one big file",
        """
try:
    with open("/tmp/big", "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 1_000_000)
except OSError:
    pass
if os.path.getsize("/tmp/big") > bait["file"]:
    breach(os.path.getsize("/tmp/big"))
refused("truncate", os.truncate, "/tmp/big", 1 << 40)
over()
""",
    ),
    Attack(
        "open everything",
        """
opened = []
try:
    while len(opened) < 5000:
        opened.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
if len(opened) > bait["open"]:
    breach(len(opened))
over()
""",
    ),
]

HOST_FILES = [
    tries("read /etc/shadow", "refused('shadow', read, '/etc/shadow')"),
    tries("read a file of the host", "refused('secret', read, bait['secret'])"),
    tries(
        "list folders of people",
        """
for place in ("/root", "/home", "/var", "/sys"):
    held = os.listdir(place) if os.path.exists(place) else ()
    if set(held) - set(bait["ways"].get(place, ())):
        breach(f"{place}: {held}")
""",
    ),
    tries(
        "find more than tools beside the tools",
        """
for place, names in bait["ways"].items():
    if set(os.listdir(place)) - set(names):
        breach(f"{place}: {os.listdir(place)}")
    if place.split("/")[1] != "tmp":  # that one is the job's own
        refused(f"write {place}", os.mkdir, f"{place}/mine")
    for name in ("activate", "activate.csh", "Activate.ps1", "activate.fish"):
        refused(name, read, f"{place}/bin/{name}")
""",
    ),
    tries(
        "see the host's /tmp",
        "seen = set(os.listdir('/tmp')) - set(bait['ways'].get('/tmp', ()))",
        "seen and breach(sorted(seen))",
    ),
    tries(
        "read keys of the environment",
        "any('canary' in v for v in os.environ.values()) and breach('environment')",
    ),
    tries(
        "read keys of other processes",
        """
for name in os.listdir("/proc"):
    for file in ("environ", "cmdline", "maps"):
        try:
            if b"canary" in open(f"/proc/{name}/{file}", "rb").read():
                breach(f"{name}/{file}")
        except OSError:
            pass
""",
    ),
    tries(
        "see the host's processes",
        "seen = [n for n in os.listdir('/proc') if n.isdigit()]",
        "len(seen) > 4 and breach(seen)",
    ),
    tries(
        "leave by /proc/1/root",
        "refused('secret', read, '/proc/1/root' + bait['secret'])",
        "refused('shadow', read, '/proc/1/root/etc/shadow')",
        "refused('cwd', read, '/proc/1/cwd/' + '../' * 20 + bait['secret'])",
    ),
    tries(
        "leave by ..",
        "refused('secret', read, '/job/' + '../' * 20 + bait['secret'])",
        "refused('fd', lambda: os.open('../' * 20 + 'etc/shadow', 0, dir_fd=os.open('/job', 0)))",
    ),
    tries(
        "leave by a link",
        "os.symlink(bait['secret'], '/tmp/link')",
        "refused('link', read, '/tmp/link')",
        "os.symlink('/proc/self/root/etc/shadow', '/tmp/link2')",
        "refused('link', read, '/tmp/link2')",
    ),
    tries(
        "leave by a hard link",
        "refused('hard link', os.link, '/job/main.py', '/tmp/main.py')",
        "refused('hard link', os.link, '/usr/bin/env', '/tmp/env')",
    ),
    tries(
        "write outside",
        *(
            f"refused('{place}', create, '{place}/created')"
            for place in ("/usr", "/etc", "", "/dev", "/proc")
        ),
    ),
    tries(
        "replace the interpreter",
        "refused('python', write, os.path.realpath(sys.executable))",
        "refused('exe', write, '/proc/self/exe')",
        "refused('libc', write, '/etc/ld.so.cache')",
    ),
    tries(
        "tamper with the work folder",
        "refused('write', write, '/job/main.py')",
        "refused('unlink', os.unlink, '/job/main.py')",
        "refused('create', create, '/job/new')",
        "refused('rename', os.rename, '/job/main.py', '/job/x')",
        "refused('mkdir', os.mkdir, '/job/d')",
        "refused('chmod', os.chmod, '/job/main.py', 0o777)",
        "refused('chmod', os.chmod, '/job', 0o777)",
        "refused('utime', os.utime, '/job/main.py', (0, 0))",
    ),
    tries(
        "write to what bubblewrap keeps",
        "refused('old root', os.listdir, '/oldroot')",
        "refused('new root', os.listdir, '/newroot')",
    ),
]

KERNEL_FILES = [
    tries(
        "set core_pattern", "refused('core', write, '/proc/sys/kernel/core_pattern', b'|/bin/sh')"
    ),
    tries(
        "set other settings",
        *(
            f"refused('{name}', write, '/proc/sys/{name}')"
            for name in (
                "vm/overcommit_memory",
                "kernel/hostname",
                "kernel/modprobe",
                "fs/file-max",
                "kernel/pid_max",
                "net/ipv4/ip_forward",
                "user/max_user_namespaces",
            )
        ),
    ),
    tries("remount /proc/sys", "call('mount', 0, 0, 0, 32 | 4096, 0)"),
    tries("press sysrq", "refused('sysrq', write, '/proc/sysrq-trigger', b'h')"),
    tries(
        "read the kernel's log",
        "refused('kmsg', read, '/proc/kmsg')",
        "call('syslog', 2, 0, 0)",
        "refused('dev', read, '/dev/kmsg')",
    ),
    tries(
        "read the kernel's memory",
        *(
            f"refused('{name}', read, '{name}')"
            for name in ("/proc/kcore", "/dev/mem", "/dev/port")
        ),
        "refused('symbols', read, '/proc/kallsyms')",
    ),
    tries(
        "escape the out-of-memory killer",
        "refused('oom', write, '/proc/self/oom_score_adj', b'-1000')",
    ),
    tries(
        "escape the control group",
        "refused('cgroup', os.listdir, '/sys/fs/cgroup')",
        "refused('procs', write, '/sys/fs/cgroup/cgroup.procs')",
    ),
    tries(
        "find devices",
        *(
            f"refused('{name}', os.open, '{name}', os.O_RDWR)"
            for name in (
                "/dev/sda",
                "/dev/vda",
                "/dev/tty",
                "/dev/console",
                "/dev/kvm",
                "/dev/fuse",
                "/dev/ptmx",
                "/dev/net/tun",
                "/dev/loop0",
            )
        ),
        "known = {'null', 'full', 'random', 'urandom', 'fd', 'shm', 'stdin', 'stdout', 'stderr'}",
        "extra = set(os.listdir('/dev')) - known",
        "extra and breach(extra)",
    ),
    tries(
        "make devices",
        "refused('mknod', os.mknod, '/tmp/d', 0o60600, os.makedev(8, 0))",
        "refused('mknod', os.mknod, '/tmp/d', 0o20600, os.makedev(1, 1))",
    ),
]

NETWORK = [
    tries(
        "TCP to the host", "refused('tcp', socket.create_connection, ('127.0.0.1', bait['tcp']), 1)"
    ),
    tries(
        "UDP to the host",
        "refused('udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
        ".sendto(b'x', ('127.0.0.1', bait['udp'])))",
    ),
    tries("IPv6", "refused('ipv6', socket.socket, socket.AF_INET6, socket.SOCK_STREAM)"),
    tries(
        "raw sockets",
        "refused('raw', socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)",
        "refused('packet', socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 3)",
    ),
    tries(
        "every other family",
        """
for family in range(64):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW):
        if family != socket.AF_UNIX:
            refused(f"family {family}", socket.socket, family, kind)
            refused(f"pair of {family}", socket.socketpair, family, kind)
""",
    ),
    tries(
        "a family hidden in upper bits",
        "call('socket', (1 << 32) | 2, 1, 0)",
        "call('socket', 2 | (7 << 40), 1, 0)",
    ),
    tries("names", "refused('names', socket.getaddrinfo, 'localhost.example.com', 80)"),
    tries(
        "unix socket of the host",
        "refused('unix', lambda: socket.socket(socket.AF_UNIX).connect(bait['unix']))",
    ),
    tries(
        "abstract socket of the host",
        "refused('abstract', lambda: socket.socket(socket.AF_UNIX)"
        ".connect(chr(0) + bait['abstract']))",
    ),
]

SIGNALS = [
    Attack("kill the parent", "os.kill(os.getppid(), 9)\ntime.sleep(0.2)\nover()"),
    Attack(
        "kill everyone",
        "signal.signal(15, signal.SIG_IGN)\ntry: os.kill(-1, 15)\nexcept OSError: pass\nover()",
    ),
    tries(
        "kill the host's processes",
        "refused('host', os.kill, bait['host'] + 0, 0) if bait['host'] > 50 else 0",
        "refused('victim', os.kill, bait['victim'], 9) if bait['victim'] > 50 else 0",
        "refused('group', os.killpg, bait['victim'], 9) if bait['victim'] > 50 else 0",
    ),
    Attack(
        "kill init", "for s in (9, 15, 19):\n  try: os.kill(1, s)\n  except OSError: pass\nover()"
    ),
    killed(
        "ignore all signals",
        """
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    time.sleep(60)
""",
        "wall",
    ),
    killed("sleep", "time.sleep(600)", "wall"),
    # Time enough that the processor's limit comes first where other programs are busy too.
    killed("busy loop", "while True: pass", "cpu", cpu_seconds=0.4, wall_seconds=3.0),
    killed(
        "busy loops side by side",
        """
for _ in range(8):
    if os.fork() == 0:
        break
while True:
    pass
""",
        "cpu",
        cpu_seconds=0.6,
        wall_seconds=3.0,
    ),
    killed("stop itself", "os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(60)", "wall"),
    killed(
        "children that stop",
        """
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(60)
""",
        "wall",
    ),
    Attack(
        "a daemon that keeps the pipes",
        """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        time.sleep(600)
    os._exit(0)
os.wait()
over()
""",
    ),
    Attack(
        "a daemon that closes everything",
        """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 256)
        time.sleep(600)
    os._exit(0)
os.wait()
over()
""",
    ),
    Attack("abort leaves no core", "over()\nos.chdir('/tmp')\nos.abort()", signal=6),
    Attack("never read its input", "over()", stdin=b"x" * 5_000_000),
]

OUTPUT = [
    killed("infinite stdout", "while True: os.write(1, b'x' * 65536)", "output"),
    killed("infinite stderr", "while True: os.write(2, b'x' * 65536)", "output"),
    killed("both at once", "while True: os.write(1, b'x'); os.write(2, b'y' * 999)", "output"),
    killed("a line of 50 MB", "sys.stdout.write('x' * 50_000_000)", "output"),
    Attack(
        "bytes that mean something to terminals",
        r"os.write(1, b'\0\x1b[2J\x1b]0;x\x07\xff\xfe\xe2\x80\xaeOVER\r\n')",
        says=b"\0\x1b[2J\x1b]0;x\x07\xff\xfe\xe2\x80\xaeOVER\r\n",
    ),
    Attack(
        "say that all is well and leave", "print('OVER 1 passed'); sys.stdout.flush(); os._exit(0)"
    ),
    tries(
        "type into the terminal",
        "import fcntl",
        "refused('TIOCSTI', fcntl.ioctl, 0, 0x5412, b'x')",
        "call('ioctl', 0, 0x5412, 0)",
        "call('ioctl', 0, 0x541C, 0)",
        "call('ioctl', 0, 0x5412 | (1 << 32), 0)",
    ),
    tries(
        "inherited descriptors",
        """
for number in range(3, 1024):
    try:
        os.fstat(number)
    except OSError:
        continue
    breach(f"descriptor {number}: {os.readlink(f'/proc/self/fd/{number}')}")
""",
    ),
]

RIGHTS = [
    tries(
        "trace another process",
        "child = os.fork()",
        "child or time.sleep(60)",
        "call('ptrace', 16, child, 0, 0)",
        "call('process_vm_readv', child, 0, 0, 0, 0, 0)",
        "call('process_vm_writev', child, 0, 0, 0, 0, 0)",
        "os.kill(child, 9)",
    ),
    tries("be traced", "call('ptrace', 0, 0, 0, 0)"),
    tries(
        "a namespace of its own",
        "call('unshare', 0x10000000)",
        "call('clone', 0x10000000 | 17, 0, 0, 0, 0)",
        "call('clone3', 0, 0)",
        "call('clone', 0x20000000 | 17, 0, 0, 0, 0)",
        "call('setns', 0, 0)",
        "refused('join', os.open, '/proc/1/ns/../../0/ns/user', 0)",
    ),
    tries(
        "a sandbox in the sandbox",
        """
ran = subprocess.run(["/usr/bin/bwrap", "--unshare-all", "--dev-bind", "/", "/", "/usr/bin/id"],
                     capture_output=True)
ran.returncode == 0 and breach("nested bubblewrap")
ran = subprocess.run(["/usr/bin/unshare", "-Ur", "/usr/bin/id"], capture_output=True)
ran.returncode == 0 and breach("unshare -Ur")
""",
    ),
    tries(
        "mount",
        "call('mount', 0, 0, 0, 0, 0)",
        "call('umount2', 0, 2)",
        "call('pivot_root', 0, 0)",
        "call('chroot', 0)",
        "call('open_tree', 0, 0, 1)",
        "call('move_mount', 0, 0, 0, 0, 0)",
        "call('fsopen', 0, 0)",
        "call('fsmount', 0, 0, 0)",
        "call('mount_setattr', 0, 0, 0, 0, 0)",
    ),
    tries(
        "programs that raise rights",
        """
for words in (["/usr/bin/su", "-c", "id"], ["/usr/bin/sudo", "-n", "id"], ["/usr/bin/newgrp"],
              ["/usr/bin/mount", "-t", "tmpfs", "x", "/tmp"]):
    try:
        ran = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL)
    except OSError:
        continue
    (b"uid=0" in ran.stdout or ran.returncode == 0) and breach(words)
lines = open("/proc/self/status").read()
"NoNewPrivs:\\t1" in lines or breach("new privileges")
"CapEff:\\t0000000000000000" in lines or breach("capabilities")
""",
    ),
    tries(
        "other users",
        "refused('root', os.setuid, 0)",
        "refused('group', os.setgid, 0)",
        "refused('groups', os.setgroups, [0])",
        "refused('map', write, '/proc/self/uid_map', b'0 0 1')",
        "os.getuid() == 0 and breach('root')",
    ),
    tries(
        "make a program that raises rights",
        "create('/tmp/p')",
        "os.chmod('/tmp/p', 0o6755)",
        "refused('chown', os.chown, '/tmp/p', 0, 0)",
    ),
    *(
        tries(f"system call {name}", f"call('{name}', 0, 0, 0, 0, 0, 0)")
        for name in (
            "io_uring_setup",
            "bpf",
            "keyctl",
            "add_key",
            "perf_event_open",
            "userfaultfd",
            "personality",
            "kexec_load",
            "init_module",
            "finit_module",
            "delete_module",
            "swapon",
            "acct",
            "quotactl",
            "open_by_handle_at",
            "name_to_handle_at",
            "fanotify_init",
            "pidfd_getfd",
            "kcmp",
            "move_pages",
            "sethostname",
            "process_madvise",
        )
    ),
    tries(
        "system calls of the future",
        "refused('future', syscall, 600, 0)",
        "refused('future', syscall, 470, 0)",
    ),
    Attack(
        "system calls of another architecture",
        """
code = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
code.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")
over()
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
breach("int 0x80")
""",
        signal=31,
    ),
    Attack(
        "system calls of x32",
        "over()\nlibc.syscall(ctypes.c_long(0x40000000 | 41), 2, 1, 0)\nbreach('x32')",
        signal=31,
    ),
    tries(
        "change the clock",
        "refused('clock', time.clock_settime, time.CLOCK_REALTIME, 0)",
        "call('settimeofday', 0, 0)",
        "call('adjtimex', 0)",
        "call('clock_adjtime', 0, 0)",
    ),
    tries(
        "take precedence",
        "refused('nice', os.nice, -10)",
        "refused('realtime', os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(50))",
    ),
    tries(
        "raise its limits",
        *(
            f"refused('{name}', resource.setrlimit, resource.{name}, (resource.RLIM_INFINITY,) * 2)"
            for name in (
                "RLIMIT_NPROC",
                "RLIMIT_DATA",
                "RLIMIT_FSIZE",
                "RLIMIT_NOFILE",
                "RLIMIT_CPU",
                "RLIMIT_CORE",
                "RLIMIT_MEMLOCK",
            )
        ),
    ),
    tries("lock memory", "libc.mlockall(3) == 0 and breach('mlockall')"),
    tries(
        "outlive its filter",
        "import ctypes as c",
        "subprocess.run([sys.executable, '-c', 'import os; os.memfd_create(chr(120))'],"
        " capture_output=True).returncode == 0 and breach('a child has no filter')",
    ),
]

ATTACKS = [*BOMBS, *HOST_FILES, *KERNEL_FILES, *NETWORK, *SIGNALS, *OUTPUT, *RIGHTS]
