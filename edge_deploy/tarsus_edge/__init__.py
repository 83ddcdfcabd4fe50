# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What runs on the robot: policy session, safety supervisor, launcher."""

import os

# ONNX Runtime from 1.29 on reports each session to its maker, from a thread of its own, unless it is told not to before
# it is loaded. A robot's control loop has neither the time nor a reason for that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
