"""Adam for Gaussians: one native pass over memory for each parameter, only the rows that were seen."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from splatsim import native


@dataclass(frozen=True)
class ParameterGroup:
    """One parameter and how it is stepped."""

    parameter: Tensor
    """A leaf of the autograd graph, [n …]; stepped in place."""
    learning_rate: float | Tensor
    """One for all, or a tensor that broadcasts to one row of the parameter (lower for higher SH bands, say)."""
    every: int = 1
    """Step only each `every`-th time, with the gradients added up since then: SH may be lazy."""


class Adam:
    """Adam (Kingma & Ba 2015) over named parameters whose first axis is the Gaussians.

    `step(visible)` leaves the rows that were not visible as they are, moments included (as gsplat's SelectiveAdam
    does): their gradient is zero, and on a CPU reading them would cost as much as rasterising the rest.

    Args:
        groups: What is stepped. Learning rates may be changed between steps with `set_learning_rate`.
        betas: Decay of the first and second moments.
        epsilon: Added to the root of the second moment.

    Raises:
        ValueError: a group is not a leaf float tensor with rows, or its interval is below 1.
    """

    def __init__(
        self,
        groups: Mapping[str, ParameterGroup],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-15,
    ) -> None:
        self.groups = dict(groups)
        self.betas = betas
        self.epsilon = epsilon
        self.steps = 0
        self.first: dict[str, Tensor] = {}
        self.second: dict[str, Tensor] = {}
        self._rates: dict[str, Tensor] = {}
        self._updates = dict.fromkeys(self.groups, 0)
        for name, group in self.groups.items():
            _check_group(name, group)
            self.first[name] = torch.zeros_like(group.parameter, requires_grad=False)
            self.second[name] = torch.zeros_like(group.parameter, requires_grad=False)
            self.set_learning_rate(name, group.learning_rate)

    def set_learning_rate(self, name: str, learning_rate: float | Tensor) -> None:
        """From the next step on."""
        row = self.groups[name].parameter.detach()[:1]
        rates = torch.as_tensor(learning_rate, dtype=row.dtype, device=row.device)
        self._rates[name] = rates.expand(row.shape[1:]).reshape(-1).contiguous()

    @torch.no_grad()
    def step(self, visible: Bool[Tensor, " n"] | None = None) -> None:
        """Step the groups whose turn it is and clear their gradients.

        Args:
            visible: Rows to step, such as `Render.visible.any(0)`; all by default.
        """
        self.steps += 1
        for name, group in self.groups.items():
            _check_visible(visible, len(group.parameter))
            gradient = group.parameter.grad
            if self.steps % group.every != 0 or gradient is None:
                continue
            # A lazy group's gradients come from several views; its unseen rows have none and barely move.
            self._update(name, gradient.contiguous(), visible if group.every == 1 else None)
            group.parameter.grad = None

    def zero_grad(self) -> None:
        """Drop all gradients, those that lazy groups have gathered as well."""
        for group in self.groups.values():
            group.parameter.grad = None

    def replace(self, name: str, parameter: Tensor, rows: Int[Tensor, " m"] | None = None) -> None:
        """Step another tensor under this name from now on.

        Args:
            name: Of the group.
            parameter: The new leaf; its rows may be more or fewer, and wider than before.
            rows: Row i goes on with the moments of row `rows[i]`, from zero where that is negative; by default row i
                goes on with its own. Columns that are new start from zero.
        """
        group = dataclasses.replace(self.groups[name], parameter=parameter)
        _check_group(name, group)
        self.groups[name] = group
        for moments in (self.first, self.second):
            moments[name] = _rearranged(moments[name], parameter, rows)

    def state(self) -> dict[str, Tensor]:
        """Moments and counts by name, for a checkpoint."""
        counts = {f"{name}.updates": torch.tensor(count) for name, count in self._updates.items()}
        moments = {f"{name}.first": tensor for name, tensor in self.first.items()}
        moments |= {f"{name}.second": tensor for name, tensor in self.second.items()}
        return {"steps": torch.tensor(self.steps), **counts, **moments}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave.

        Raises:
            KeyError: a group is missing.
        """
        self.steps = int(state["steps"])
        for name in self.groups:
            self._updates[name] = int(state[f"{name}.updates"])
            self.first[name] = state[f"{name}.first"].clone()
            self.second[name] = state[f"{name}.second"].clone()

    def _update(self, name: str, gradient: Tensor, visible: Tensor | None) -> None:
        self._updates[name] += 1
        beta1, beta2 = self.betas
        corrections = (1 - beta1 ** self._updates[name], 1 - beta2 ** self._updates[name])
        parameter, first, second = self.groups[name].parameter.detach(), self.first[name], self.second[name]
        rates = self._rates[name]
        if parameter.device.type == "cpu" and parameter.dtype == torch.float32 and parameter.is_contiguous():
            rows = (len(parameter), rates.numel())
            native.kernels().adam(
                parameter.view(rows),
                gradient.view(rows),
                first.view(rows),
                second.view(rows),
                rates,
                None if visible is None else visible.contiguous().view(torch.uint8),
                beta1,
                beta2,
                self.epsilon,
                *corrections,
                native.threads(),
            )
            # autograd must know that the values were overwritten.
            torch.autograd.graph.increment_version((self.groups[name].parameter, first, second))
            return
        _update_in_torch(
            parameter,
            gradient,
            first,
            second,
            rates.view(parameter.shape[1:]),
            visible,
            self.betas,
            self.epsilon,
            corrections,
        )


def _update_in_torch(
    parameter: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    rates: Tensor,
    visible: Tensor | None,
    betas: tuple[float, float],
    epsilon: float,
    corrections: tuple[float, float],
) -> None:
    """The same step for other devices and dtypes."""
    rows = slice(None) if visible is None else visible
    g = gradient[rows]
    m = betas[0] * first[rows] + (1 - betas[0]) * g
    v = betas[1] * second[rows] + (1 - betas[1]) * g * g
    first[rows], second[rows] = m, v
    parameter[rows] -= rates / corrections[0] * m / ((v / corrections[1]).sqrt() + epsilon)


def _rearranged(moments: Tensor, parameter: Tensor, rows: Tensor | None) -> Tensor:
    """Moments for a parameter with other rows or more columns."""
    if rows is not None:
        moments = torch.where((rows >= 0).view(-1, *[1] * (moments.ndim - 1)), moments[rows.clamp_min(0)], 0)
    if moments.shape != parameter.shape:
        wider = torch.zeros_like(parameter, requires_grad=False)
        wider[tuple(slice(0, size) for size in moments.shape)] = moments
        moments = wider
    return moments.contiguous()


def _check_visible(visible: Tensor | None, n: int) -> None:
    if visible is not None and (visible.dtype != torch.bool or visible.shape != (n,)):
        raise ValueError(
            f"Adam.step: visible is {visible.dtype} of shape {list(visible.shape)}; expected torch.bool of shape [{n}] "
            "(say, Render.visible.any(0))."
        )


def _check_group(name: str, group: ParameterGroup) -> None:
    parameter = group.parameter
    if not parameter.is_floating_point() or parameter.ndim == 0 or not parameter.is_leaf:
        raise ValueError(
            f"Adam: parameter {name!r} is {parameter.dtype} of shape {list(parameter.shape)}"
            f"{'' if parameter.is_leaf else ', computed from others'}; expected a leaf float tensor [n …]."
        )
    if group.every < 1:
        raise ValueError(f"Adam: parameter {name!r} has every={group.every}; expected 1 or more.")
