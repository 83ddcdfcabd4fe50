# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run: frozen dataclasses, a strict YAML file, and overrides from the command line."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tarsus_core.errors import ConfigError, PolicyFileError, RobotModelError, suggest
from tarsus_core.robot_model import load_robot
from tarsus_sim.custom_task import load_code
from tarsus_sim.pybullet_scene import STABLE_DT_S
from tarsus_sim.walk_config import WalkConfig
from tarsus_sim.walk_contract import walk_contract

FOLDER = Path(__file__).parent / "settings"


@dataclass(frozen=True)
class PpoSettings:
    """Proximal policy optimisation, as rsl_rl implements it."""

    steps_per_update: int = 20
    """control periods each robot collects before an update"""
    epochs: int = 5
    minibatches: int = 4
    clip: float = 0.2
    gamma: float = 0.99
    lam: float = 0.95
    value_loss_coef: float = 1.0
    entropy_coef: float = 0.0005
    """at difficulty 0; none at difficulty 1"""
    learning_rate: float = 5e-4
    learning_rate_range: tuple[float, float] = (1e-5, 2e-3)
    desired_kl: float = 0.02
    """the learning rate follows the KL divergence of a whole update, once an update"""
    anneal_from: float = 0.75
    """share of a training of known length from which on exploration and steps become small"""
    anneal_to: float = 0.4
    """factor on the wanted KL divergence and on the entropy's weight at the end"""
    last_std: float = 0.03
    """of the action, at most, at the end: who learns with noise walks faster with it than without"""
    max_grad_norm: float = 1.0
    actor_hidden: tuple[int, ...] = (256, 128, 64)
    critic_hidden: tuple[int, ...] = (256, 128)
    init_std: float = 0.15
    """of the action, in its own unit"""
    least_std: float = 0.02
    rest_std: float = 1.0
    """factor on the noise of robots whose gait clock rests: with much of it nobody stands for long, and that a robot
    leans over slowly is never met"""
    keep_standing: bool = False
    """while the gait clock rests the network of --init-from acts, as it was, and a second one learns to step: who
    learns to be pushed forgets how to stand still"""
    output_scale: float = 0.25
    """factor on the network's output, so that a unit of it is a quarter of the action's"""


@dataclass(frozen=True)
class GaitReference:
    """The reference that the network's output is added to; see reference_gait.py. All zero switches it off."""

    swing_knee_rad: float = 0.6
    """knee bend at mid swing beyond the default pose; hip and ankle take half of it each"""
    leg_length_m: float = 0.6
    """hip to sole in the default pose: turns a step length into an angle"""
    stance_width_rad: float = 0.0
    """how far the hips roll out, and the ankles back in"""
    step_time_s: tuple[float, float] = (0.0, 0.0)
    """how much farther a foot steps per m/s of velocity error, forwards and sideways; needs leg odometry"""
    step_lead: float = 1.0
    """above 1, the swinging leg is there before its swing ends"""
    swing_upright: float = 0.0
    """share of the base's tilt by which the swinging leg turns back: at 1 it swings as below an upright base"""
    stance_upright: tuple[float, float] = (0.0, 0.0)
    """rad by which the standing leg's hip turns the base back per rad of its tilt, pitch and roll"""
    stance_upright_s: tuple[float, float] = (0.0, 0.0)
    """the same per rad/s of the base's pitch and roll rate"""


@dataclass(frozen=True)
class CurriculumSettings:
    """Difficulty (commands, pushes) and penalties grow while the robots track well and seldom fall."""

    assistance: float = 1.0
    """helping hand at the start; 0: none"""
    assistance_rate: float = 0.012
    """change of the helping hand per update, of 1; the difficulty grows once it is gone"""
    assistance_falls: float = 2.0
    """falls per robot in 20 s below which the helping hand fades"""
    rate: float = 0.008
    """change of the difficulty per update, of 1"""
    good_error: float = 0.22
    """mean velocity error (m/s) below which it grows"""
    good_falls: float = 0.35
    """falls per robot in 20 s below which it grows"""
    penalty_start: float = 0.3
    """factor on the penalties at difficulty 0; 1 at difficulty 1"""
    whole_robot_at: float = 0.4
    """difficulty from which on every joint is simulated; above 1: never"""


@dataclass(frozen=True)
class ExamSettings:
    """Exams of checkpoints while training goes on, see exam.py; the best that passes is what is exported."""

    gate: str = ""
    """as of 'tarsus score --gate'; empty: no exams"""
    from_difficulty: float = 0.7
    """of the curriculum; before, nobody is examined"""
    every_steps: int = 400_000
    """control periods of all robots between two exams; there is another one at the end"""


@dataclass(frozen=True)
class TrainSettings:
    """A whole run."""

    task: WalkConfig = field(default_factory=WalkConfig)
    ppo: PpoSettings = PpoSettings()
    reference: GaitReference = GaitReference()
    curriculum: CurriculumSettings = CurriculumSettings()
    exam: ExamSettings = ExamSettings()
    seed: int = 1
    robots: int = 256
    workers: int = 2
    save_every_s: float = 60.0
    """wall clock between checkpoints"""
    keep_checkpoints: int = 5


def load_settings(path: Path, overrides: list[str] | None = None) -> TrainSettings:
    """Read a settings file and apply ``key.sub=value`` overrides.

    Raises:
        ConfigError: naming an unknown key, a value of a wrong type or range, or a file that cannot be read.
    """
    return _resolve(_read(path), overrides or [], path.name)


def load_task(task: str, overrides: list[str] | None = None) -> TrainSettings:
    """Settings of a task: the name of one that ships, or the path of a task file (see docs/training.md).

    Raises:
        ConfigError: for an unknown task, a file that fails, or an override as in ``load_settings``.
    """
    if not task.endswith(".py"):
        return load_settings(task_settings(task), overrides)
    path = Path(task)
    try:
        code = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"The task file '{path}' cannot be read ({reason}).") from None
    data = _read(task_settings("walk"))
    data.pop("exam", None)  # another task has other bars
    _merge(data, getattr(load_code(code), "SETTINGS", {}))
    data.setdefault("task", {})["code"] = code
    return _resolve(data, overrides or [], path.stem + ".yaml")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"There is no settings file '{path}'.")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file '{path}' is no YAML ({' '.join(str(error).split())}).") from None
    if not isinstance(data, dict):
        raise ConfigError(f"The settings file '{path}' is no mapping of settings.")
    if "extends" not in data:
        return data
    whole = _read(task_settings(str(data.pop("extends"))))
    _merge(whole, data)
    return whole


def _resolve(data: dict[str, Any], overrides: list[str], where: str) -> TrainSettings:
    for override in overrides:
        _apply_override(data, override)
    settings = typing.cast(TrainSettings, build(TrainSettings, data, where))
    check(settings)
    return settings


def _merge(data: dict[str, Any], more: dict[str, Any]) -> None:
    """Put ``more`` over ``data``, group by group."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(data.get(key), dict):
            _merge(data[key], value)
        else:
            data[key] = value


def task_settings(task: str) -> Path:
    """Path of the settings file of a task that ships.

    Raises:
        ConfigError: for an unknown task.
    """
    path = FOLDER / f"{task}.yaml"
    if not path.is_file():
        known = [p.stem for p in FOLDER.glob("*.yaml")]
        raise ConfigError(f"There is no task '{task}'{suggest(task, known)}: see 'tarsus train --help'.")
    return path


def dump_settings(settings: TrainSettings) -> str:
    """Return the settings as YAML that ``load_settings`` reads back to equal settings."""
    return yaml.safe_dump(_plain(dataclasses.asdict(settings)), sort_keys=False, allow_unicode=True)


def check(settings: TrainSettings) -> None:
    """Refuse values that cannot work together.

    Raises:
        ConfigError: naming the setting and its value.
    """
    s, p = settings, settings.ppo
    low, high = STABLE_DT_S
    wrong = [
        ("robots", s.robots, s.robots >= 1 and s.robots % max(1, s.workers) == 0, "a multiple of workers"),
        ("workers", s.workers, 0 <= s.workers <= 4096, "0 to 4096"),
        ("seed", s.seed, 0 <= s.seed < 2**31, f"0 to {2**31 - 1}"),
        ("save_every_s", s.save_every_s, s.save_every_s > 0, "positive"),
        ("keep_checkpoints", s.keep_checkpoints, s.keep_checkpoints >= 1, "1 or more"),
        ("ppo.steps_per_update", p.steps_per_update, p.steps_per_update >= 2, "2 or more"),
        ("ppo.epochs", p.epochs, p.epochs >= 1, "1 or more"),
        ("ppo.gamma", p.gamma, 0.0 < p.gamma <= 1.0, "in (0, 1]"),
        ("ppo.lam", p.lam, 0.0 <= p.lam <= 1.0, "in [0, 1]"),
        ("ppo.learning_rate", p.learning_rate, 0.0 < p.learning_rate < 1.0, "in (0, 1)"),
        ("ppo.anneal_from", p.anneal_from, 0.0 <= p.anneal_from < 1.0, "in [0, 1)"),
        ("ppo.anneal_to", p.anneal_to, 0.0 < p.anneal_to <= 1.0, "in (0, 1]"),
        ("ppo.init_std", p.init_std, p.init_std > 0.0, "positive"),
        ("ppo.rest_std", p.rest_std, 0.0 < p.rest_std <= 1.0, "in (0, 1]"),
        ("ppo.last_std", p.last_std, p.last_std > 0.0, "positive"),
        ("ppo.actor_hidden", p.actor_hidden, _sizes(p.actor_hidden), "a list of positive sizes"),
        ("ppo.critic_hidden", p.critic_hidden, _sizes(p.critic_hidden), "a list of positive sizes"),
        ("ppo.learning_rate_range", p.learning_rate_range, p.learning_rate_range[0] > 0.0, "positive"),
        ("task.physics_dt_s", s.task.physics_dt_s, low <= s.task.physics_dt_s <= high, f"{low} to {high} s"),
        ("task.action_scale", s.task.action_scale, s.task.action_scale > 0.0, "positive"),
        ("task.gait.period_s", s.task.gait.period_s, 0.2 <= s.task.gait.period_s <= 3.0, "0.2 to 3 s"),
        ("task.episode_s", s.task.episode_s, s.task.episode_s >= 1.0, "1 s or more"),
        ("task.ground.bump_m", s.task.ground.bump_m, 0.0 <= s.task.ground.bump_m <= 0.3, "0 to 0.3 m"),
        ("task.ground.cell_m", s.task.ground.cell_m, 0.05 <= s.task.ground.cell_m <= 2.0, "0.05 to 2 m"),
        ("task.ground.size_m", s.task.ground.size_m, 4.0 <= s.task.ground.size_m <= 200.0, "4 to 200 m"),
        ("task.random.push_share", s.task.random.push_share, 0.0 <= s.task.random.push_share <= 1.0, "0 to 1"),
        ("task.random.push_least", s.task.random.push_least, 0.0 <= s.task.random.push_least <= 1.0, "0 to 1"),
        ("task.robots_a_client", s.task.robots_a_client, s.task.robots_a_client >= 0, "0 or more"),
        ("exam.every_steps", s.exam.every_steps, s.exam.every_steps >= 1, "1 or more"),
        ("ppo.minibatches", p.minibatches, 1 <= p.minibatches <= s.robots * p.steps_per_update, "1 to the batch size"),
    ]
    for name, value, fine, wanted in wrong:
        if not fine:
            raise ConfigError(f"The setting '{name}' is {value}: it must be {wanted}.")
    ratio = s.task.control_period_s / s.task.physics_dt_s
    if abs(ratio - round(ratio)) > 1e-9 or round(ratio) < 1:
        raise ConfigError(
            f"The setting 'task.control_period_s' is {s.task.control_period_s}: it must be a multiple of "
            f"task.physics_dt_s, which is {s.task.physics_dt_s}."
        )
    groups = (("ppo", p), ("task.command", s.task.command), ("task.random", s.task.random))
    ranges = [(f"{name}.{key}", v) for name, group in groups for key, v in vars(group).items() if _is_range(v)]
    for name, (first, last) in ranges:
        if first > last:
            raise ConfigError(f"The setting '{name}' is [{first:g}, {last:g}]: the lower end comes first.")
    try:
        walk_contract(s.task).check()
        if s.task.movable != "all":
            load_robot(s.task.robot).match(s.task.movable)
    except (PolicyFileError, RobotModelError) as error:
        raise ConfigError(f"These settings make no policy. {error}") from None


def _sizes(hidden: tuple[int, ...]) -> bool:
    return len(hidden) > 0 and min(hidden) > 0


def _is_range(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, float) for v in value)


def build(kind: type, data: Any, where: str) -> Any:
    """Build a dataclass from a mapping, refusing unknown keys and wrong types."""
    if not isinstance(data, dict):
        raise ConfigError(f"The setting '{where}' must be a mapping, not {data!r}.")
    hints = typing.get_type_hints(kind)
    known = [f.name for f in dataclasses.fields(kind)]
    values = {}
    for key, value in data.items():
        if key not in known:
            raise ConfigError(f"There is no setting '{key}' in '{where}'{suggest(str(key), known)}.")
        values[key] = _convert(hints[key], value, key if where.endswith(".yaml") else f"{where}.{key}")
    return kind(**values)


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, where)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _convert(next(a for a in args if a is not type(None)), value, where)
    if origin is tuple:
        variable = len(args) == 2 and args[1] is Ellipsis
        if isinstance(value, list | tuple) and (variable or len(value) == len(args)):
            kinds = [args[0]] * len(value) if variable else args
            return tuple(_convert(k, v, where) for k, v in zip(kinds, value, strict=True))
        raise ConfigError(f"The setting '{where}' is {value!r}: it must be a list of {len(args)} values.")
    if origin is dict:
        if isinstance(value, dict):
            return {str(k): _convert(args[1], v, f"{where}.{k}") for k, v in value.items()}
        raise ConfigError(f"The setting '{where}' is {value!r}: it must be a mapping.")
    if hint is float and isinstance(value, str):
        with contextlib.suppress(ValueError):  # what stays text is refused below
            value = float(value)  # YAML reads 5e-4 as text
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if hint in (bool, str) and isinstance(value, hint):
        return value
    raise ConfigError(
        f"The setting '{where}' is {value!r}: it must be {'a finite number' if hint is float else hint.__name__}."
    )


def _apply_override(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"The override '{override}' has no value: write key=value, for instance ppo.gamma=0.98.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"The override '{override}' has a value that is no YAML.") from None
    *path, last = key.split(".")
    for part in path:
        data = data.setdefault(part, {})
        if not isinstance(data, dict):
            raise ConfigError(f"The override '{override}' goes through '{part}', which is no group of settings.")
    data[last] = value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value
