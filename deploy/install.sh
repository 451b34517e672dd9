#!/usr/bin/env bash
# Prepares this checkout: a local Python environment, and the tools that the tests can use.
#
#   deploy/install.sh env demo|dev   .venv with requirements/demo.txt or dev.txt, every file by hash;
#                                    does nothing when that was done before
#   deploy/install.sh test-tools     Mosquitto, Chromium and SoftHSM2 from the distribution, if we are root and
#                                    they are missing; never fails: tests skip what is not there
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
apt_s_max=600 # A slow mirror must not hold up a test run for ever.

say() { printf '%s\n' "$*" >&2; }

can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  timeout "$apt_s_max" apt-get update -qq &&
    timeout "$apt_s_max" apt-get install -y -qq --no-install-recommends "$@"
}

is_python311() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3.11 /usr/bin/python3.11 python3; do
    if command -v "$candidate" >/dev/null && is_python311 "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

need_python() {
  find_python && return
  if can_apt; then
    say "Installing Python 3.11 ..."
    apt_install python3.11 python3.11-venv >&2 || true
    find_python && return
  fi
  say "Python 3.11 is needed: install it, or name it: PYTHON=/path/to/python3.11 make ..."
  return 1
}

# Debian takes ensurepip and pip out of python3; each way below is enough.
make_venv() {
  local python=$1
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null && can_apt; then
    say "Installing python3-venv ..."
    apt_install python3-venv >&2 || true
  fi
  if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    "$python" -m venv --clear "$venv"
  elif "$python" -m virtualenv --version >/dev/null 2>&1; then
    "$python" -m virtualenv --quiet --clear "$venv"
  elif command -v virtualenv >/dev/null; then
    virtualenv --quiet --clear --python "$python" "$venv"
  elif "$python" -m pip --version >/dev/null 2>&1 && "$python" -m venv --without-pip --clear "$venv"; then
    : # pip outside of the environment installs into it, see run_pip.
  else
    rm -rf "$venv"
    say "Cannot make a Python environment. One of these helps:"
    say "  as root: apt-get install python3-venv        as a user: pip install --user virtualenv"
    return 1
  fi
}

run_pip() {
  if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    "$venv/bin/python" -m pip "$@"
  else
    "$(find_python)" -m pip --python "$venv/bin/python" "$@"
  fi
}

install_env() {
  local set=$1 requirements=requirements/$1.txt sum
  sum=$(sha256sum "$requirements" | cut -d' ' -f1)
  if [ -x "$venv/bin/python" ] && is_python311 "$venv/bin/python"; then
    # What the tests need includes what the demo needs, in the same versions.
    if [ "$(stamp "$set")" = "$sum" ] ||
      { [ "$set" = demo ] && [ "$(stamp dev)" = "$(sha256sum requirements/dev.txt | cut -d' ' -f1)" ]; }; then
      return
    fi
  else
    local python
    python=$(need_python)
    say "Making $venv with $("$python" --version) ..."
    make_venv "$python"
  fi
  say "Installing $requirements into $venv ..."
  run_pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$requirements"
  printf '%s\n' "$sum" >"$venv/.stamp-$set"
}

stamp() { cat "$venv/.stamp-$1" 2>/dev/null || true; }

has_chromium() { command -v chromium chromium-browser google-chrome >/dev/null; }

has_softhsm() { command -v softhsm2-util >/dev/null; }

has_mosquitto() { PATH=$PATH:/usr/sbin:/usr/local/sbin command -v mosquitto >/dev/null; }

install_test_tools() {
  local missing=()
  has_mosquitto || missing+=(mosquitto)
  has_chromium || missing+=(chromium)
  has_softhsm || missing+=(softhsm2)
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! can_apt; then
    say "Not installed: ${missing[*]}. The tests that need them are skipped."
    return 0
  fi
  say "Installing for the tests: ${missing[*]} ..."
  local package
  for package in "${missing[@]}"; do
    apt_install "$package" >/dev/null 2>&1 || say "Could not install $package: its tests are skipped."
  done
  # The package starts a broker that nobody asked for; the tests start their own.
  case " ${missing[*]} " in
  *" mosquitto "*) systemctl disable --now mosquitto >/dev/null 2>&1 || true ;;
  esac
}

case "${1:-} ${2:-}" in
"env demo" | "env dev") install_env "$2" ;;
"test-tools ") install_test_tools ;;
*)
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
