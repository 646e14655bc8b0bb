"""Metrics as pure functions of an episode, a trajectory and a map, under the rules of a profile."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.errors import EpisodeError
from splatsim.grids import NavMap
from splatsim.maps import DistanceField, clearance_of, distance_field
from splatsim.nav import paths, social
from splatsim.nav.episode import Episode, Trajectory


@dataclass(frozen=True)
class Profile:
    """Under which rules is measured."""

    name: str
    """As in results."""
    success_distance: float
    """Metres along the floor to the goal, below which an episode succeeds."""
    zero_fails: bool = False
    """GN-Bench takes a distance of exactly 0 for no distance at all, and so for a failure."""
    stuck_steps: int | None = None
    """Steps without any change of the distance after which the runner itself stops for the agent."""
    unreachable_is_zero: bool = False
    """GN-Bench averages an infinite error as 0 m."""
    path_threshold: float = 3.0
    """d_th of nDTW and CLS, metres."""
    personal_space: float = 0.8
    """Radius around people whose intrusion is counted in seconds, metres."""
    compliance_radius: float = 1.0
    """Of PSC, metres."""
    speed: float = 1.0
    """With which STL's best time is reckoned, m/s."""


PROFILES = {
    "strict": Profile("strict", 0.2),
    "gn-bench": Profile("gn-bench", 3.0, zero_fails=True, stuck_steps=25, unreachable_is_zero=True),
}
"""Ours, and the rules of GN-Bench as its code has them, so that numbers compare."""


def measure(
    episode: Episode,
    trajectory: Trajectory,
    nav_map: NavMap,
    profile: Profile = PROFILES["strict"],
    *,
    field: DistanceField | None = None,
) -> dict[str, float]:
    """All metrics of one episode by name; those about people only where there are people.

    Args:
        nav_map: Not inflated: the radius of the trajectory's robot is.
        field: Distances to the goal over the inflated map, where they are known already.

    Raises:
        EpisodeError: the goal cannot be reached on this map from where the episode starts.
    """
    field = _field(episode, trajectory, nav_map) if field is None else field
    distances = field.at(trajectory.places.double())
    trajectory, distances, stopped = _until_stuck(trajectory, distances, profile)
    places = trajectory.places.double()
    length = paths.path_length(places)
    reached = distances < profile.success_distance
    if profile.zero_fails:
        reached &= distances != 0
    success = stopped and bool(reached[-1])
    error = float(distances[-1])
    if profile.unreachable_is_zero and not math.isfinite(error):
        error = 0.0
    similarity = paths.ndtw(places, episode.reference, profile.path_threshold)
    found = {
        "success": float(success),
        "spl": paths.spl(success, episode.shortest, length),
        "soft_spl": paths.soft_spl(float(distances[0]), float(distances[-1]), episode.shortest, length),
        "oracle_success": float(reached.any()),
        "oracle_error": float(distances.min()),
        "navigation_error": error,
        "path_length": length,
        "steps": float(len(places) - 1),
        "cls": paths.cls(places, episode.reference, profile.path_threshold),
        "ndtw": similarity,
        "sdtw": float(success) * similarity,
        "stl": _stl(success, episode.shortest / profile.speed, float(trajectory.seconds[-1] - trajectory.seconds[0])),
        "static_collisions": _count(trajectory.static_contacts),
        "clearance": float(clearance_of(nav_map).at(places).min()) - trajectory.robot_radius,
    }
    return found | _among_people(trajectory, profile)


def _field(episode: Episode, trajectory: Trajectory, nav_map: NavMap) -> DistanceField:
    try:
        field = distance_field(nav_map.inflate(trajectory.robot_radius), episode.goal)
    except ValueError as error:
        raise EpisodeError(f'episode "{episode.name}": {error}') from error
    start = torch.tensor([episode.start[:2]], dtype=torch.float64)
    if not math.isfinite(float(field.at(start)[0])):
        raise EpisodeError(
            f'episode "{episode.name}": no way leads from {episode.start[:2]} to {episode.goal} for a robot of radius '
            f"{trajectory.robot_radius} m; expected one that can be solved on this map."
        )
    return field


def _until_stuck(
    trajectory: Trajectory, distances: Float[Tensor, " n"], profile: Profile
) -> tuple[Trajectory, Float[Tensor, " m"], bool]:
    """The trajectory up to where a runner that knows the distance would have stopped it."""
    if profile.stuck_steps is None:
        return trajectory, distances, trajectory.stopped
    same = 0
    for step in range(1, len(distances)):
        same = same + 1 if float(distances[step]) == float(distances[step - 1]) else 0
        if same > profile.stuck_steps and step < len(distances) - 1:
            return _first_steps(trajectory, step), distances[: step + 1], True
    return trajectory, distances, trajectory.stopped


def _first_steps(trajectory: Trajectory, steps: int) -> Trajectory:
    changes = {name: getattr(trajectory, name)[: steps + 1] for name in ("seconds", "poses")}
    for name, extra in (("people", 1), ("target_visible", 1), ("static_contacts", 0), ("human_contacts", 0)):
        value = getattr(trajectory, name)
        changes[name] = None if value is None else value[: steps + extra]
    return trajectory.replace(**changes)


def _among_people(trajectory: Trajectory, profile: Profile) -> dict[str, float]:
    people, places = trajectory.people, trajectory.places.double()
    if people is None or not people.shape[1]:
        return {}
    radii = torch.zeros(people.shape[1]).double() if trajectory.radii is None else trajectory.radii.double()
    reach = radii + trajectory.robot_radius
    nearest = torch.cat([social.centre_distances(places, people)[:1], social.closest_approach(places, people)])
    found = {
        "human_collisions": _count(trajectory.human_contacts),
        "h_coll": float(_count(trajectory.human_contacts) > 0),
        "psc": social.compliance(places, people, profile.compliance_radius),
        "personal_space_seconds": social.seconds_within(
            trajectory.seconds.double(), places, people, profile.personal_space
        ),
        "human_clearance": float((nearest - reach).min()),
        "time_to_collision": social.time_to_collision(trajectory.seconds.double(), places, people, reach),
    }
    if trajectory.target_visible is not None:
        away = social.centre_distances(places, people)[:, 0]
        found["following_rate"] = social.following_rate(away, trajectory.target_visible)
        found["following_success"] = float(social.followed(away, trajectory.target_visible, trajectory.stopped))
    return found


def _count(contacts: Tensor | None) -> float:
    return 0.0 if contacts is None else float(contacts.sum())


def _stl(success: bool, best: float, taken: float) -> float:
    """Success weighted by time (Falcon): S · T* / max(T*, T)."""
    longest = max(best, taken)
    return float(success) * (best / longest if longest > 0 else 1.0)
