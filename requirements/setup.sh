#!/usr/bin/env bash
# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
#
# Sets up .venv, or does nothing when it is as it should be. `make` calls it; says what it does on standard error.
#
#   requirements/setup.sh sim     everything `make sim` needs
#   requirements/setup.sh dev     the same, and what tests and training need
#
# .venv is a Python virtual environment and an ament prefix in one: pip's ROS 2 packages put share/ament_index and
# their libraries there, and colcon installs the packages of this tree beside them, Python sources and launch files
# as links. So programs of .venv/bin and .venv/lib/tarsus_nodes need nothing sourced, and edits need no new set-up.
#
# A stamp is the digest of all that a step depends on, this tree's place included. It is removed before the step and
# written after it: an interrupted set-up, a moved tree or a copied one starts that step again from nothing.
#
# PYTHON=/path/to/python3.11 in the environment names the Python to use; python3.11, python3 and python are tried.
set -euo pipefail

level=${1:-}
[[ $level == sim || $level == dev ]] || { echo "usage: requirements/setup.sh sim|dev" >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec 1>&2
# What another ROS, another .venv or the calling make left in the environment is not ours.
unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH COLCON_DEFAULTS_FILE LD_LIBRARY_PATH \
    _ROS_WHEELS_BOOTSTRAP_COMPLETE PYTHONPATH PYTHONHOME VIRTUAL_ENV MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

venv=$PWD/.venv
stamps=$venv/.tarsus

say() { printf 'tarsus set-up: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

digest() { sha256sum | cut -d ' ' -f 1; }

packages_key() {
    local lists=(requirements/{pip,sim}.txt)
    [[ $1 == sim ]] || lists+=(requirements/dev.txt)
    { pwd -P; cat requirements/setup.sh "${lists[@]}"; } | digest
}

# Contents of what describes the packages, but only names of what is linked.
workspace_key() {
    {
        packages_key sim
        find launch -type f | LC_ALL=C sort
        find package.xml setup.py resource ros_ws/src -path '*/tarsus_nodes/tarsus_nodes' -prune -o \
            -name __pycache__ -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    } | digest
}

has_python() { "$venv/bin/python" -I -S -c '' 2> /dev/null; }

is_done() { [[ -r $stamps/$1 && $(< "$stamps/$1") == "$2" ]]; }

# Prints (on standard output) the path of a CPython 3.11 that can build and install, or says what is missing.
find_python() {
    local candidates=(python3.11 python3 python) candidate version found=""
    [[ -z ${PYTHON:-} ]] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        version=$("$candidate" -c 'import platform as p; print(p.python_implementation(), p.python_version())' \
            2> /dev/null) || continue
        if [[ $version != "CPython 3.11."* ]]; then
            found+="${found:+, }$candidate: $version"
            continue
        fi
        "$candidate" -c 'import ensurepip, venv' 2> /dev/null ||
            die "$candidate cannot make virtual environments: install its venv (Debian 12: apt install python3-venv)."
        [[ -e $("$candidate" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h ]] ||
            die "$candidate has no Python.h to build with: install its headers (Debian 12: apt install python3-dev)."
        command -v "$candidate"
        return
    done
    die "CPython 3.11 is needed, and there is ${found:-none (tried ${candidates[*]})}: install it" \
        "(Debian 12: apt install python3 python3-venv python3-dev) or name it (make ... PYTHON=/path/to/python3.11)."
}

check_machine() {
    [[ $(uname -sm) == "Linux x86_64" ]] ||
        die "this is $(uname -sm), and pip has ROS 2 for Linux x86_64 only: build ros_ws with colcon under a ROS 2 installation."
    local tool missing="" version
    for tool in gcc g++ make cmake; do
        command -v "$tool" > /dev/null || missing+=" $tool"
    done
    [[ -z $missing ]] || die "not found:$missing. Install what is missing (Debian 12: apt install gcc g++ make cmake)."
    version=$(cmake --version | sed -n '1s/[^0-9]*//p')
    [[ $(printf '%s\n' 3.21 "$version" | sort -V | head -n 1) == 3.21 ]] ||
        die "CMake 3.21 or newer is needed, and $(command -v cmake) is $version: install a newer one (Debian 12 has 3.25)."
}

# run NAME COMMAND...: the output goes to a log, and its end is shown if the command fails. The command has a process
# group of its own, so that a signal to this script ends all of it.
child=
run() {
    local log=$venv/log/$1.log status=0
    shift
    set -m
    "$@" > "$log" 2>&1 < /dev/null &
    child=$!
    set +m
    wait "$child" || status=$?
    child=
    [[ $status != 0 ]] || return 0
    tail -n 25 "$log"
    die "${log#"$PWD"/} ends as above: mend what it names (network, disk space, compiler), and run the same command again."
}

stop() {
    trap '' INT TERM
    [[ -z $child ]] || { kill -TERM -- "-$child"; wait "$child"; } 2> /dev/null || true
    say "stopped before it was complete: the same command starts it again."
    exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM

install_packages() {
    local python
    check_machine
    python=$(find_python)
    # Only the step from a sound sim to dev adds to what is there.
    if [[ -e $stamps/dev ]] || ! is_done sim "$(packages_key sim)" || ! has_python; then
        rm -rf "$venv"
        mkdir -p "$venv/log"
        say "making .venv with $python"
        run venv "$python" -m venv "$venv"
        run pip "$venv/bin/python" -m pip --disable-pip-version-check install -r requirements/pip.txt
    fi
    rm -f "$stamps"/{sim,dev}
    say "installing packages of requirements/$level.txt (1 to 3 minutes)"
    run packages "$venv/bin/python" -m pip --disable-pip-version-check install --no-build-isolation \
        -r "requirements/$level.txt"
    mkdir -p "$stamps"
    packages_key sim > "$stamps/sim"
    [[ $level == sim ]] || packages_key dev > "$stamps/dev"
}

install_workspace() {
    local site=$venv/lib/python3.11/site-packages
    rm -rf "$stamps/workspace" "$venv"/build/tarsus{,_nodes} "$venv"/share/tarsus{,_nodes} "$venv/lib/tarsus_nodes"
    say "building the messages, linking the packages (half a minute)"
    # Every Python of .venv finds the sources, and takes .venv for the last of the ament prefixes.
    cat > "$site/tarsus.pth" << 'PTH'
../../../../core
../../../../sim
../../../../policies
../../../../perception
../../../../edge_deploy
../../../../ros_ws/src/tarsus_nodes
../../../build/tarsus
../../../build/tarsus_nodes
import os, sys; os.environ.update({k: os.pathsep.join([*filter(None, [os.environ.get(k)]), sys.prefix]) for k in ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH") if sys.prefix not in os.environ.get(k, "").split(os.pathsep)})
PTH
    COLCON_HOME=$venv/colcon run workspace "$venv/bin/colcon" --log-base "$venv/log/colcon" build \
        --base-paths . ros_ws/src --build-base "$venv/build" --install-base "$venv" --merge-install --symlink-install \
        --cmake-args -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF
    workspace_key > "$stamps/workspace"
}

# One set-up at a time in one tree. The lock goes when the last process that holds it ends.
exec 9< requirements
flock --nonblock 9 || { say "waiting for another set-up of this tree"; flock 9; }

if ! is_done "$level" "$(packages_key "$level")" || ! has_python; then
    install_packages
fi
if ! is_done workspace "$(workspace_key)"; then
    install_workspace
fi
