"""Entrant: who takes part in a benchmark, by name, and how to make the agent in whatever process it plays."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from splatsim.errors import EpisodeError
from splatsim.nav.agent import Agent
from splatsim.nav.agents import AGENT_NAMES, make_agent, skills_of
from splatsim.nav.policy_line import RemoteOptions
from splatsim.nav.remote import RemoteAgent
from splatsim.nav.setup import Sensors
from splatsim.nav.skills import Skills

ACT_SECONDS = 10.0


@dataclass(frozen=True)
class Entrant:
    """Who takes part."""

    name: str
    """In results; unique among those who take part."""
    make: Callable[[], Agent]
    """Makes the agent, once in each process: a function that another process can import."""
    seconds: float = ACT_SECONDS
    """After which an answer is late, and the episode failed."""
    bev: bool = False
    """Give it the whole map from above, in colours, whatever it asks for."""
    skills: Skills = field(default_factory=Skills)
    """What it can do; of servers and agents of others nothing is known, and so everything taken for possible."""

    def sensors(self, agent: Agent) -> Sensors:
        """What the agent is given."""
        asked = agent.sensors
        if not self.bev:
            return asked
        return replace(asked, bev="map" if asked.bev == "none" else asked.bev, bev_colors=True)


def entrant(
    text: str, *, seconds: float = ACT_SECONDS, bev: bool = False, remote: RemoteOptions | None = None
) -> Entrant:
    """One who takes part, from what stands at the command line.

    Args:
        text: The name of an agent of ours, "module:Class", or the address of a policy server, "ws://host:port".
        seconds: After which an answer is late; for a server its own limit holds.
        bev: Give servers and agents of others the view from above.
        remote: How a policy server is talked to.

    Raises:
        EpisodeError: it is none of the three.
    """
    if text in AGENT_NAMES:
        return Entrant(text, partial(make_agent, text), seconds, skills=skills_of(text))
    if text.startswith(("ws://", "wss://")):
        options = replace(remote or RemoteOptions(), bev=bev or (remote is not None and remote.bev))
        limit = 2 * (options.connect_seconds + options.seconds) + 10  # it is tried twice
        return Entrant(text, partial(RemoteAgent, text, options), limit)
    module, colon, name = text.partition(":")
    if not (colon and module and name.isidentifier()):
        raise EpisodeError(
            f'there is no agent "{text}"; expected one of {", ".join(AGENT_NAMES)}, module:Class, or the address of a '
            "policy server such as ws://127.0.0.1:8000."
        )
    return Entrant(text, partial(make_of_module, module, name), seconds, bev)


def make_of_module(module: str, name: str) -> Agent:
    """An agent of somebody else's class, found as Python finds modules, and in the folder where one is.

    Raises:
        EpisodeError: there is no such module or class, or what it makes is no agent.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        made = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, TypeError) as error:
        raise EpisodeError(
            f"the agent {module}:{name} cannot be made ({error}); expected a class without arguments in a module that "
            "can be imported from here."
        ) from error
    if not isinstance(made, Agent):
        raise EpisodeError(
            f"{module}:{name} makes a {type(made).__name__} without sensors, reset and act; expected an agent."
        )
    return made
