# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 package `tarsus_nodes`: each node is an executable in lib/tarsus_nodes (see setup.cfg)."""

from xml.etree import ElementTree

from setuptools import find_packages, setup

NAME = "tarsus_nodes"
NODES = [
    *("sim_node", "policy_node", "supervisor_node", "watchdog_node", "lifecycle_manager_node"),
    *("teleop_node", "operator_node", "camera_node", "collision_monitor_node"),
]

manifest = ElementTree.parse("package.xml")

setup(
    name=NAME,
    version=manifest.findtext("version"),
    description=" ".join(manifest.findtext("description", "").split()),
    author="The Tarsus Authors",
    license="Apache-2.0",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={"": ["py.typed", "udp.xml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    entry_points={"console_scripts": [f"{node} = {NAME}.{node}:main" for node in NODES]},
    zip_safe=False,
)
