"""What agents give, checked and put into tensors."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from splatsim.errors import EpisodeError
from splatsim.nav.agent import Action
from splatsim.nav.unicycle import Step


def steps_of(actions: Sequence[Action] | Tensor, done: Bool[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Discrete steps of n lanes; those that are done are given nothing, whatever their action is.

    Raises:
        EpisodeError: there is not one for each lane, or one is none of the four steps.
    """
    _check_count(actions, done)
    if isinstance(actions, Tensor) and not actions.is_floating_point() and actions.ndim == 1:
        steps = torch.where(done, 0, actions.cpu().long())
        wrong = ((steps < 0) | (steps > 3)).nonzero()
        if len(wrong):
            raise _no_step(int(wrong[0]), int(steps[wrong[0]]))
        return steps
    given = actions.tolist() if isinstance(actions, Tensor) else actions
    return torch.tensor(
        [
            0 if over else _step(lane, action)
            for lane, (action, over) in enumerate(zip(given, done.tolist(), strict=True))
        ],
        dtype=torch.int64,
    )


def commands_of(
    actions: Sequence[Action] | Tensor, done: Bool[Tensor, " n"]
) -> tuple[Float[Tensor, "n 2"], Bool[Tensor, " n"]]:
    """Speeds and turns of n lanes, and which of them gave STOP instead; 0 for those that are done.

    Raises:
        EpisodeError: there is not one for each lane, or one is neither two finite numbers nor STOP.
    """
    _check_count(actions, done)
    given = actions.tolist() if isinstance(actions, Tensor) else actions
    commands, stops = [], []
    for lane, (action, over) in enumerate(zip(given, done.tolist(), strict=True)):
        stop = not over and isinstance(action, int) and action == Step.STOP
        commands.append((0.0, 0.0) if over or stop else _command(lane, action))
        stops.append(stop)
    return torch.tensor(commands, dtype=torch.float64).reshape(-1, 2), torch.tensor(stops, dtype=torch.bool)


def _check_count(actions: Sequence[Action] | Tensor, done: Tensor) -> None:
    if len(actions) != len(done):
        raise EpisodeError(f"step got {len(actions)} actions for {len(done)} lanes; expected one each.")


def _no_step(lane: int, action: object) -> EpisodeError:
    return EpisodeError(
        f"the action of lane {lane} is {action!r}; expected a step: 0 stop, 1 forward, 2 left, 3 right."
    )


def _step(lane: int, action: object) -> int:
    try:
        number = int(action)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        raise _no_step(lane, action) from None
    if number != action or not 0 <= number <= 3:
        raise _no_step(lane, action)
    return int(number)


def _command(lane: int, action: object) -> tuple[float, float]:
    try:
        speed, turn = (float(number) for number in action)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        speed = turn = math.nan
    if not (math.isfinite(speed) and math.isfinite(turn)):
        raise EpisodeError(
            f"the action of lane {lane} is {action!r}; expected a finite speed in m/s and turn in rad/s, or STOP."
        )
    return speed, turn
