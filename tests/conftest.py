# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of all tests: what tests share lies in tests/helpers, imported as ``helpers``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
