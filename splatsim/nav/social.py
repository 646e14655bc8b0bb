"""How a robot behaved among people: functions of where everybody was, exact between the samples.

Between two samples everybody moves straight and evenly, so the distance of two discs is a quadratic under a root, and
when it falls below a length is known in closed form.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def centre_distances(places: Float[Tensor, "n 2"], people: Float[Tensor, "n k 2"]) -> Float[Tensor, "n k"]:
    """Between the robot and each person at each time, metres."""
    apart: Tensor = people.double() - places.double()[:, None]
    return apart.square().sum(-1).sqrt()


def closest_approach(places: Float[Tensor, "n 2"], people: Float[Tensor, "n k 2"]) -> Float[Tensor, "t k"]:
    """The least distance of centres within each step, metres."""
    start, move = _relative(places, people)
    speed = move.square().sum(-1)
    time = (-(start * move).sum(-1) / torch.where(speed > 0, speed, 1)).clamp(0, 1)
    nearest: Tensor = start + time[..., None] * move
    return nearest.square().sum(-1).sqrt()


def seconds_within(
    seconds: Float[Tensor, " n"], places: Float[Tensor, "n 2"], people: Float[Tensor, "n k 2"], radius: float
) -> float:
    """Seconds during which the centre of at least one person was nearer than a radius."""
    start, move = _relative(places, people)
    a, b = move.square().sum(-1), (start * move).sum(-1)
    c = start.square().sum(-1) - radius**2
    root = (b.square() - a * c).clamp_min(0).sqrt()
    moving = a > 0
    safe = torch.where(moving, a, 1)
    meets = moving & (b.square() > a * c)
    enter = torch.where(meets, (-b - root) / safe, torch.where(~moving & (c < 0), 0, 2)).clamp(0, 1)
    leave = torch.where(meets, (-b + root) / safe, torch.where(~moving & (c < 0), 1, 2)).clamp(0, 1)
    total = 0.0
    for step, duration in enumerate((seconds[1:] - seconds[:-1]).tolist()):
        total += duration * _union(sorted(zip(enter[step].tolist(), leave[step].tolist(), strict=True)))
    return total


def _union(spans: list[tuple[float, float]]) -> float:
    """The length of the union of spans in order of their starts."""
    covered, end = 0.0, 0.0
    for first, last in spans:
        if last > max(first, end):
            covered += last - max(first, end)
            end = last
    return covered


def compliance(places: Float[Tensor, "n 2"], people: Float[Tensor, "n k 2"], radius: float) -> float:
    """PSC (Falcon, Gong et al. 2024): the share of steps after which every person is at least a radius away."""
    if len(places) < 2 or not people.shape[1]:
        return 1.0
    return float((centre_distances(places, people)[1:] >= radius).all(dim=1).double().mean())


def time_to_collision(
    seconds: Float[Tensor, " n"],
    places: Float[Tensor, "n 2"],
    people: Float[Tensor, "n k 2"],
    reach: Float[Tensor, " k"],
) -> float:
    """The least time after which the discs would touch if everybody went on as in the step before; infinite if never.

    Args:
        reach: Radius of the robot plus that of each person, metres.
    """
    start, move = _relative(places, people)
    duration = (seconds[1:] - seconds[:-1]).double()
    moves = (duration > 0)[:, None]
    velocity = move / torch.where(duration > 0, duration, 1)[:, None, None]
    now = start + move
    a, b = velocity.square().sum(-1), (now * velocity).sum(-1)
    c = now.square().sum(-1) - reach.double().square()
    root = b.square() - a * c
    meets = moves & (b < 0) & (root >= 0) & (c > 0)
    # The smaller root, by the form that does not cancel.
    times = torch.where(meets, c / (-b + root.clamp_min(0).sqrt()).clamp_min(1e-300), math.inf)
    times = torch.where(moves & (c <= 0), 0, times)
    return float(times.min()) if times.numel() else math.inf


def following_rate(distances: Float[Tensor, " n"], visible: Bool[Tensor, " n"], farthest: float = 3.0) -> float:
    """Share of the steps after which the target is in view and not too far (EVT-Bench, Wang et al. 2025)."""
    followed = (distances <= farthest) & visible
    return float(followed[1:].double().mean()) if len(distances) > 1 else float(followed[0])


def followed(
    distances: Float[Tensor, " n"], visible: Bool[Tensor, " n"], stopped: bool, *, long_steps: int = 300
) -> bool:
    """Whether following succeeded (EVT-Bench): at the end in view and within 3 m; before 300 steps also at least 1 m
    away, and stopped by the agent itself.
    """
    near = bool(distances[-1] <= 3.0) and bool(visible[-1])
    if len(distances) - 1 >= long_steps:
        return near
    return near and stopped and bool(distances[-1] >= 1.0)


def _relative(places: Tensor, people: Tensor) -> tuple[Float[Tensor, "t k 2"], Float[Tensor, "t k 2"]]:
    """Of people to the robot: where each step begins, and the move within it."""
    apart = people.double() - places.double()[:, None]
    return apart[:-1], apart[1:] - apart[:-1]
