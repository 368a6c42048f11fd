#!/usr/bin/env bash
# Install everything cdvd_mm needs: the only truth about installing.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: bash tools/install.sh [options]

Makes .venv in the checkout (or uses the active environment) and puts into it
PyTorch with the fitting torchvision, mmengine, mmcv, MMagic, MMFlow (these two
without their generative dependencies) and cdvd_mm itself, editable. Run again,
it checks in a second that everything is there and does nothing. PyTorch that is
already in the environment stays as it is.

Options (environment variable in brackets; the option wins):
  --active           use the active environment or, without one, the python on
                     the PATH, instead of .venv                 [CDVD_MM_ACTIVE=1]
  --venv DIR         folder of the environment to make    [CDVD_MM_VENV] .venv
  --python PYTHON    interpreter to make it with, 3.10-3.12  [PYTHON] found on the PATH
  --torch VERSION    PyTorch to install where there is none  [TORCH_VERSION] 2.11.0
  --torchvision VERSION            [TORCHVISION_VERSION] the one made for that PyTorch
  --torch-index URL  index to get these two from, e.g. one with CPU builds
                                                 [TORCH_INDEX_URL] the ordinary index
  --extras NAMES     extras of setup.py, comma-separated        [CDVD_MM_EXTRAS] all
  --force            go through every step although all seems to be there
  --print-python     print the environment's python as the last line
  -h, --help         this text

Exit code: 0 installed, 1 a step failed, 2 wrong usage.
TEXT
}

say() { printf '[install] %s\n' "$*" >&2; }
die() { printf '[install] error: %s\n' "$*" >&2; exit 1; }
wrong_usage() { printf '[install] error: %s\n' "$*" >&2; usage >&2; exit 2; }

# MMagic, MMFlow, mmengine and mmcv agree with each other at these versions only.
MMCV_VERSION=2.0.1
MMAGIC_VERSION=1.2.0
MMFLOW_VERSION=1.0.0rc0

active=${CDVD_MM_ACTIVE:-0}
venv=${CDVD_MM_VENV:-.venv}
python=${PYTHON:-}
torch=${TORCH_VERSION:-2.11.0}
torchvision=${TORCHVISION_VERSION:-}
torch_index=${TORCH_INDEX_URL:-}
extras=${CDVD_MM_EXTRAS:-all}
force=0
print_python=0

while [ $# -gt 0 ]; do
    case $1 in
        --active) active=1 ;;
        --force) force=1 ;;
        --print-python) print_python=1 ;;
        -h|--help) usage; exit 0 ;;
        --venv|--python|--torch|--torchvision|--torch-index|--extras)
            [ $# -ge 2 ] && [ -n "$2" ] || wrong_usage "$1 needs a value"
            case $1 in
                --venv) venv=$2 ;;
                --python) python=$2 ;;
                --torch) torch=$2 ;;
                --torchvision) torchvision=$2 ;;
                --torch-index) torch_index=$2 ;;
                --extras) extras=$2 ;;
            esac
            shift ;;
        *) wrong_usage "unknown option: $1" ;;
    esac
    shift
done
[[ $torch =~ ^2\.[0-9]+(\.[0-9]+)?$ ]] ||
    wrong_usage "--torch must look like 2.11.0 (2.1 or later), found: $torch"
[[ $extras =~ ^[a-z]+(,[a-z]+)*$ ]] || wrong_usage "--extras must look like video,data, found: $extras"

# cd leaves the meaning of a relative --venv and --python to the caller's folder.
caller=$PWD
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -n "${CDVD_MM_VENV:-}" ] || [ "$venv" != .venv ]; then
    case $venv in /*) ;; *) venv=$caller/$venv ;; esac
else
    venv=$root/.venv
fi
case $python in /*|'') ;; */*) python=$caller/$python ;; esac
cd "$root"

fits() {  # does this interpreter run, at a version that is supported?
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' >/dev/null 2>&1
}
version_of() { "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null || echo 'does not run'; }

find_python() {
    local candidate path seen=''
    if [ -n "$python" ]; then
        fits "$python" || die "$python: $(version_of "$python"); Python 3.10, 3.11 or 3.12 is needed"
        return
    fi
    for candidate in python3.11 python3.12 python3.10 python3 python; do
        # Every one on the PATH: the first may be a launcher without that version behind it.
        while read -r path; do
            if fits "$path" && "$path" -c 'import venv, ensurepip' 2>/dev/null; then
                python=$path
                return
            fi
            seen="$seen
    $path: $(version_of "$path")"
        done < <(type -ap "$candidate" | awk '!seen[$0]++')
    done
    die "Python 3.10, 3.11 or 3.12 with its venv module is needed. Found:${seen:- none}
Install one (Debian, Ubuntu: apt-get install python3 python3-venv), or name it with --python."
}

if [ "$active" = 1 ]; then
    if [ -n "${VIRTUAL_ENV:-}" ]; then py=$VIRTUAL_ENV/bin/python
    elif [ -n "${CONDA_PREFIX:-}" ]; then py=$CONDA_PREFIX/bin/python
    else py=$(type -p python || type -p python3) || die 'no python on the PATH'; fi
    fits "$py" || die "$py: $(version_of "$py"); Python 3.10, 3.11 or 3.12 is needed"
else
    py=$venv/bin/python
    if [ -e "$venv" ] && ! fits "$py"; then
        die "$venv: $(version_of "$py"); Python 3.10, 3.11 or 3.12 is needed. Remove the folder, or name another with --venv."
    fi
fi

# Nothing to do? The stamp says that these files were installed with these extras, check_env that
# it is still so.
stamp() { printf '%s %s %s\n' "$extras" "$root" "$(cat setup.py pyproject.toml tools/install.sh | cksum)"; }
stamp_file() { "$py" -c 'import sys; print(sys.prefix + "/.cdvd_mm_installed")'; }
finish() {
    if [ "$print_python" = 1 ]; then printf '%s\n' "$py"; fi
    exit 0
}
if [ "$force" = 0 ] && [ -x "$py" ] && [ "$(cat "$(stamp_file)" 2>/dev/null)" = "$(stamp)" ] &&
    "$py" -m cdvd_mm.check_env --quick >/dev/null 2>&1; then
    say "everything is there already: $py"
    finish
fi

if [ "$active" != 1 ] && [ ! -e "$venv" ]; then
    find_python
    say "making $venv with $python ($(version_of "$python"))"
    "$python" -m venv "$venv" ||
        { rm -rf "$venv"; die "could not make $venv (Debian, Ubuntu: apt-get install python3-venv)"; }
fi
"$py" -m pip --version >/dev/null 2>&1 || "$py" -m ensurepip >/dev/null 2>&1 ||
    die "$py has no pip; install it first"

constraints=$(mktemp)
trap 'rm -f "$constraints"' EXIT

pip_install() {  # pip_install WHAT ARGS...: quiet but for errors, nothing that is there is upgraded
    local what=$1
    shift
    say "$what"
    # A download of minutes shows its progress to a person, and only to a person.
    local quiet=--quiet
    if [ -t 2 ] && [[ $what == *minutes* ]]; then quiet=; fi
    "$py" -m pip install ${quiet:+"$quiet"} --disable-pip-version-check --constraint "$constraints" "$@" ||
        die "$what: failed (pip's message is above); once mended, run this script again"
}
found() {  # version of an installed distribution, empty where there is none
    "$py" -c 'import sys
from importlib import metadata
try:
    print(metadata.version(sys.argv[1]))
except metadata.PackageNotFoundError:
    pass' "$1"
}

# 1. PyTorch and torchvision: an exact pair, as each torchvision is compiled for one PyTorch.
index=()
if [ -n "$torch_index" ]; then index=(--index-url "$torch_index"); fi
have_torch=$(found torch)
have_torchvision=$(found torchvision)
if [ -n "$have_torch" ]; then
    torch=${have_torch%%+*}
    case $torch in
        0.*|1.*|2.0|2.0.*) die "PyTorch $have_torch is in this environment; 2.1 or later is needed. Upgrade it, or use another environment." ;;
    esac
    if [ "$torch" != "${TORCH_VERSION:-$torch}" ]; then
        say "keeping PyTorch $have_torch that is there already (not $TORCH_VERSION)"
    fi
    echo "torch==$have_torch" > "$constraints"
fi
minor=${torch#2.}
minor=${minor%%.*}
[ "$minor" -ge 1 ] 2>/dev/null || wrong_usage "--torch must be 2.1 or later, found: $torch"
if [ -z "$torchvision" ]; then torchvision="0.$((minor + 15)).*"; fi
if [ -z "$have_torch" ]; then
    # '===' keeps out builds with a local label (2.13.0+cpu), which no torchvision of the
    # ordinary index fits; an index of one's own choice is free to label its builds.
    equal='==='
    if [ -n "$torch_index" ]; then equal='=='; fi
    [[ $torch =~ ^2\.[0-9]+$ ]] && torch="$torch.0"
    pip_install "PyTorch $torch and torchvision $torchvision (some minutes, some GB)" \
        "${index[@]}" "torch${equal}$torch" "torchvision==$torchvision"
    echo "torch==$(found torch)" > "$constraints"
elif [ -z "$have_torchvision" ]; then
    pip_install "torchvision $torchvision for PyTorch $have_torch" "${index[@]}" "torchvision==$torchvision"
fi
echo "torchvision==$(found torchvision)" >> "$constraints"

# 2. The parents. A compiled mmcv that is there stays.
pip_install 'setuptools and wheel' 'setuptools>=64,<82' wheel
pip_install "cdvd_mm with extras: $extras" --no-build-isolation --editable ".[$extras]"
have_mmcv=$(found mmcv)
case ${have_mmcv:-none} in
    none) pip_install "mmcv-lite $MMCV_VERSION" "mmcv-lite==$MMCV_VERSION" ;;
    2.0.*) say "keeping mmcv $have_mmcv that is there already" ;;
    *) die "mmcv $have_mmcv is in this environment; MMFlow $MMFLOW_VERSION needs 2.0.x. Remove it (pip uninstall mmcv), or use another environment." ;;
esac
pip_install "MMagic $MMAGIC_VERSION and MMFlow $MMFLOW_VERSION, without their generative dependencies" \
    --no-deps "mmagic==$MMAGIC_VERSION" "mmflow==$MMFLOW_VERSION"

# 3. OpenCV's ordinary build needs libGL and X11 libraries, which a server may lack: the headless
# build of the same version goes over it then.
if ! "$py" -c 'import cv2' >/dev/null 2>&1; then
    pip_install 'OpenCV without windows (libGL or X11 is missing here)' --no-deps --force-reinstall \
        "opencv-python-headless==$(found opencv-python)"
    "$py" -c 'import cv2' || die 'OpenCV does not import (see above)'
fi

say 'checking'
"$py" -m cdvd_mm.check_env >&2 || die 'the environment is not complete: see the table above'
stamp > "$(stamp_file)"
say "done: $py"
finish
