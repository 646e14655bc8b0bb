"""What machines, things and people of the pit are painted with."""

from _worldgen.finish import Finish

YELLOWS = [(0.62, 0.36, 0.03), (0.60, 0.25, 0.03), (0.55, 0.42, 0.08)]
PAINTS = [*YELLOWS, (0.60, 0.60, 0.58), (0.35, 0.05, 0.04), (0.05, 0.14, 0.30), (0.10, 0.22, 0.12)]
DUST = (0.40, 0.33, 0.25)


class Paint:
    """Finishes of the pit from a random generator."""

    def __init__(self, rng):
        self.rng = rng

    def _seed(self):
        return int(self.rng.integers(1, 60_000))

    def pick(self, choices):
        """One of the choices."""
        return choices[int(self.rng.integers(len(choices)))]

    def body(self, colors=YELLOWS):
        """Dusty, chipped machine paint."""
        return Finish("paint", self.pick(colors), DUST, seed=self._seed())

    def steel(self, tone=0.28):
        """Bare metal."""
        return Finish("metal", (tone, tone * 0.97, tone * 0.92), seed=self._seed())

    def dark(self):
        """Black plastic, glass."""
        return Finish("plain", (0.03, 0.033, 0.04), seed=self._seed())

    def tyre(self):
        """Rubber."""
        return Finish("tyre", (0.035, 0.034, 0.033), (0.30, 0.25, 0.19), seed=self._seed())

    def hazard(self, a=(0.6, 0.05, 0.03), b=(0.75, 0.74, 0.7), scale=0.3):
        """Warning stripes."""
        return Finish("hazard", a, b, scale, self._seed())

    def sign(self):
        """Printed boards."""
        return Finish(
            "print_page",
            self.pick([(0.75, 0.72, 0.62), (0.62, 0.45, 0.05), (0.05, 0.15, 0.40)]),
            (0.05, 0.05, 0.05),
            0.09,
            self._seed(),
        )

    def rock(self):
        """Boulders."""
        return Finish(
            "rubble",
            self.pick([(0.36, 0.31, 0.26), (0.29, 0.27, 0.25), (0.42, 0.34, 0.26)]),
            (0.48, 0.44, 0.40),
            seed=self._seed(),
        )

    def concrete(self):
        """Cast concrete."""
        return Finish("plaster", (0.46, 0.45, 0.42), seed=self._seed())

    def cloth(self, colors):
        """Work clothes."""
        return Finish("fabric", self.pick(colors), (0.12, 0.12, 0.12), 0.01, self._seed())

    def vest(self):
        """High-visibility cloth."""
        return Finish(
            "hazard", self.pick([(0.70, 0.25, 0.02), (0.60, 0.66, 0.05)]), (0.66, 0.66, 0.64), 0.24, self._seed()
        )

    def skin(self):
        """Skin."""
        return Finish(
            "plain", self.pick([(0.50, 0.32, 0.22), (0.28, 0.16, 0.10), (0.58, 0.40, 0.30)]), seed=self._seed()
        )
