#!/usr/bin/env bash
# Install, then the demo: make data, train, test, compare. All arguments go to tools/install.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case " $* " in *' -h '*|*' --help '*)
    printf 'Usage: bash tools/quickstart.sh [options of tools/install.sh]\n\n'
    printf 'Installs, makes data/demo, trains configs/cdvd_demo.py, tests it, and writes the\n'
    printf 'restored frames and comparison.png to work_dirs/cdvd_demo/comparison.\n\n'
    exec bash tools/install.sh --help ;;
esac

python=$(bash tools/install.sh "$@" --print-python)
config=configs/cdvd_demo.py
work_dir=work_dirs/cdvd_demo
# Threads that wait for each other must not keep a busy processor from the one they wait for: where
# other programs run too, training takes 30 times as long otherwise.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
say() { printf '\n[quickstart] %s (%d s since the installation)\n' "$*" "$SECONDS"; }
SECONDS=0

say 'making the data'
"$python" tools/dataset_converters/make_demo_data.py data/demo
say 'training'
"$python" tools/train.py "$config" --work-dir "$work_dir"
say 'testing'
checkpoint=$(cat "$work_dir/last_checkpoint")
"$python" tools/test.py "$config" "$checkpoint" --work-dir "$work_dir/test"
say 'comparing'
"$python" tools/analysis_tools/plot_comparison.py "$config" "$checkpoint" "$work_dir/comparison" --shipped
say 'done'
