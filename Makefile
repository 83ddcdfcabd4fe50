# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
#
# One word for each thing. Every target does the set-up that it needs, and nothing when it is done.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:
MAKEFLAGS += --no-print-directory --no-builtin-rules

SIM_OPTIONS := DURATION VX VY WZ VIDEO POLICY SEED
SIM_FLAGS := GUI LOCKSTEP
VARIABLES := $(SIM_OPTIONS) $(SIM_FLAGS) ARGS PYTHON

# A misspelt variable would be ignored by make without a word.
GIVEN := $(foreach v,$(.VARIABLES),$(if $(findstring command line,$(origin $v)),$v))
UNKNOWN := $(filter-out $(VARIABLES) MAKEFLAGS,$(GIVEN))
$(if $(UNKNOWN),$(error unknown variable $(firstword $(UNKNOWN)): the variables are $(VARIABLES); see `make help`))

# Values go to the command as they are: never expanded by make (no `export`, $(value ...)), always quoted for the shell.
unexport $(SIM_OPTIONS) $(SIM_FLAGS) ARGS
# What another ROS or another .venv left in the environment is not ours.
unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH PYTHONHOME
unexport RMW_IMPLEMENTATION _ROS_WHEELS_BOOTSTRAP_COMPLETE

define newline


endef
lower = $(shell printf %s $1 | tr A-Z a-z)
quote = '$(subst $(newline), ,$(subst ','\'',$1))'
option = $(if $(value $1),--$(call lower,$1) $(call quote,$(value $1)))
flag = $(if $(filter-out 0,$(value $1)),--$(call lower,$1))

.PHONY: help sim test fuzz faults setup lint train score build clean

help:
	@echo "make sim      walk a Unitree G1 in PyBullet under ROS 2 (until Ctrl-C, or for DURATION seconds)"
	@echo "              DURATION=20 VX=0.5 VY=0 WZ=0 SEED=0 POLICY=file.onnx VIDEO=clip.mp4 GUI=1 LOCKSTEP=1"
	@echo "make test     ruff, mypy and every test; ARGS=\"-k name\" goes to pytest"
	@echo "make fuzz     110,000 random cases: policy files, messages, launch files, the state machine (20 minutes)"
	@echo "make faults   harm the running graph in every known way, and time what it does; ARGS=\"5 32\" picks lines"
	@echo "make lint     ruff and mypy alone"
	@echo "make train    train a walking policy; ARGS=\"--minutes 5\" goes to tarsus train walk"
	@echo "make score    measure a policy; POLICY=file.onnx, the one that ships if not given"
	@echo "make build    build the ROS 2 workspace ros_ws with colcon"
	@echo "make setup    set up .venv for all of these, and nothing else"
	@echo "make clean    remove what the set-up and the builds made"
	@echo "PYTHON=/path/to/python3.11 names the Python that the set-up uses."

sim:
	@requirements/setup.sh sim
	@exec .venv/bin/tarsus sim $(foreach o,$(SIM_OPTIONS),$(call option,$o)) $(foreach f,$(SIM_FLAGS),$(call flag,$f))

test: lint
ifeq ($(value ARGS),)
	@.venv/bin/python -m pytest -n 2 -m "not realtime"
	@exec .venv/bin/python -m pytest -m realtime
else
	@exec .venv/bin/python -m pytest -n 2 $(value ARGS)
endif

fuzz: setup
	@exec .venv/bin/python -m pytest -n 2 -m fuzz --hypothesis-profile=fuzz --hypothesis-show-statistics $(value ARGS)

faults: setup
	@exec .venv/bin/tarsus faults $(value ARGS)

lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/mypy

train: setup
	@exec .venv/bin/tarsus train walk $(value ARGS)

score:
	@requirements/setup.sh sim
	@exec .venv/bin/tarsus score $(call quote,$(or $(value POLICY),policies/tarsus_policies/pretrained/g1_walk.onnx)) $(value ARGS)

build:
	@requirements/setup.sh sim
	@cd ros_ws && exec ../.venv/bin/colcon build $(value ARGS)

setup:
	@requirements/setup.sh dev

clean:
	rm -rf .venv ros_ws/build ros_ws/install ros_ws/log .mypy_cache .pytest_cache .ruff_cache
