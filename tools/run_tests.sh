#!/usr/bin/env bash
# Install what is missing, then run the test suite: bash tools/run_tests.sh [pytest's arguments]
# Where and with which PyTorch: the environment variables of tools/install.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=$(bash tools/install.sh --print-python)
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "$python" -m pytest "$@"
