# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus keygen``, ``tarsus sign`` and ``tarsus verify --trust``, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.policies import make_policy

from tarsus_core.cli import main
from tarsus_core.robot_model import load_robot


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    make_policy(tmp_path / "walk.onnx", load_robot("g1"))
    return "walk.onnx"


def says(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == code
    out, err = capsys.readouterr()
    if code:
        assert out == "" and err.startswith("tarsus: ") and err.count("\n") == 1
    return err if code else out


def test_from_keys_to_a_policy_that_is_trusted(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(policy).read_bytes()
    assert "lab.pub" in says(["keygen", "lab"], 0, capsys)
    assert "is not signed" in says(["verify", policy, "--trust", "lab.pub"], 2, capsys)
    assert "out.onnx is signed by the key" in says(
        ["sign", policy, "--key", "lab.key", "--output", "out.onnx"], 0, capsys
    )
    assert Path(policy).read_bytes() == before
    report = json.loads(says(["verify", "out.onnx", "--trust", "lab.pub", "--json"], 0, capsys))
    assert report["verified"] is True and len(report["signed_by"]) == 16
    assert json.loads(says(["verify", policy, "--json"], 0, capsys))["signed_by"] is None
    assert report["signed_by"] in says(["verify", "out.onnx"], 0, capsys)

    says(["keygen", "other"], 0, capsys)
    assert "does not trust" in says(["verify", "out.onnx", "--trust", "other.pub"], 2, capsys)
    says(["sign", "out.onnx", "--key", "other.key"], 0, capsys)  # replaces the signature, in place
    says(["verify", "out.onnx", "--trust", "other.pub"], 0, capsys)
    assert "does not trust" in says(["verify", "out.onnx", "--trust", "lab.pub"], 2, capsys)


def test_what_cannot_be_is_one_sentence(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    says(["keygen", "lab"], 0, capsys)
    before = Path("lab.key").read_bytes()
    assert "exists already" in says(["keygen", "lab"], 2, capsys)
    assert Path("lab.key").read_bytes() == before
    assert "is no private key" in says(["sign", policy, "--key", "lab.pub"], 2, capsys)
    assert "There is no private key" in says(["sign", policy, "--key", "absent.key"], 2, capsys)
    assert "must end with .onnx" in says(["sign", policy, "--key", "lab.key", "--output", "lab.pub"], 2, capsys)
    assert "There is no policy file" in says(["sign", "absent.onnx", "--key", "lab.key"], 2, capsys)
    assert "There is no public key" in says(["verify", policy, "--trust", "absent"], 2, capsys)
    assert "is empty" in says(["verify", policy, "--trust", ""], 2, capsys)
    assert "No such file or directory" in says(["keygen", "absent/lab"], 2, capsys)
    for name in ("", ".", "..", "/"):
        assert "names no file" in says(["keygen", name], 2, capsys)


def test_no_half_of_a_pair_is_left(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("lab.pub").write_text("of somebody else")
    assert "'lab.pub' exists already" in says(["keygen", "lab"], 2, capsys)
    assert not Path("lab.key").exists() and Path("lab.pub").read_text() == "of somebody else"
    Path("far.key").symlink_to("nowhere")
    assert "'far.key' exists already" in says(["keygen", "far"], 2, capsys)
    assert not Path("nowhere").exists() and not Path("far.pub").exists()
