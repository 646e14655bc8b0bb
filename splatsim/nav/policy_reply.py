"""What a policy server answers, in any form that GN0's runner takes, and the steps or commands that it means."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from splatsim.errors import EpisodeError
from splatsim.nav.unicycle import Drive, Step

MOST_ACTIONS = 1024
STILL = 1e-3
"""A move whose three numbers are all at most this means STOP, metres and radians."""
TOKENS = {
    "stop": Step.STOP,
    "move_forward": Step.FORWARD,
    "forward": Step.FORWARD,
    "fwd": Step.FORWARD,
    "turn_left": Step.LEFT,
    "left": Step.LEFT,
    "turn_right": Step.RIGHT,
    "right": Step.RIGHT,
}
DISCRETE = ("discrete", "vlnce", "vln_ce", "int")
MOVES = ("nav_delta", "nav", "delta", "continuous", "relative_pose", "relative")

Moves = list[Step] | Float[np.ndarray, "n 3"]
"""Steps; or moves ahead and to the left, metres, and turns to the left, radians."""


def read_reply(reply: dict[str, Any]) -> Moves:
    """The actions of a reply.

    Raises:
        EpisodeError: it has none, or they are no actions.
    """
    kind, given = _selected(reply)
    try:
        return _steps(given) if kind == "discrete" or (not kind and not _are_moves(given)) else _moves(given)
    except (ValueError, TypeError, OverflowError) as error:
        raise EpisodeError(
            f"the policy server's actions are {str(given)[:120]} ({error}); expected steps 0 stop, 1 forward, 2 left, "
            "3 right, or moves [ahead, left, turn] in metres and radians."
        ) from error


def _selected(reply: dict[str, Any]) -> tuple[str, Any]:
    """Which kind of action is said, and the actions."""
    said = next((reply[key] for key in ("action_type", "action.type", "action_format") if reply.get(key)), "")
    kind = str(said).strip().lower().replace("-", "_")
    kind = "discrete" if kind in DISCRETE else "moves" if kind in MOVES else ""
    for key, meant in (
        ("actions", kind),
        ("action.nav_delta", "moves"),
        ("action.discrete", "discrete"),
        ("action.vlnce", "discrete"),
        ("action", kind),
    ):
        if key in reply:
            given = reply[key]
            if isinstance(given, dict):
                return _selected({f"action.{name}": value for name, value in given.items()} | {"action_type": meant})
            return meant, given
    raise EpisodeError(
        f"the policy server's reply has {', '.join(sorted(reply)[:8]) or 'nothing'}; expected actions, action, "
        "action.nav_delta, action.discrete or action.vlnce."
    )


def _are_moves(given: Any) -> bool:
    """Whether actions of which the kind is not said are moves: floating-point numbers by threes."""
    if isinstance(given, str | bytes) or (isinstance(given, list) and any(isinstance(a, str | bytes) for a in given)):
        return False
    array = np.asarray(given)
    by_threes = array.ndim >= 1 and array.shape[-1] >= 3 if array.ndim != 1 else array.shape[0] == 3
    return array.dtype.kind == "f" and by_threes


def _steps(given: Any) -> list[Step]:
    single = isinstance(given, str | bytes | int) or np.ndim(given) == 0
    values = [given] if single else np.asarray(given, dtype=object).reshape(-1).tolist()
    if len(values) > MOST_ACTIONS:
        raise ValueError(f"there are {len(values)} of them, more than {MOST_ACTIONS}")
    return [_step(value) for value in values]


def _step(value: Any) -> Step:
    value = value.decode() if isinstance(value, bytes) else value
    if isinstance(value, str):
        token = value.strip().lower().strip("<>")
        if token not in TOKENS:
            raise ValueError(f"{token[:40]!r} is no step")
        return TOKENS[token]
    if float(value) != int(value):
        raise ValueError(f"{value} is no step")
    return Step(int(value))


def _moves(given: Any) -> Float[np.ndarray, "n 3"]:
    array = np.atleast_2d(np.asarray(given, dtype=np.float64))
    if array.ndim != 2 or array.shape[1] < 3 or len(array) > MOST_ACTIONS:
        raise ValueError(f"their shape is {list(array.shape)}")
    if not (np.isfinite(array).all() and np.abs(array).max(initial=0) < 1e3):
        raise ValueError("a number is not finite, or absurd")
    return array[:, :3]


def is_stop(move: Float[np.ndarray, "3"]) -> bool:
    """Whether a move means the end."""
    return bool((np.abs(move) <= STILL).all())


def steps_to(move: tuple[float, float, float], drive: Drive) -> list[Step]:
    """Discrete steps that come nearest to a move: turn towards it, go, turn as asked."""
    ahead, left, turn = move
    distance = round(math.hypot(ahead, left) / drive.forward)
    bearing = math.atan2(left, ahead) if distance else 0.0
    first = round(bearing / drive.turn)
    last = round(_wrapped(turn - first * drive.turn) / drive.turn)
    return [*_turns(first), *[Step.FORWARD] * distance, *_turns(last)]


def command_to(move: tuple[float, float, float], drive: Drive, tick: float) -> tuple[float, float]:
    """The speed and turn of the next tick on the way to a pose ahead, left and turned; (0, 0) when it is there."""
    ahead, left, turn = move
    distance = math.hypot(ahead, left)
    if distance > 0.03:
        bearing = math.atan2(left, ahead)
        speed = 0.0 if abs(bearing) > 0.5 else min(drive.max_speed, distance / tick, 2 * distance) * math.cos(bearing)
        return speed, max(-drive.max_turn, min(drive.max_turn, 2 * bearing))
    return (0.0, max(-drive.max_turn, min(drive.max_turn, 2 * turn))) if abs(turn) > 0.03 else (0.0, 0.0)


def _turns(count: int) -> list[Step]:
    return [Step.LEFT if count > 0 else Step.RIGHT] * abs(count)


def _wrapped(angle: float) -> float:
    return math.remainder(angle, 2 * math.pi)
