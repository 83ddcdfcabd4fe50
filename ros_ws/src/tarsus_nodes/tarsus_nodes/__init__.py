# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 nodes of Tarsus, thin: messages in, a core called, messages out."""
