# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What runs on the robot: policy session, safety supervisor, launcher."""
