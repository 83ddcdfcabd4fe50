# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What every part of Tarsus speaks: robot model, state, command, policy contract, observations, errors."""

__version__ = "0.1.0"
