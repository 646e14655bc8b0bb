"""What a surface looks like: a pattern by name, two colours, a scale and a seed."""

from dataclasses import dataclass

import numpy as np

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Finish:
    """The look of a surface; `patterns.py` says what each pattern does with colours and scale."""

    pattern: str
    """Name of a function in `patterns.PATTERNS`."""
    a: Color = (0.8, 0.8, 0.8)
    """First colour: linear reflectance in [0, 1]."""
    b: Color = (0.4, 0.4, 0.4)
    """Second colour."""
    scale: float = 1.0
    """Size of the figure, metres, or as the pattern says."""
    seed: int = 0
    """Makes two surfaces of one kind differ."""
    glow: float = 0.0
    """Radiance of the surface itself, as a multiple of the first colour."""


@dataclass
class Surface:
    """Hit points of one pattern, as arrays of one length."""

    u: np.ndarray
    """Metres along the surface."""
    v: np.ndarray
    """Metres along the surface."""
    footprint: np.ndarray
    """Metres per pixel at the hit."""
    a: np.ndarray
    """[n 3] first colour."""
    b: np.ndarray
    """[n 3] second colour."""
    scale: np.ndarray
    seed: np.ndarray
    """uint32."""

    def at(self, rows):
        """Some of the points."""
        return Surface(*(field[rows] for field in vars(self).values()))


class FinishTable:
    """The finishes of a model as arrays, to be evaluated at many hit points at once."""

    def __init__(self, finishes, patterns):
        self.patterns = patterns
        names = sorted({finish.pattern for finish in finishes})
        unknown = [name for name in names if name not in patterns]
        if unknown:
            raise ValueError(f"the pattern {unknown[0]!r} is not known; expected one of {', '.join(sorted(patterns))}.")
        self.names = names
        self.pattern = np.array([names.index(finish.pattern) for finish in finishes], np.int32)
        self.a = np.array([finish.a for finish in finishes], np.float32)
        self.b = np.array([finish.b for finish in finishes], np.float32)
        self.scale = np.array([finish.scale for finish in finishes], np.float32)
        self.seed = np.array([finish.seed for finish in finishes]).astype(np.uint32)
        self.glow = np.array([finish.glow for finish in finishes], np.float32)

    def albedo(self, finish, uv, footprint):
        """Reflectance [n 3] of points with these finishes (by index), texture coordinates [n 2] and footprints [n]."""
        out = np.zeros((len(finish), 3), np.float32)
        kinds = self.pattern[finish]
        order = np.argsort(kinds, kind="stable")
        bounds = np.searchsorted(kinds[order], np.arange(len(self.names) + 1))
        for kind, name in enumerate(self.names):
            rows = order[bounds[kind] : bounds[kind + 1]]
            if len(rows):
                out[rows] = self._evaluate(name, finish[rows], uv[rows], footprint[rows])
        return np.clip(out, 0.005, 0.97)

    def _evaluate(self, name, finish, uv, footprint):
        seed = self.seed[finish]
        # Each seed looks at another place of the same endless plane.
        shift = (seed % np.uint32(977)).astype(np.float32) * np.float32(0.37)
        surface = Surface(
            (uv[:, 0] + shift).astype(np.float32),
            (uv[:, 1] + shift).astype(np.float32),
            footprint.astype(np.float32),
            self.a[finish],
            self.b[finish],
            self.scale[finish],
            seed,
        )
        return self.patterns[name](surface)

    def mean_albedo(self, model, samples=24):
        """One reflectance per quad, for light that comes from it: a few samples seen from afar."""
        spread = np.random.default_rng(0).uniform(0, 1, (samples, 2)).astype(np.float32)
        total = np.zeros((len(model.corners), 3), np.float32)
        s, t = spread[:, :1, None], spread[:, 1:, None]
        for k in range(samples):
            uv = (
                model.uvs[:, 0] * ((1 - s[k]) * (1 - t[k]))
                + model.uvs[:, 1] * (s[k] * (1 - t[k]))
                + model.uvs[:, 2] * (s[k] * t[k])
                + model.uvs[:, 3] * ((1 - s[k]) * t[k])
            )
            total += self.albedo(model.finishes, uv, np.full(len(uv), 0.03, np.float32))
        return total / samples
