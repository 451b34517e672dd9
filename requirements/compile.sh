#!/usr/bin/env bash
# Writes the pinned, hashed requirement files from pyproject.toml. Needs uv; writes no address.
# Usage: requirements/compile.sh [extra uv options, e.g. --upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-uv}
lock() { # lock NAME EXTRAS...
  local out=requirements/$1.txt; shift
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --no-annotate pyproject.toml "$@" -o "$out"
}
lock dev --extra demo --group dev "${@}"
lock demo --extra demo -c requirements/dev.txt "${@}"
lock gateway --extra gateway -c requirements/dev.txt "${@}"
lock gateway-pkcs11 --extra gateway-pkcs11 -c requirements/dev.txt "${@}"
lock backend --extra backend -c requirements/dev.txt "${@}"
