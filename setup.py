# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 package `tarsus`: pip and colcon both install it from here."""

from glob import glob
from xml.etree import ElementTree

from setuptools import find_packages, setup

NAME = "tarsus"
ROOTS = {
    "tarsus_core": "core",
    "tarsus_sim": "sim",
    "tarsus_policies": "policies",
    "tarsus_perception": "perception",
    "tarsus_edge": "edge_deploy",
}

manifest = ElementTree.parse("package.xml")

setup(
    name=NAME,
    version=manifest.findtext("version"),
    description=" ".join(manifest.findtext("description", "").split()),
    author="The Tarsus Authors",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[
        package for root, folder in ROOTS.items() for package in find_packages(folder, include=[root, f"{root}.*"])
    ],
    package_dir={root: f"{folder}/{root}" for root, folder in ROOTS.items()},
    package_data={
        "": ["py.typed"],
        "tarsus_core": ["robots/*.yaml"],
        "tarsus_policies": ["settings/*.yaml", "pretrained/*.onnx"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", sorted(glob("launch/*.xml"))),
        (f"share/{NAME}/launch/params", sorted(glob("launch/params/*.yaml"))),
    ],
    install_requires=["numpy", "pyyaml", "typer", "rich", "cryptography"],
    extras_require={
        "robot": ["onnxruntime"],
        "sim": [
            *("onnxruntime", "pybullet", "mujoco-core", "gymnasium", "example-robot-data", "opencv-python-headless"),
            *("imageio", "imageio-ffmpeg"),
        ],
        "cluster": ["ray"],
        "train": ["torch", "rsl-rl-lib", "onnx", "onnxscript", "tensorboard", "tqdm", "matplotlib"],
    },
    entry_points={"console_scripts": ["tarsus = tarsus_core.cli:main"]},
    zip_safe=False,
)
