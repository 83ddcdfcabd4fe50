# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house: who may import whom, and what every file and the root folder look like."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parent.parent

FOLDERS = {
    "tarsus_core": "core",
    "tarsus_sim": "sim",
    "tarsus_edge": "edge_deploy",
    "tarsus_policies": "policies",
    "tarsus_perception": "perception",
    "tarsus_nodes": "ros_ws/src/tarsus_nodes",
}

BASE = {"tarsus_core", "numpy", "yaml"}
COMMAND_LINE = {"typer", "rich"}
TRAINING = {"torch", "rsl_rl", "tensordict", "onnx", "onnxscript", "tensorboard", "tqdm", "matplotlib"}
ROS = {
    *("rclpy", "ament_index_python", "rpyutils", "tarsus_msgs"),
    *("builtin_interfaces", "diagnostic_msgs", "geometry_msgs", "lifecycle_msgs", "nav_msgs", "rcl_interfaces"),
    *("rosgraph_msgs", "sensor_msgs", "std_msgs", "std_srvs"),
}

# What each package may import, beside the standard library and itself. Imports inside functions count.
ARROWS = {
    "tarsus_core": {"numpy", "yaml"},
    "tarsus_sim": BASE | {"pybullet", "pybullet_data", "pybullet_utils", "gymnasium", "mujoco", "cv2", "imageio"},
    "tarsus_edge": BASE | COMMAND_LINE | {"onnxruntime", "onnx", "cryptography", "cyclonedds"},
    "tarsus_policies": BASE | COMMAND_LINE | TRAINING | {"tarsus_sim", "tarsus_edge", "gymnasium", "ray"},
    "tarsus_perception": BASE | {"cv2", "onnxruntime"},
    "tarsus_nodes": BASE
    | COMMAND_LINE
    | ROS
    | {"tarsus_sim", "tarsus_edge", "tarsus_policies", "tarsus_perception", "mcap"},
}

# What runs where torch is not installed: `make sim` and the robot.
WITHOUT_TRAINING = ["tarsus_core", "tarsus_sim", "tarsus_edge", "tarsus_perception", "tarsus_nodes"]
WITHOUT_TRAINING_MODULES = ["tarsus_policies.cli_score"]

LAYOUT = {
    *("core", "sim", "policies", "perception", "edge_deploy", "ros_ws", "launch", "tests", "docs"),
    *("requirements", "resource", ".ci", ".gitignore", "LICENSE", "NOTICE", "Makefile", "README.md"),
    *("package.xml", "pyproject.toml", "setup.py"),
}

MODULE_LINES = 400
TEST_LINES = 600
HEADER = ("Copyright 2026 The Tarsus Authors", "SPDX-License-Identifier: Apache-2.0")
SOURCE_SUFFIXES = {".py", ".sh", ".xml", ".yaml", ".msg", ".toml", ".cfg"}
SOURCE_NAMES = {"Makefile", "CMakeLists.txt"}
ABSOLUTE_PATH = re.compile(r"(?<![\w./$}])/(?:home|root|tmp|work|Users|mnt|srv)/\w")


def modules(package: str) -> dict[str, Path]:
    """Dotted name -> file, of every module of a package."""
    base = ROOT / FOLDERS[package]
    found = {}
    for path in sorted((base / package).rglob("*.py")):
        parts = path.relative_to(base).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(source: str) -> Iterator[tuple[str, bool]]:
    """Every absolute import of a module: its dotted name, and whether it runs as soon as the module is imported."""

    def walk(node: ast.AST, eager: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            children = [(child, False) for child in node.body] + [(child, eager) for child in node.orelse]
        else:
            inside = eager and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            children = [(child, inside) for child in ast.iter_child_nodes(node)]
        if isinstance(node, ast.Import):
            yield from ((alias.name, eager) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((f"{node.module}.{alias.name}", eager) for alias in node.names)
        for child, is_eager in children:
            yield from walk(child, is_eager)

    return walk(ast.parse(source), True)


def violations(package: str, source: str) -> set[str]:
    """Top-level packages that ``source``, a module of ``package``, imports and may not."""
    imported = {name.partition(".")[0] for name, _ in imports(source)}
    return imported - ARROWS[package] - {package} - sys.stdlib_module_names


def eager_closure(start: list[str], sources: dict[str, str]) -> set[str]:
    """Top-level packages that are imported, directly or not, by importing the modules ``start``."""
    reached: set[str] = set()
    pending, seen = list(start), set(start)
    while pending:
        for name, eager in imports(sources[pending.pop()]):
            if not eager:
                continue
            reached.add(name.partition(".")[0])
            parts = name.split(".")
            for step in (".".join(parts[: end + 1]) for end in range(len(parts))):
                if step in sources and step not in seen:
                    seen.add(step)
                    pending.append(step)
    return reached


def tracked() -> list[Path]:
    """Files under version control, and new ones that are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode != 0:
        pytest.skip("needs a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("package", FOLDERS)
def test_imports_follow_the_arrows(package: str) -> None:
    found = modules(package)
    assert package in found
    wrong = {name: bad for name, path in found.items() if (bad := violations(package, path.read_text()))}
    assert wrong == {}


@pytest.mark.parametrize(
    ("package", "source", "expected"),
    [
        ("tarsus_core", "import os, numpy.linalg\nfrom tarsus_core.state import RobotState\nfrom . import gait", set()),
        ("tarsus_core", "import torch.nn as nn", {"torch"}),
        ("tarsus_core", "def f():\n    from tarsus_sim import world", {"tarsus_sim"}),
        ("tarsus_sim", "try:\n    import rclpy\nexcept ImportError:\n    pass", {"rclpy"}),
        ("tarsus_edge", "class A:\n    def f(self):\n        import pybullet, json", {"pybullet"}),
        ("tarsus_nodes", "from sensor_msgs.msg import Imu\nimport tarsus_policies.x\nimport torch", {"torch"}),
    ],
)
def test_the_arrow_checker_finds_what_it_must(package: str, source: str, expected: set[str]) -> None:
    assert violations(package, source) == expected


def test_nothing_that_runs_without_torch_reaches_it() -> None:
    sources = {name: path.read_text() for package in FOLDERS for name, path in modules(package).items()}
    start = [name for name in sources if name.partition(".")[0] in WITHOUT_TRAINING]
    start += [name for name in WITHOUT_TRAINING_MODULES if name in sources]
    assert eager_closure(start, sources) & (TRAINING - {"tqdm"}) == set()


def test_the_closure_goes_through_modules_and_stops_at_functions() -> None:
    sources = {
        "a": "from b import f",
        "b": "import b.c\ndef f():\n    import lazy\nif TYPE_CHECKING:\n    import typed",
        "b.c": "if True:\n    import deep.down",
    }
    assert eager_closure(["a"], sources) == {"b", "deep"}


def test_modules_are_small() -> None:
    large = {}
    for path in tracked():
        name, lines = path.relative_to(ROOT), len(path.read_text().splitlines()) if path.suffix == ".py" else 0
        if lines > (TEST_LINES if name.parts[0] == "tests" else MODULE_LINES):
            large[str(name)] = lines
    assert large == {}


def test_sources_carry_copyright_and_licence() -> None:
    missing = []
    for path in tracked():
        name = path.relative_to(ROOT)
        if name.parts[0] == "tests" and path.suffix != ".py":
            continue  # data for tests: some of it must be exactly what it is
        if path.suffix in SOURCE_SUFFIXES or path.name in SOURCE_NAMES or name.parts[0] in {"requirements", ".ci"}:
            head = path.read_text().splitlines()[:6]
            if not all(any(line in text for text in head) for line in HEADER):
                missing.append(str(name))
    assert missing == []


def test_no_file_names_a_place_of_one_machine() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in ABSOLUTE_PATH.finditer(text)]
    assert found == []


def test_the_root_folder_holds_what_the_design_names() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} - LAYOUT == set()


def test_no_folder_shadows_a_package_of_ros() -> None:
    assert not (ROOT / "launch" / "__init__.py").exists()


def test_versions_agree() -> None:
    manifests = [ROOT / "package.xml", *sorted((ROOT / "ros_ws" / "src").glob("*/package.xml"))]
    versions = {str(path.relative_to(ROOT)): ElementTree.parse(path).findtext("version") for path in manifests}
    module = ast.parse((ROOT / "core" / "tarsus_core" / "__init__.py").read_text())
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            versions["tarsus_core"] = ast.literal_eval(node.value)
    assert len(versions) == 4
    assert len(set(versions.values())) == 1, versions
