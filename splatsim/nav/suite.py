"""Suite: episodes of one scene with everything else that a run depends on, as one file that people can read."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from splatsim.errors import EpisodeError, FormatError
from splatsim.formats._files import atomic_writer
from splatsim.formats.bounded_json import read_json
from splatsim.nav._plain import from_plain, plain, shown, to_plain
from splatsim.nav.episode import Episode, Task
from splatsim.nav.setup import Setup
from splatsim.nav.world import World

FORMAT, VERSION = "splatsim suite", 1
NUMBERS = ("start", "goal")
MOST_STEPS = 1_000_000
"""Of an episode in a file."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Suite:
    """What is played, and where.

    Raises:
        EpisodeError: there is no episode, two have one name, or one belongs to another scene.
    """

    name: str
    """As in results."""
    scene: str
    """Name of the scene."""
    scene_hash: str
    """`World.content_hash` of the scene that the episodes were made for."""
    setup: Setup
    """What the robot is and sees, and who walks about."""
    episodes: tuple[Episode, ...]
    """In the order in which they are played."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of whoever made it, such as task and seed."""

    def __post_init__(self) -> None:
        if not self.episodes:
            raise EpisodeError(f'suite "{self.name}" has no episodes; expected at least 1.')
        seen: set[str] = set()
        for episode in self.episodes:
            if episode.name in seen:
                raise EpisodeError(f'suite "{self.name}" has two episodes "{episode.name}"; expected a name for each.')
            if episode.scene != self.scene:
                raise EpisodeError(
                    f'suite "{self.name}" is about the scene "{self.scene}", but its episode "{episode.name}" about '
                    f'"{episode.scene}"; expected one scene for all.'
                )
            seen.add(episode.name)

    @property
    def content_hash(self) -> str:
        """SHA-256 of everything in it: the same for the same suite, wherever it was made."""
        return _hash(_content(self))

    def check(self, world: World) -> None:
        """Raise unless this is the world that the episodes were made for.

        Raises:
            EpisodeError: its content hash is another one.
        """
        if world.content_hash != self.scene_hash:
            raise EpisodeError(
                f'suite "{self.name}" was made for the scene "{self.scene}" with the hash {self.scene_hash}, but the '
                f'scene "{world.name}" has {world.content_hash}; expected that scene as it was: make the suite anew.'
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON, an episode a line, at once or not at all.

        Raises:
            FileNotFoundError: the folder does not exist.
            EpisodeError: the options or what an episode brings along have no form in JSON.
        """
        content = _content(self)
        try:
            head = {key: value for key, value in content.items() if key != "episodes"} | {"hash": _hash(content)}
            lines = ",\n".join("  " + _compact(episode) for episode in content["episodes"])
            text = json.dumps(head, indent=1, allow_nan=False, ensure_ascii=False)[: -len("\n}")]
            data = f'{text},\n "episodes": [\n{lines}\n ]\n}}\n'.encode()
        except (TypeError, ValueError) as error:
            raise EpisodeError(f'suite "{self.name}" cannot be written as JSON: {error}.') from error
        with atomic_writer(path) as file:
            file.write(data)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Suite":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            FormatError: it is no suite, of another version, damaged, or a field is not what it should be.
        """
        content = read_json(path, "suite of episodes")
        where = str(Path(path))
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise FormatError(f'{where} has no "format": "{FORMAT}"; expected a file written by Suite.save.')
        if content.get("version") != VERSION:
            raise FormatError(f"{where} has version {shown(content.get('version'))}; expected {VERSION}.")
        claimed = content.pop("hash", None)
        found = _hash(content)
        if claimed is not None and claimed != found:
            raise FormatError(
                f"{where} was changed or damaged: its content has the hash {found}; expected {shown(claimed)}. "
                'Whoever changed it on purpose takes the line "hash" out.'
            )
        options, episodes = content.get("options", {}), content.get("episodes")
        if not isinstance(options, dict):
            raise FormatError(f"{where}: options is {shown(options)}; expected an object.")
        if not isinstance(episodes, list):
            raise FormatError(f"{where}: episodes is {shown(episodes)}; expected a list.")
        facts = {key: plain(str, content.get(key), f"{where}: {key}") for key in ("name", "scene", "scene_hash")}
        setup = from_plain(Setup, content.get("setup"), f"{where}: setup")
        try:
            return cls(
                **facts,
                setup=setup,
                episodes=tuple(episode_from(entry, f"{where}: episodes[{i}]") for i, entry in enumerate(episodes)),
                options=options,
            )
        except EpisodeError as error:
            raise FormatError(f"{where}: {error}") from error


def episode_from(content: object, where: str) -> Episode:
    """An episode as `Suite.save` writes it.

    Raises:
        FormatError: a field is missing, unknown, or not what it should be.
    """
    if not isinstance(content, dict):
        raise FormatError(f"{where} is {shown(content)}; expected an object.")
    texts, counts = ("name", "scene", "task", "instruction", "band"), ("max_steps", "seed")
    required = ("name", "scene", "start", "goal", "shortest", "reference")
    missing = [key for key in required if key not in content]
    if missing:
        raise FormatError(f'{where} has no "{missing[0]}"; expected {", ".join(required)}.')
    unknown = sorted(set(content) - {*required, *texts, *counts, "info"})
    if unknown:
        raise FormatError(f'{where} has "{unknown[0]}"; expected only the fields of an episode.')
    values: dict[str, Any] = {key: plain(str, content[key], f"{where}.{key}") for key in texts if key in content}
    values |= {key: plain(int, content[key], f"{where}.{key}") for key in counts if key in content}
    for key, low, high in (("max_steps", 1, MOST_STEPS), ("seed", 0, 2**63 - 1)):
        if not low <= values.get(key, low) <= high:
            raise FormatError(f"{where}.{key} is {shown(values[key])}; expected {low} to {high}.")
    if "task" in values and values["task"] not in get_args(Task):
        raise FormatError(f"{where}.task is {shown(values['task'])}; expected one of {', '.join(get_args(Task))}.")
    values["start"] = numbers(content["start"], 3, f"{where}.start")
    values["goal"] = numbers(content["goal"], 2, f"{where}.goal")
    values["shortest"] = plain(float, content["shortest"], f"{where}.shortest")
    values["reference"] = polyline(content["reference"], f"{where}.reference")
    info = content.get("info", {})
    if not isinstance(info, dict):
        raise FormatError(f"{where}.info is {shown(info)}; expected an object.")
    try:
        return Episode(**values, info=info)
    except EpisodeError as error:
        raise FormatError(f"{where}: {error}") from error


def numbers(value: object, count: int, where: str) -> tuple[float, ...]:
    """That many finite numbers.

    Raises:
        FormatError: it is something else.
    """
    if not isinstance(value, list) or len(value) != count:
        raise FormatError(f"{where} is {shown(value)}; expected {count} numbers.")
    return tuple(plain(float, entry, f"{where}[{i}]") for i, entry in enumerate(value))


def polyline(value: object, where: str) -> Tensor:
    """Points [n 2].

    Raises:
        FormatError: it is something else.
    """
    if not isinstance(value, list):
        raise FormatError(f"{where} is {shown(value)}; expected a list of points.")
    rows = [numbers(point, 2, f"{where}[{i}]") for i, point in enumerate(value)]
    return torch.tensor(rows, dtype=torch.float64).reshape(-1, 2)


def _content(suite: Suite) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": suite.name,
        "scene": suite.scene,
        "scene_hash": suite.scene_hash,
        "options": to_plain(suite.options),
        "setup": to_plain(suite.setup),
        "episodes": [_plain_episode(episode) for episode in suite.episodes],
    }


def _plain_episode(episode: Episode) -> dict[str, Any]:
    values: dict[str, Any] = to_plain(episode)
    values["reference"] = episode.reference.double().tolist()
    values["shortest"], values["seed"] = float(episode.shortest), int(episode.seed)
    for key in NUMBERS:
        values[key] = [float(number) for number in values[key]]
    return values


def _hash(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _compact(value: object) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
