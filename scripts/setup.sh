#!/usr/bin/env bash
# Builds .venv with the project (editable) and every tool, from hashed requirements only.
# Does nothing when nothing changed. PYTHON=… chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$@" >&2; exit 1; }

# --- quick way out ---------------------------------------------------------------------------------------

fingerprint() {
    # The place counts too: an editable install points at it. So does the interpreter behind the venv.
    { printf '%s\n' "$root" "${PYTHON:-}"; cat pyproject.toml requirements/*.txt scripts/setup.sh; } | sha256sum | cut -c1-64
}

stamp=.venv/.setup-stamp
up_to_date() {
    [[ -f $stamp && $(<"$stamp") == "$(fingerprint)" && -x .venv/bin/syncline ]] &&
        .venv/bin/python -c '' 2>/dev/null
}

if up_to_date; then
    exit 0
fi

# Two `make` at once must not install into one environment at once.
if command -v flock >/dev/null; then
    exec 9>.setup-lock
    flock 9
    if up_to_date; then
        exit 0
    fi
fi

# --- an interpreter --------------------------------------------------------------------------------------

usable() { command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# The system's own comes first: distributions compile it with profile guidance, which version managers
# leave out unless asked, and which makes Syncline about a fifth faster.
find_python() {
    local candidate
    for candidate in ${PYTHON:-/usr/bin/python3 python3 python3.13 python3.12 python3.11}; do
        if usable "$candidate" && { [[ ${1:-} == any ]] || can_make_venv "$candidate"; }; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

if ! python=$(find_python); then
    if [[ -n ${PYTHON:-} ]]; then
        die "PYTHON=$PYTHON is not a Python 3.11 or newer with the venv module"
    fi
    if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
        say "installing python3 and python3-venv through apt-get"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq >/dev/null
        apt-get install -y -qq --no-install-recommends python3 python3-venv >/dev/null
    fi
    if ! python=$(find_python); then
        if found=$(find_python any); then
            die "$found has no venv module. As root:  apt-get install python3-venv" \
                "(or name another interpreter:  make setup PYTHON=/path/to/python3.11)"
        fi
        die "no Python 3.11 or newer found. As root:  apt-get install python3 python3-venv" \
            "(or name an interpreter:  make setup PYTHON=/path/to/python3.11)"
    fi
fi

# --- the environment -------------------------------------------------------------------------------------

if [[ ! -x .venv/bin/python ]] || ! usable .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    say "creating .venv with $("$python" --version 2>&1)"
    rm -rf .venv
    "$python" -m venv .venv
fi
rm -f "$stamp"
venv_python=$root/.venv/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

# Wheels only. The two exceptions publish none; they are pure Python and are built with the tools that
# requirements/build.txt has pinned, because --no-build-isolation keeps pip from fetching others.
only_wheels=(--require-hashes --no-build-isolation --only-binary :all: --no-binary pyactiveresource,shopifyapi)

say "installing the build tools"
"$venv_python" -m pip install -qq "${only_wheels[@]}" -r requirements/build.txt

say "installing $(grep -c '^[a-zA-Z]' requirements/dev.txt) pinned packages"
uv_log=$(mktemp)
if ! .venv/bin/uv pip install -qq --python "$venv_python" "${only_wheels[@]}" -r requirements/dev.txt 2>"$uv_log"; then
    # uv does not read pip's configuration (mirrors, proxies, certificates); pip may still get through.
    say "uv could not ($(tail -n 1 "$uv_log")); trying pip, which takes about half a minute"
    "$venv_python" -m pip install -qq "${only_wheels[@]}" -r requirements/dev.txt
fi
rm -f "$uv_log"

say "installing syncline itself (editable)"
"$venv_python" -m pip install -qq --no-deps --no-build-isolation --editable .

fingerprint >"$stamp"
say "done: $root/.venv/bin/syncline"
