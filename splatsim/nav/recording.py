"""What happened in many episodes side by side, written step by step, read as trajectories."""

import torch
from torch import Tensor

from splatsim.nav.episode import Trajectory

FIRST = 64
"""Rows of which there is room at first; it doubles whenever it is full."""


class Recording:
    """Of `count` lanes with `people` each: a row at the start, and one after every step."""

    def __init__(self, count: int, people: int) -> None:
        self._rows = torch.zeros(count, dtype=torch.int64)
        self._tables = {
            "seconds": torch.zeros(FIRST, count, dtype=torch.float64),
            "poses": torch.zeros(FIRST, count, 3, dtype=torch.float64),
            "static": torch.zeros(FIRST, count, dtype=torch.bool),
            "human": torch.zeros(FIRST, count, dtype=torch.bool),
            "visible": torch.zeros(FIRST, count, dtype=torch.bool),
            "people": torch.zeros(FIRST, count, people, 2, dtype=torch.float64),
        }

    def begin(self, lanes: Tensor, **values: Tensor) -> None:
        """Forget what these lanes did, and write their first row."""
        self._rows[lanes] = 0
        self.write(lanes, **values)

    def write(self, lanes: Tensor, **values: Tensor) -> None:
        """The next row of each of these lanes."""
        rows = self._rows[lanes]
        room = len(self._tables["seconds"])
        if int(rows.max()) >= room:
            for name, table in self._tables.items():
                self._tables[name] = torch.cat([table, torch.zeros_like(table)])
        for name, value in values.items():
            self._tables[name][rows, lanes] = value
        self._rows[lanes] = rows + 1

    def trajectory(self, lane: int, *, stopped: bool, radii: Tensor, robot_radius: float, target: bool) -> Trajectory:
        """Everything that one lane did since it began."""
        n = int(self._rows[lane])
        rows = {name: table[:n, lane].clone() for name, table in self._tables.items()}
        peopled = len(radii) > 0
        return Trajectory(
            rows["seconds"],
            rows["poses"],
            stopped,
            rows["static"][1:],
            rows["human"][1:],
            rows["people"] if peopled else None,
            radii.clone() if peopled else None,
            robot_radius,
            rows["visible"] if target and peopled else None,
        )
