# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The command table: help, one sentence for an error, exit codes."""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Annotated

import pytest
import typer

from tarsus_core import __version__, cli
from tarsus_core.errors import ConfigError, TarsusError, suggest


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"], ["help"]):
        assert cli.main(arguments) == 0
        out = capsys.readouterr().out
        assert all(f"\n  {name} " in out for name in cli.COMMANDS)
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"tarsus {__version__}\n"


def test_an_error_is_one_line_whatever_it_names() -> None:
    assert str(ConfigError("There is no joint 'a\nb\u2028c\r\n'.")) == "There is no joint 'a b c '."


def test_a_typo_gets_the_nearest_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verfy"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err == "tarsus: There is no command 'verfy' (did you mean 'verify'?): see 'tarsus --help'.\n"


def test_an_absent_package_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "odd", ("no_such_package.module:main", ""))
    assert cli.main(["odd"]) == 1
    assert "needs the Python package 'no_such_package'" in capsys.readouterr().err


def raising(error: BaseException) -> Callable[[], int]:
    def run() -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError("The step is 0: give a positive one."), 2, "tarsus: The step is 0: give a positive one.\n"),
        (TarsusError("Two\nlines."), 2, "tarsus: Two lines.\n"),
        (KeyboardInterrupt(), 130, "tarsus: Stopped by Ctrl-C.\n"),
        (FileNotFoundError(2, "No such file", "x.yaml"), 1, "tarsus: No such file 'x.yaml'.\n"),
        (OSError("strange"), 1, "tarsus: strange.\n"),
    ],
)
def test_errors_on_purpose_are_one_sentence(
    error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.guard(raising(error)) == code
    assert capsys.readouterr() == ("", text)


def test_bugs_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        cli.guard(raising(ZeroDivisionError()))


def test_a_closed_pipe_ends_quietly() -> None:
    code = "import sys; from tarsus_core.cli import main; sys.exit(main(['--help']))"
    line = f'{sys.executable} -u -c "{code}" | true'
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_a_terminal_without_unicode_gets_question_marks() -> None:
    """A table in 40 columns is cut off by an ellipsis, which ASCII lacks."""
    code = "import sys; from tarsus_core.cli import main; sys.exit(main(['verify', '--help']))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "40"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    assert b"Usage: tarsus verify" in done.stdout and b"?" in done.stdout


def test_any_stream_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert cli.main(["--version"]) == 0
    closed = io.TextIOWrapper(io.BytesIO())
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert cli.main(["--version"]) == 0


app = typer.Typer(add_completion=False)


@app.command()
def toy(
    count: int,
    fail: bool = False,
    leave: bool = False,
    length: Annotated[float | None, typer.Option(callback=cli.finite("--length"))] = None,
) -> None:
    """Do nothing."""
    if fail:
        raise ConfigError(f"The count is {count}: it must be even.")
    if leave:
        raise typer.Exit(7)


def main(argv: list[str]) -> int:
    return cli.run_typer(app, "tarsus toy", argv)


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["3"], 0, ""),
        (["3", "--leave"], 7, ""),
        (["3", "--length", "9"], 0, ""),
        (["3", "--length", "nan"], 2, "tarsus: --length is nan: give a finite number."),
        (["3", "--length", "-inf"], 2, "tarsus: --length is -inf: give a finite number."),
        ([], 2, "Missing argument 'count': see 'tarsus toy --help'."),
        (["x"], 2, "but it is 'x': see 'tarsus toy --help'."),
        (["3", "--fial"], 2, "No such option: --fial"),
        (["3", "--fail"], 2, "tarsus: The count is 3: it must be even."),
    ],
)
def test_typer_errors_become_one_sentence(
    arguments: list[str],
    code: int,
    part: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = types.ModuleType("toy_module")
    module.main = main  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy_module", module)
    monkeypatch.setitem(cli.COMMANDS, "toy", ("toy_module:main", ""))
    assert cli.main(["toy", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == "" and part in err and err.count("\n") == (1 if part else 0)


def test_what_is_not_finite_is_refused_with_the_name_of_its_option() -> None:
    check = cli.finite("--push")
    assert (check(None), check(-1.5)) == (None, -1.5)
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(ConfigError, match=rf"^--push is {value}: give a finite number\.$"):
            check(value)


def test_suggestions() -> None:
    assert suggest("lft", ["left", "right"]) == " (did you mean 'left'?)"
    assert suggest("xyz", ["left", "right"]) == " (known: left, right)"
    assert suggest("xyz", []) == ""
