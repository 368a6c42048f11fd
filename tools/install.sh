#!/usr/bin/env bash
# Make the environment, then cdvd-mm install into it; versions are those of cdvd_mm/requirements.py.
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

active=${CDVD_MM_ACTIVE:-0}
venv=${CDVD_MM_VENV:-.venv}
python=${PYTHON:-}
torch=${TORCH_VERSION:-}
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

[[ $torch =~ ^(2\.[0-9]+(\.[0-9]+)?)?$ ]] ||
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
    "$1" -m cdvd_mm check-env --python >/dev/null 2>&1
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
stamp() { printf '%s %s %s\n' "$extras" "$root" "$(cat setup.py pyproject.toml cdvd_mm/requirements.py | cksum)"; }
stamp_file() { "$py" -c 'import sys; print(sys.prefix + "/.cdvd_mm_installed")'; }
finish() {
    if [ "$print_python" = 1 ]; then printf '%s\n' "$py"; fi
    exit 0
}
if [ "$force" = 0 ] && [ -x "$py" ] && [ "$(cat "$(stamp_file)" 2>/dev/null)" = "$(stamp)" ] &&
    "$py" -m cdvd_mm check-env --quick >/dev/null 2>&1; then
    say "everything is there already: $py"
    finish
fi

if [ "$active" != 1 ] && [ ! -e "$venv" ]; then
    find_python
    say "making $venv with $python ($(version_of "$python"))"
    "$python" -m venv "$venv" ||
        { rm -rf "$venv"; die "could not make $venv (Debian, Ubuntu: apt-get install python3-venv)"; }
fi
options=(--editable "$root" --extras "$extras")
if [ -n "$torch" ]; then options+=(--torch "$torch"); fi
if [ -n "$torchvision" ]; then options+=(--torchvision "$torchvision"); fi
if [ -n "$torch_index" ]; then options+=(--torch-index "$torch_index"); fi
"$py" -m cdvd_mm install "${options[@]}" || exit $?
stamp > "$(stamp_file)"
say "done: $py"
finish
