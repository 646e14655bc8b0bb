"""Agents that come with splatsim: what others have to beat. Each sees an observation and nothing else."""

from collections.abc import Callable

from splatsim.errors import EpisodeError
from splatsim.nav.agent import Agent
from splatsim.nav.agents.blind import ForwardAgent as ForwardAgent
from splatsim.nav.agents.blind import RandomAgent as RandomAgent
from splatsim.nav.agents.blind import StopAgent as StopAgent
from splatsim.nav.agents.explorer import BevExplorerAgent as BevExplorerAgent
from splatsim.nav.agents.follower import FollowerAgent as FollowerAgent
from splatsim.nav.agents.human_aware import HumanAwareAgent as HumanAwareAgent
from splatsim.nav.agents.learned import LearnedAgent as LearnedAgent
from splatsim.nav.agents.oracle import OracleAgent as OracleAgent
from splatsim.nav.agents.shortest_path import ShortestPathAgent as ShortestPathAgent
from splatsim.nav.skills import Skills

_AGENTS: dict[str, tuple[Callable[[], Agent], Skills]] = {
    "stop": (StopAgent, StopAgent.skills),
    "random": (RandomAgent, RandomAgent.skills),
    "forward": (ForwardAgent, ForwardAgent.skills),
    "shortest-path": (ShortestPathAgent, ShortestPathAgent.skills),
    "oracle": (OracleAgent, OracleAgent.skills),
    "human-aware": (HumanAwareAgent, HumanAwareAgent.skills),
    "bev": (BevExplorerAgent, BevExplorerAgent.skills),
    "follower": (FollowerAgent, FollowerAgent.skills),
    "learned": (LearnedAgent, LearnedAgent.skills),
}

AGENT_NAMES = tuple(_AGENTS)
"""What `make_agent` knows."""


def make_agent(name: str) -> Agent:
    """An agent by its name.

    Raises:
        EpisodeError: there is none of this name.
    """
    _check(name)
    return _AGENTS[name][0]()


def skills_of(name: str) -> Skills:
    """What the agent of this name can do.

    Raises:
        EpisodeError: there is none of this name.
    """
    _check(name)
    return _AGENTS[name][1]


def _check(name: str) -> None:
    if name not in _AGENTS:
        raise EpisodeError(f'there is no agent "{name}"; expected one of {", ".join(AGENT_NAMES)}.')
