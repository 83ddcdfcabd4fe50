# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Perception: what the cameras and the other sensors see, as targets and estimates."""
