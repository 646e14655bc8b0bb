"""Skills: which suites an agent can play, so that nobody is scored for what it was never made to do."""

from dataclasses import dataclass
from typing import get_args

from splatsim.nav.episode import Task
from splatsim.nav.suite import Suite

ALL_TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True)
class Skills:
    """What an agent can do."""

    tasks: tuple[Task, ...] = ALL_TASKS
    """Tasks whose observations tell it what it has to know."""
    commands: bool = True
    """Whether it can drive by speed and turn; all agents can take steps."""

    def lacking(self, suite: Suite) -> str:
        """Why an agent with these skills cannot play a suite; empty where it can."""
        asked = [episode.task for episode in suite.episodes]
        foreign = [task for task in asked if task not in self.tasks]
        if foreign:
            named = " and ".join(f'"{task}"' for task in dict.fromkeys(foreign))
            return f"it cannot do {named}, which {len(foreign)} of {len(asked)} episodes ask for"
        if not (suite.setup.discrete or self.commands):
            return "it takes steps, and robots of this suite are driven by speed and turn"
        return ""
