# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Training, export, scorecard, and the policies that ship."""
