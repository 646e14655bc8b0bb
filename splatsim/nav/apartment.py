"""The suite that comes with splatsim: episodes in the apartment of the shelf, made when they are asked for."""

from functools import lru_cache

from splatsim.assets import shelf_file
from splatsim.nav.episode import Task
from splatsim.nav.generation import SETUPS, generate_suite
from splatsim.nav.setup import Humans, Setup
from splatsim.nav.suite import Suite
from splatsim.nav.world import World
from splatsim.scene import Scene


@lru_cache(maxsize=1)
def apartment_world() -> World:
    """The apartment of the shelf: a generated flat of 105 square metres with classes and a map.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    return World.of(Scene.load(shelf_file("scenes/apartment/scene.toml").parent))


def apartment_suite(
    people: int = 0, count: int = 24, seed: int = 0, *, task: Task | None = None, setup: Setup | None = None
) -> Suite:
    """Episodes in the apartment: the same from the same arguments.

    Args:
        people: How many walk about; they cross the robot's way, or, where it follows one, stroll.
        count: Of episodes.
        task: By default point goals, and among people social navigation.
        setup: What the robot carries and can do; its people are replaced.

    Raises:
        EpisodeError: a number makes no sense, or the apartment has not as many different episodes.
        FileNotFoundError: the installation is incomplete.
    """
    task = task or ("social" if people else "point goal")
    least = SETUPS[task].humans.count if task in SETUPS else 0
    humans = Humans(people or least, pattern="leader" if task == "following" else "cross")
    base = setup or Setup()
    return generate_suite(
        apartment_world(),
        task,
        count,
        seed,
        setup=Setup(base.sensors, humans, base.drive, base.radius, base.discrete, base.sliding, base.tick),
    )
