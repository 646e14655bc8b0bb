"""Which pictures are worth matching: neighbours in time, all with all, or those that look alike."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Integer

Pairs = list[tuple[int, int]]
WORDS = 64
"""Visual words of the descriptor of a picture."""
ROUNDS = 10
"""Of k-means: the words need not be good, only the same for all pictures."""
SAMPLES = 20_000
"""Features that the words are learned from."""


def sequential_pairs(segments: Sequence[int], overlap: int) -> Pairs:
    """Each picture with those 1, 2, 4, 8 … further on in the same take, `overlap` times doubled."""
    count = len(segments)
    pairs = []
    for first in range(count):
        for power in range(overlap):
            second = first + 2**power
            if second < count and segments[first] == segments[second]:
                pairs.append((first, second))
    return pairs


def exhaustive_pairs(count: int) -> Pairs:
    """Each picture with every other one."""
    return [(first, second) for first in range(count) for second in range(first + 1, count)]


def alike_pairs(
    similarity: Float[np.ndarray, "n n"], neighbours: int, allowed: Bool[np.ndarray, "n n"], rows: Iterable[int]
) -> Pairs:
    """For each picture in `rows`, the `neighbours` that look most like it, of the `allowed` ones."""
    pairs = set()
    for first in rows:
        likeness = np.where(allowed[first], similarity[first], -np.inf)
        for second in np.argsort(-likeness, kind="stable")[:neighbours]:
            if np.isfinite(likeness[second]):
                pairs.add((min(first, int(second)), max(first, int(second))))
    return sorted(pairs)


def similarity(descriptors: Sequence[Integer[np.ndarray, "_ d"]], seed: int) -> Float[np.ndarray, "n n"]:
    """Cosine between the pictures' VLAD descriptors [Jégou et al. 2010; Arandjelović, Zisserman 2013].

    The visual words are learned from the pictures themselves, so nothing has to be downloaded.
    """
    generator = np.random.default_rng(seed)
    share = max(1, SAMPLES // max(1, len(descriptors)))
    drawn = [_draw(features, share, generator) for features in descriptors if len(features)]
    if not drawn:
        return np.zeros((len(descriptors), len(descriptors)))
    words = _words(np.concatenate(drawn).astype(np.float32), generator)
    vectors = np.stack([_vlad(features.astype(np.float32), words) for features in descriptors])
    return np.asarray(vectors @ vectors.T, np.float64)


def _draw(features: Integer[np.ndarray, "m d"], count: int, generator: np.random.Generator) -> np.ndarray:
    chosen = generator.permutation(len(features))[:count]
    return np.asarray(features[np.sort(chosen)])


def _words(features: Float[np.ndarray, "m d"], generator: np.random.Generator) -> Float[np.ndarray, "k d"]:
    count = min(WORDS, len(features))
    words = features[np.sort(generator.permutation(len(features))[:count])].copy()
    for _ in range(ROUNDS):
        nearest = _nearest(features, words)
        sums = np.zeros_like(words)
        np.add.at(sums, nearest, features)
        sizes = np.bincount(nearest, minlength=count)
        words[sizes > 0] = sums[sizes > 0] / sizes[sizes > 0, None]
    return words


def _nearest(features: Float[np.ndarray, "m d"], words: Float[np.ndarray, "k d"]) -> Integer[np.ndarray, " m"]:
    return np.asarray(np.argmax(features @ words.T - 0.5 * (words**2).sum(1), axis=1))


def _vlad(features: Float[np.ndarray, "m d"], words: Float[np.ndarray, "k d"]) -> Float[np.ndarray, " kd"]:
    """Sum of the residuals to each word, each of unit length, the whole of unit length; zeros where nothing is seen."""
    sums = np.zeros_like(words)
    if len(features):
        nearest = _nearest(features, words)
        np.add.at(sums, nearest, features - words[nearest])
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return np.asarray(sums.ravel() / max(float(np.linalg.norm(sums)), 1e-12))


def components(count: int, pairs: Integer[np.ndarray, "m 2"]) -> Integer[np.ndarray, " n"]:
    """The connected part that each picture belongs to, numbered by size, largest first."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    order = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return np.asarray(rank[labels])
