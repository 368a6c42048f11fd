#!/usr/bin/env bash
# Install the oldest and the newest supported pair of Python and PyTorch, each into an environment
# of its own, and try them: bash tools/dev/smoke_versions.sh [FOLDER] [PYTHON=TORCH ...]
#
# Takes some 7 GB and some minutes a pair; the environments are removed unless KEEP=1. The last lines
# say, for each pair, what was installed and whether all of it works. A report of each pair, with
# the table of cdvd-mm check-env, stays in FOLDER (default: work_dirs/smoke).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

folder=${1:-work_dirs/smoke}
shift || true
pairs=("$@")
[ ${#pairs[@]} -gt 0 ] || pairs=(python3.10=2.1.2 python3.12=2.14.1)
tests=(tests/test_check_env.py tests/test_compat tests/test_wheel.py tests/test_ops
       tests/test_tools/test_train_test.py)
mkdir -p "$folder"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

try_pair() {  # try_pair PYTHON TORCH VENV
    bash tools/install.sh --python "$1" --torch "$2" --venv "$3" --extras video,data,tests &&
        "$3/bin/cdvd-mm" check-env &&
        "$3/bin/python" -m pytest -q -p no:cacheprovider "${tests[@]}"
}

failed=0
summary=()
for pair in "${pairs[@]}"; do
    python=${pair%%=*}
    torch=${pair#*=}
    venv=$folder/${python##*/}_$torch
    report=$venv.log
    if try_pair "$(type -p "$python")" "$torch" "$venv" > "$report" 2>&1; then
        outcome=works
    else
        outcome="FAILS, see $report"
        failed=1
    fi
    found=$("$venv/bin/python" -c 'import platform, numpy, torch, torchvision
print(f"Python {platform.python_version()}, PyTorch {torch.__version__}, "
      f"torchvision {torchvision.__version__}, NumPy {numpy.__version__}")' 2>&1 | tail -1)
    summary+=("$found: $outcome; $(tail -1 "$report")")
    [ "${KEEP:-0}" = 1 ] || rm -rf "$venv"
done
printf '%s\n' "${summary[@]}"
exit $failed
