"""What tools of coding agents give back, as they do: made here, line for line, from no real run.

``needed`` are lines that whoever reads the output has to find in it again.
"""

from __future__ import annotations

from dataclasses import dataclass

ESC = "\x1b"
NOISE, EXACT = "noise", "exact"


@dataclass(frozen=True, slots=True)
class Output:
    """One result of a tool. ``kind`` EXACT: not a byte of it may change."""

    name: str
    text: str
    needed: tuple[str, ...] = ()
    kind: str = NOISE


def npm_install() -> Output:
    frames = "".join(f"{ESC}[1G{ESC}[0K{'⠙⠹⠸⠼⠴⠦⠧⠇'[i % 8]}" for i in range(160))
    warned = [
        f"{ESC}[1mnpm{ESC}[22m {ESC}[33mwarn{ESC}[39m deprecated {name}: no longer supported"
        for name in ("inflight@1.0.6", "glob@7.2.3", "rimraf@3.0.2", "abab@2.0.6")
    ]
    end = (
        "added 1311 packages, and audited 1312 packages in 41s",
        "8 vulnerabilities (2 moderate, 6 high)",
    )
    text = "\n".join([frames, *warned, "", "", "", end[0], "", "", end[1], "", ""])
    return Output("npm install", text, (*end, "deprecated glob@7.2.3: no longer supported"))


def pip_install() -> Output:
    lines = []
    for name, size in (("numpy", 16.9), ("scipy", 37.3), ("pandas", 12.1)):
        lines.append(f"Collecting {name}")
        lines.append(f"  Downloading {name}-cp311-manylinux_x86_64.whl ({size} MB)")
        states = [
            f"{ESC}[2K     {ESC}[38;5;237m{'━' * (i // 2)}{'╺' * (20 - i // 2)}{ESC}[0m "
            f"{size * i / 40:.1f}/{size} MB 8.{i % 10} MB/s eta 0:00:{40 - i:02d}"
            for i in range(41)
        ]
        lines.append("\r".join(states))
    lines.append("ERROR: pip's dependency resolver does not consider all installed packages.")
    lines.append("Successfully installed numpy-2.3.4 pandas-2.3.3 scipy-1.16.2")
    return Output("pip install", "\n".join(lines), tuple(lines[-2:]))


def cargo_build() -> Output:
    names = ("libc", "serde", "syn", "quote", "tokio", "hyper", "regex", "ring", "rustls", "clap")
    lines = []
    for i in range(90):
        crate = f"{names[i % 10]}{'' if i < 10 else f'-part{i // 10}'}"
        lines.append(f"{ESC}[0m{ESC}[1m{ESC}[32m   Compiling{ESC}[0m {crate} v1.{i}.2")
        bar = "=" * (i // 4) + ">"
        lines.append(f"{ESC}[1m{ESC}[36m    Building{ESC}[0m [{bar:<24}] {i}/130: {crate}\r")
    text = "\n".join(lines).replace("\r\n", "\r")
    error = [
        f"{ESC}[0m{ESC}[1m{ESC}[38;5;9merror[E0382]{ESC}[0m{ESC}[1m: borrow of moved value: `key`",
        f"{ESC}[0m  {ESC}[1m{ESC}[38;5;12m--> {ESC}[0msrc/store.rs:118:24",
        "could not compile `store` (lib) due to 1 previous error",
    ]
    needed = ("error[E0382]: borrow of moved value: `key`", "src/store.rs:118:24")
    return Output("cargo build", "\n".join([text, *error]), needed)


def docker_pull() -> Output:
    layers = ("4abcf2066143", "cdc1bf0f9b71", "e37cb19a1cd0", "fae4c0bd1188")
    lines = ["16-alpine: Pulling from library/postgres"]
    for i in range(30):
        for layer in layers:
            bar = "=" * i + ">"
            done = f"[{bar:<50}]  {i * 3.1:.2f}MB/93.4MB"
            lines.append(f"{ESC}[1A{ESC}[2K{layer}: Downloading {done}")
    lines += [f"{layer}: Pull complete" for layer in layers]
    end = "Digest: sha256:6f8b6e1e1b7c3c7bf3d2d4b6c9a0f3ac6a4f8a2e5c2e4d1f0b9a8c7d6e5f4a3b"
    return Output("docker pull", "\n".join([*lines, end]), (end, "fae4c0bd1188: Pull complete"))


def git_clone() -> Output:
    def stages(what: str, total: int) -> str:
        return "\r".join(
            f"{what}: {i:3d}% ({total * i // 100}/{total}), {i / 7:.2f} MiB | 5.{i % 10} MiB/s"
            for i in range(0, 101, 1)
        )

    first = "Cloning into 'service'..."
    text = "\n".join([first, stages("Receiving objects", 48213), stages("Resolving deltas", 31077)])
    return Output("git clone", text, (first, "Resolving deltas: 100% (31077/31077)"))


def service_log() -> Output:
    lines = []
    for i in range(240):
        stamp = f"2026-11-03T09:{i // 60:02d}:{i % 60:02d}.{i * 37 % 1000:03d}Z"
        lines.append(f"{stamp} INFO  api.access GET /healthz 200 {i % 9 + 1}ms req=88{i:05d}")
        if i == 131:
            lines.append(f"{stamp} ERROR api.orders payment 99812 declined: gateway said 502")
            lines.append(f"{stamp} INFO  api.access POST /orders 500 31ms req=8899812")
    needed = (
        "payment 99812 declined: gateway said 502",
        "api.access POST /orders 500 31ms req=8899812",
        "2026-11-03T09:00:00.000Z INFO  api.access GET /healthz 200 1ms req=8800000",
    )
    return Output("service log", "\n".join(lines), needed)


def worker_log() -> Output:
    lines = []
    for i in range(120):
        stamp = f"Nov  3 09:{i // 60:02d}:{i % 60:02d} build-7 worker[41{i % 10}2]:"
        lines.append(f"{stamp} lease taken for queue mail")
        lines.append(f"{stamp} lease of queue mail given back after {i % 70 + 5} ms")
    lines.append("Nov  3 09:02:01 build-7 worker[4112]: lease lost: database is locked")
    return Output("journal of a worker", "\n".join(lines), (lines[-1], lines[0], lines[1]))


def training_log() -> Output:
    lines = [
        f"2026-11-03 10:{i // 60:02d}:{i % 60:02d} INFO train step {i} loss {9 / (i + 1):.4f}"
        for i in range(80)
    ]
    return Output("losses of a training run", "\n".join(lines), tuple(lines))


def pytest_run() -> Output:
    passed = [
        f"tests/unit/test_{name}.py::test_{name}_{i} {ESC}[32mPASSED{ESC}[0m"
        f"{ESC}[32m                   [{i:3d}%]{ESC}[0m"
        for i, name in enumerate(("orders", "stock", "prices", "mail") * 20)
    ]
    failed = [
        f"tests/unit/test_tax.py::test_reduced {ESC}[31mFAILED{ESC}[0m{ESC}[31m  [100%]{ESC}[0m",
        "",
        f"=================================== {ESC}[31mFAILURES{ESC}[0m ========================",
        f"{ESC}[31m{ESC}[1m_______________________ test_reduced ______________________{ESC}[0m",
        "",
        "    def test_reduced():",
        ">       assert tax(100, reduced=True) == 7",
        f"{ESC}[1m{ESC}[31mE       assert 19 == 7{ESC}[0m",
        f"{ESC}[1m{ESC}[31mtests/unit/test_tax.py{ESC}[0m:12: AssertionError",
        f"{ESC}[31mFAILED{ESC}[0m tests/unit/test_tax.py::test_reduced - assert 19 == 7",
        f"{ESC}[31m============= {ESC}[1m1 failed{ESC}[0m, 80 passed in 3.11s ==========={ESC}[0m",
    ]
    needed = ("E       assert 19 == 7", "FAILED tests/unit/test_tax.py::test_reduced")
    return Output("pytest -v", "\n".join([*passed, *failed]), needed)


def repeated_warning() -> Output:
    line = "dyld: lazy symbol binding skipped"
    return Output("one line 400 times", "\n".join([line] * 400 + ["done"]), (line, "done"))


def traceback_in_log() -> Output:
    lines = [f"2026-11-03 10:00:{i % 60:02d} INFO poll queue mail empty" for i in range(50)]
    trace = ["Traceback (most recent call last):"]
    trace += ['  File "/app/q.py", line 7, in walk', "    return walk(node)"] * 12
    trace += ["RecursionError: maximum recursion depth exceeded"]
    return Output("log with a traceback", "\n".join([*lines, *trace, *lines]), tuple(trace))


# ------------------------------------------------------------------ what stays exact


def _exact(name: str, text: str) -> Output:
    return Output(name, text, kind=EXACT)


def git_log() -> Output:
    text = "\n".join(
        f"{i:07x} 2026-10-{i % 28 + 1:02d} Fix rounding of line {i} in exports" for i in range(90)
    )
    return _exact("git log --oneline", text)


def listing() -> Output:
    text = "\n\n".join(
        f"./src/part{i}:\n__init__.py\nviews.py\nmodels.py\nqueries_{i}.py" for i in range(60)
    )
    return _exact("ls -R", text)


def grep() -> Output:
    text = "\n".join(f"src/shop/cart.py:{i * 7}:        self.total += item" for i in range(80))
    return _exact("grep -n", text)


def python_file() -> Output:
    body = "\n\n\n".join(
        f"def area_{i}(width: float) -> float:  \n    return width * {i}" for i in range(60)
    )
    return _exact("a Python file", body)


def numbered_file() -> Output:
    text = "\n".join(f"{i:6d}\t    total = 0" for i in range(120))
    return _exact("a file with numbers at its lines", text)


def json_document() -> Output:
    rows = ",\n".join('  {"id": 1, "state": "open", "retries": 0}' for _ in range(80))
    return _exact("JSON", f"[\n{rows}\n]")


def json_lines() -> Output:
    row = '{"time":"2026-11-03T10:00:00Z","level":"info","msg":"poll"}'
    return _exact("JSON lines", "\n".join([row] * 120))


def csv_table() -> Output:
    rows = "\n".join(f"2026-11-03T10:00:{i % 60:02d},12.5,0,ok" for i in range(120))
    return _exact("a CSV table", f"time,load,errors,state\n{rows}")


def markdown_table() -> Output:
    return _exact("a table in Markdown", "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 90)


def measured_values() -> Output:
    text = "\n".join(f"10:00:{i % 60:02d}     all    {i % 7}.2{i % 10}    0.00" for i in range(120))
    return _exact("values of sar", text)


def unified_diff() -> Output:
    lines = ["diff --git a/x.py b/x.py", "--- a/x.py", "+++ b/x.py", "@@ -1,90 +1,90 @@"]
    return _exact("a diff", "\n".join([*lines, *["-    pass", "+    return"] * 45, " ", " "]))


def yaml_file() -> Output:
    text = "services:\n" + "  web:\n    image: nginx\n    restart: always\n\n\n" * 30
    return _exact("YAML", text)


def prose() -> Output:
    text = "Twice the same line is how poets insist.  \n\n\nAnd blanks are theirs.  \n\n\n" * 12
    return _exact("prose", text)


OUTPUTS = tuple(
    make()
    for make in (
        *(npm_install, pip_install, cargo_build, docker_pull, git_clone, service_log),
        *(worker_log, training_log, pytest_run, repeated_warning, traceback_in_log),
        *(git_log, listing, grep, python_file, numbered_file, json_document, json_lines),
        *(csv_table, markdown_table, measured_values, unified_diff, yaml_file, prose),
    )
)
