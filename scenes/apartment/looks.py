"""Finishes of the flat: which materials there are, chosen by chance within what fits together."""

from _worldgen.finish import Finish

WHITES = [(0.78, 0.76, 0.71), (0.74, 0.74, 0.73), (0.76, 0.71, 0.62)]
WALLS = [*WHITES, (0.52, 0.60, 0.56), (0.62, 0.55, 0.44), (0.45, 0.53, 0.62), (0.66, 0.50, 0.42), (0.55, 0.58, 0.42)]
WOODS = [
    ((0.50, 0.31, 0.16), (0.30, 0.16, 0.07)),
    ((0.62, 0.45, 0.27), (0.42, 0.27, 0.14)),
    ((0.26, 0.13, 0.06), (0.12, 0.055, 0.028)),
    ((0.66, 0.56, 0.42), (0.50, 0.38, 0.25)),
]
CLOTHS = [
    ((0.20, 0.28, 0.36), (0.10, 0.15, 0.22)),
    ((0.48, 0.20, 0.13), (0.30, 0.10, 0.06)),
    ((0.50, 0.47, 0.40), (0.33, 0.30, 0.25)),
    ((0.17, 0.30, 0.20), (0.08, 0.16, 0.10)),
    ((0.60, 0.44, 0.14), (0.42, 0.28, 0.07)),
    ((0.30, 0.29, 0.30), (0.16, 0.155, 0.16)),
    ((0.46, 0.28, 0.36), (0.28, 0.14, 0.22)),
]
BRIGHTS = [
    *((0.40, 0.09, 0.06), (0.08, 0.16, 0.31), (0.48, 0.33, 0.08), (0.10, 0.23, 0.12), (0.58, 0.54, 0.46)),
    *((0.07, 0.07, 0.08), (0.30, 0.16, 0.27), (0.09, 0.25, 0.28), (0.44, 0.23, 0.10), (0.23, 0.05, 0.07)),
    *((0.35, 0.32, 0.28), (0.62, 0.60, 0.56), (0.20, 0.13, 0.08)),
]


class Looks:
    """Draws finishes from a random generator."""

    def __init__(self, rng):
        self.rng = rng

    def _make(self, pattern, a, b=(0.4, 0.4, 0.4), scale=1.0, glow=0.0):
        return Finish(pattern, tuple(a), tuple(b), scale, int(self.rng.integers(1, 60_000)), glow)

    def pick(self, choices):
        """One of the choices."""
        return choices[int(self.rng.integers(len(choices)))]

    def wall(self):
        """Painted plaster or printed paper."""
        color = self.pick(WALLS)
        if self.rng.random() < 0.5:
            figure = self.pick([(0.24, 0.34, 0.30), (0.45, 0.25, 0.20), (0.22, 0.28, 0.42), (0.50, 0.40, 0.22)])
            return self._make("wallpaper", color, figure, self.pick([0.11, 0.16, 0.22]))
        return self._make("plaster", color)

    def white(self):
        """White lacquer, slightly worn."""
        return self._make("paint", (0.68, 0.67, 0.63), (0.50, 0.46, 0.40))

    def ceiling(self):
        """White plaster."""
        return self._make("plaster", (0.80, 0.79, 0.77))

    def wood(self, kind=None):
        """Furniture wood."""
        return self._make("wood", *(WOODS[kind] if kind is not None else self.pick(WOODS)))

    def floor(self, room):
        """Boards, parquet or tiles, as the room wants."""
        if room in ("bathroom", "kitchen"):
            a = self.pick([(0.58, 0.55, 0.50), (0.42, 0.44, 0.45), (0.62, 0.50, 0.38)])
            return self._make("tiles", a, (0.30, 0.28, 0.26), self.pick([0.3, 0.4, 0.2]))
        a, b = self.pick(WOODS[:2] + WOODS[3:])
        return self._make(*(("planks", a, b, 0.14) if self.rng.random() < 0.6 else ("parquet", a, b, 0.3)))

    def wet_wall(self):
        """Wall tiles or mosaic."""
        if self.rng.random() < 0.5:
            return self._make("mosaic", self.pick([(0.10, 0.32, 0.40), (0.25, 0.42, 0.32)]), (0.62, 0.70, 0.70), 0.05)
        return self._make("tiles", self.pick([(0.70, 0.71, 0.70), (0.38, 0.52, 0.55)]), (0.42, 0.41, 0.40), 0.15)

    def brick(self):
        """Bare bricks."""
        return self._make("brick", (0.44, 0.19, 0.12), (0.30, 0.13, 0.09), 0.24)

    def cloth(self):
        """Upholstery."""
        return self._make("fabric", *self.pick(CLOTHS), 0.006)

    def striped(self):
        """Striped or checked cloth."""
        a, b = self.pick(CLOTHS), self.pick(CLOTHS)
        return self._make("stripes", [min(0.7, 1.4 * c + 0.05) for c in a[0]], b[1], self.pick([0.06, 0.12, 0.2]))

    def rug(self):
        """A knotted rug or a long-haired one."""
        if self.rng.random() < 0.75:
            a, b = self.pick(BRIGHTS), self.pick([(0.62, 0.55, 0.42), (0.10, 0.10, 0.16), (0.55, 0.42, 0.20)])
            return self._make("rug", a, b, self.pick([0.2, 0.28, 0.36]))
        return self._make("shag", (0.66, 0.62, 0.55), (0.34, 0.31, 0.27))

    def metal(self, tone=0.5):
        """Brushed steel."""
        return self._make("metal", (tone, tone, tone * 1.02))

    def black(self):
        """Dark plastic or glass."""
        return self._make("plain", (0.03, 0.03, 0.035))

    def bright(self):
        """Coloured plastic or glaze."""
        return self._make("plain", self.pick(BRIGHTS))

    def enamel(self):
        """White porcelain."""
        return self._make("plain", (0.80, 0.80, 0.78))

    def lacquer(self):
        """Coloured enamel of a kitchen machine, brushed and worn: not so bright that a camera sees nothing on it."""
        return self._make("paint", (0.30, 0.42, 0.40), (0.44, 0.40, 0.33))

    def mosaic(self):
        """Small stones of a wall picture."""
        return self._make("mosaic", (0.36, 0.16, 0.10), (0.60, 0.56, 0.46), 0.05)

    def worktop(self):
        """Stone, marble or wood."""
        kind = self.rng.random()
        if kind < 0.45:
            return self._make("stone", (0.30, 0.28, 0.26), (0.62, 0.60, 0.57), 0.012)
        return self._make("marble", (0.72, 0.71, 0.69), (0.32, 0.32, 0.34)) if kind < 0.7 else self.wood()

    def picture(self):
        """A painting, or a poster with print."""
        if self.rng.random() < 0.75:
            return self._make("picture", self.pick(BRIGHTS), self.pick(WHITES))
        return self._make("print_page", (0.80, 0.77, 0.68), self.pick(BRIGHTS), 0.024)

    def paper(self):
        """A printed page."""
        return self._make("print_page", (0.78, 0.77, 0.73), (0.08, 0.08, 0.09), 0.006)

    def label(self):
        """The printed label of a packet or bottle."""
        return self._make("print_page", self.pick(BRIGHTS), (0.8, 0.78, 0.7), self.pick([0.008, 0.014]))

    def spine(self):
        """The back of a book."""
        return self._make(
            "spine", self.pick(BRIGHTS), self.pick([(0.72, 0.66, 0.45), (0.75, 0.74, 0.72), (0.1, 0.1, 0.1)])
        )

    def leaf(self):
        """Green leaves."""
        return self._make(
            "leaf", self.pick([(0.06, 0.17, 0.04), (0.10, 0.24, 0.06), (0.14, 0.20, 0.09)]), (0.24, 0.36, 0.12)
        )

    def clay(self):
        """Flower pots."""
        return self._make("plain", self.pick([(0.48, 0.23, 0.13), (0.62, 0.60, 0.56), (0.12, 0.17, 0.22)]))

    def cardboard(self):
        """Moving boxes."""
        return self._make("cardboard", (0.46, 0.33, 0.20))

    def wicker(self):
        """Baskets."""
        return self._make("lattice", (0.52, 0.37, 0.20), (0.18, 0.11, 0.06), 0.014)

    def glow(self, strength, warm=True):
        """A lamp's bright face."""
        return Finish("plain", (1.0, 0.83, 0.60) if warm else (0.95, 0.97, 1.0), seed=1, glow=strength)
