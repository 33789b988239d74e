#!/bin/sh
# All tests, in two halves side by side: most of them wait for processes and sockets. Tests that look at
# what a sandbox leaves behind on the machine share one half, so that they see no other's.
# Usage: tests.sh PYTEST
set -u
set -m  # else what runs in the background would not hear ctrl-C, and some tests press it
pytest=$1
log=$(mktemp)
boxed=$(ls tests/integration/test_sandbox_*.py tests/integration/test_unit_test*.py \
  tests/integration/test_behaviour_runs.py tests/integration/test_command_gate.py \
  tests/integration/test_gateway_commands.py tests/integration/test_verify_commands.py)

"$pytest" tests/unit $boxed >"$log" 2>&1 &
half=$!
trap 'kill $half 2>/dev/null; rm -f "$log"' EXIT
trap 'exit 130' INT TERM

ignored=""
for file in $boxed; do ignored="$ignored --ignore=$file"; done
"$pytest" tests/integration tests/acceptance $ignored
one=$?
wait "$half"
other=$?
cat "$log"
[ "$one" -eq 0 ] && [ "$other" -eq 0 ]
