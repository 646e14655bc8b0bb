"""Splats: Gaussians while they are optimised, as logarithms and logits, with their Adam and their number."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.special
import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.fitting.activations import activate
from splatsim.fitting.adam import Adam, ParameterGroup
from splatsim.fitting.relocation import MAX_COPIES, copy_opacities, copy_shrinkage, draw
from splatsim.gaussians import Gaussians

LARGEST_OPACITY = 1 - 1e-4
"""So that logits stay finite."""


@dataclass(frozen=True)
class Rates:
    """Learning rates of Adam."""

    means: float = 3e-3
    """In units of the scene's length."""
    quats: float = 1e-3
    log_scales: float = 2.5e-2
    logit_opacities: float = 7e-2
    sh: float = 5e-3
    """Of the colour that is the same from all sides."""
    sh_rest: float = 5e-4
    """Of all higher bands."""


class Splats:
    """Leaves of the autograd graph and what steps them.

    Args:
        gaussians: Where the optimisation starts.
        rates: Learning rates.
        length: The scene's unit of length in metres: means move in proportion to it.
    """

    def __init__(self, gaussians: Gaussians, rates: Rates, length: float) -> None:
        self.rates, self.length = rates, length
        opacities = gaussians.opacities.clamp(1e-4, LARGEST_OPACITY)
        self.parameters = {
            "means": gaussians.means,
            "quats": gaussians.quats,
            "log_scales": _function(np.log, gaussians.scales),
            "logit_opacities": _function(scipy.special.logit, opacities),
            "sh": gaussians.sh,
        }
        self.parameters = {name: _leaf(tensor) for name, tensor in self.parameters.items()}
        self.adam = Adam({name: ParameterGroup(tensor, 0.0) for name, tensor in self.parameters.items()})

    def __len__(self) -> int:
        return len(self.parameters["means"])

    @property
    def sh_degree(self) -> int:
        """Of the colours that are optimised now."""
        return int(self.parameters["sh"].shape[1] ** 0.5) - 1

    def gaussians(self, *, scale_penalty: float = 0.0, opacity_penalty: float = 0.0) -> Gaussians:
        """Differentiable; the penalties are those of `activate`."""
        p = self.parameters
        scales, opacities = activate(
            p["log_scales"], p["logit_opacities"], scale_penalty=scale_penalty, opacity_penalty=opacity_penalty
        )
        return Gaussians(p["means"], p["quats"], scales, opacities, p["sh"])

    def step(self, visible: Tensor, *, means: float = 1.0, others: float = 1.0) -> None:
        """One step of the rows that were visible; the arguments multiply the learning rates."""
        rates = self.rates
        bands = torch.full((self.parameters["sh"].shape[1], 1), rates.sh_rest * others)
        bands[0] = rates.sh * others
        self.adam.set_learning_rate("means", rates.means * self.length * means)
        self.adam.set_learning_rate("sh", bands)
        for name in ("quats", "log_scales", "logit_opacities"):
            self.adam.set_learning_rate(name, getattr(rates, name) * others)
        self.adam.step(visible)

    def raise_sh_degree(self, degree: int) -> None:
        """More bands of colour, zero at first."""
        missing = (degree + 1) ** 2 - self.parameters["sh"].shape[1]
        if missing > 0:
            wider = torch.nn.functional.pad(self.parameters["sh"].detach(), (0, 0, 0, missing))
            self.parameters["sh"] = _leaf(wider)
            self.adam.replace("sh", self.parameters["sh"])

    def redistribute(
        self,
        count: int,
        weights: Float[np.ndarray, " n"],
        generator: np.random.Generator,
        *,
        min_opacity: float,
        spread: float,
    ) -> None:
        """Move the Gaussians below `min_opacity` onto others and add new ones up to `count` (Kheradmand et al. 2024).

        Args:
            count: How many there shall be; not fewer than there are.
            weights: Onto which ones, in proportion.
            generator: Decides which ones, and where the copies lie.
            min_opacity: Less is dead.
            spread: Copies lie apart by so many of their standard deviations.
        """
        values = {name: tensor.detach().cpu().numpy() for name, tensor in self.parameters.items()}
        opacities = 1 / (1 + np.exp(-values["logit_opacities"].astype(np.float64)))
        dead = opacities < min_opacity
        weights = np.where(dead, 0.0, weights)
        added = max(count - len(self), 0)
        if not (dead.any() or added) or not weights.sum() > 0:
            return
        sources = draw(weights, int(dead.sum()) + added, generator)
        copies = np.minimum(1 + np.bincount(sources, minlength=len(self)), MAX_COPIES)
        touched = np.flatnonzero(copies > 1)
        clipped = np.minimum(opacities[touched], LARGEST_OPACITY)
        single = np.maximum(copy_opacities(clipped, copies[touched]), min_opacity)
        log_shrinkage = np.log(copy_shrinkage(clipped, copies[touched]))
        values["logit_opacities"] = values["logit_opacities"].copy()
        values["log_scales"] = values["log_scales"].copy()
        values["logit_opacities"][touched] = np.log(single / (1 - single))
        values["log_scales"][touched] += log_shrinkage[:, None]
        rows = np.arange(len(self) + added)
        filled = np.concatenate([np.flatnonzero(dead), np.arange(len(self), len(rows))])
        rows[filled] = sources
        moved = {name: torch.from_numpy(value[rows]) for name, value in values.items()}
        noise = spread * generator.standard_normal((len(filled), 3), dtype=np.float32)
        scales = np.exp(values["log_scales"][sources])
        moved["means"][filled] += torch.from_numpy(_turned(noise, values["quats"][sources], scales))
        rows[filled] = -1
        rows[touched] = -1
        self._replace(moved, torch.from_numpy(rows))

    def keep(self, rows: Tensor) -> None:
        """Only these rows."""
        kept = {name: tensor.detach()[rows] for name, tensor in self.parameters.items()}
        self._replace(kept, rows)

    def _replace(self, values: Mapping[str, Tensor], rows: Tensor) -> None:
        device = self.parameters["means"].device
        for name, value in values.items():
            self.parameters[name] = _leaf(value.to(device))
            self.adam.replace(name, self.parameters[name], rows.to(device))

    def state(self) -> dict[str, Tensor]:
        """All tensors by name, for a checkpoint."""
        return {**self.parameters, **self.adam.state()}

    @classmethod
    def restored(cls, state: Mapping[str, Tensor], rates: Rates, length: float) -> "Splats":
        """As they were when `state` was taken."""
        p = state
        splats = cls(
            Gaussians(p["means"], p["quats"], p["log_scales"].exp(), p["logit_opacities"].sigmoid(), p["sh"]),
            rates,
            length,
        )
        for name in splats.parameters:
            splats.parameters[name] = _leaf(state[name])
            splats.adam.replace(name, splats.parameters[name])
        splats.adam.load(state)
        return splats


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().contiguous().requires_grad_()


def _function(function: Callable[[np.ndarray], np.ndarray], tensor: Tensor) -> Tensor:
    """By numpy: the last bit of torch's exponentials depends on how it splits a tensor among threads."""
    return torch.from_numpy(function(tensor.detach().cpu().numpy())).to(tensor)


def _turned(
    noise: Float[np.ndarray, "m 3"], quats: Float[np.ndarray, "m 4"], scales: Float[np.ndarray, "m 3"]
) -> Float[np.ndarray, "m 3"]:
    """Noise in each Gaussian's own axes and standard deviations, as a shift in the world."""
    local = noise * scales
    unit = quats / np.linalg.norm(quats, axis=1, keepdims=True)
    w, axis = unit[:, :1], unit[:, 1:]
    aside = np.cross(axis, local)
    turned: Float[np.ndarray, "m 3"] = local + 2 * (w * aside + np.cross(axis, aside))
    return turned
