"""Corrections: what is fitted for each picture beside the Gaussians, its exposure and a small motion of its camera."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.fitting.adam import Adam, ParameterGroup
from splatsim.fitting.exposure import expose
from splatsim.transforms import rotmat_from_quat


class Corrections:
    """Rows of parameters for c pictures, all zero at first: no correction.

    Args:
        count: Pictures.
        length: Unit of the shifts, metres.
        exposure: Whether exposures are fitted.
        poses: Whether motions are fitted.
        device: Where the parameters lie.
    """

    def __init__(
        self, count: int, length: float, *, exposure: bool, poses: bool, device: torch.device | str = "cpu"
    ) -> None:
        self.length, self.fits_exposure, self.fits_poses = length, exposure, poses
        names = ("log_gains", "offsets", "turns", "shifts")
        self.parameters = {name: torch.zeros(count, 3, device=device, requires_grad=True) for name in names}
        self.adam = Adam({name: ParameterGroup(tensor, 0.0) for name, tensor in self.parameters.items()})

    def exposed(self, image: Float[Tensor, "h w 3"], index: int) -> Float[Tensor, "h w 3"]:
        """The image as this picture's exposure shows it, differentiable."""
        if not self.fits_exposure:
            return image
        return expose(image, self.parameters["log_gains"][index], self.parameters["offsets"][index])

    def moved(self, viewmats: Float[Tensor, "1 4 4"], index: int) -> Float[Tensor, "1 4 4"]:
        """cam_from_world of this picture after its motion, differentiable."""
        if not self.fits_poses:
            return viewmats
        half = self.parameters["turns"][index] / 2
        rotation = rotmat_from_quat(torch.cat([torch.ones_like(half[:1]), half]))
        motion = torch.eye(4).to(viewmats)
        motion = torch.cat(
            [torch.cat([rotation, self.length * self.parameters["shifts"][index, :, None]], 1), motion[3:]]
        )
        return motion @ viewmats

    def pull(self, index: int, weight: float) -> Float[Tensor, ""]:
        """Draws this picture's exposure to that of no correction, so that the mean over all stays there."""
        log_gain, offset = self.parameters["log_gains"][index], self.parameters["offsets"][index]
        return weight * (log_gain.square().sum() + offset.square().sum())

    def step(self, index: int, *, exposure_rate: float, pose_rate: float) -> None:
        """One step of this picture's row."""
        rates = {"log_gains": exposure_rate, "offsets": exposure_rate, "turns": pose_rate, "shifts": pose_rate}
        for name, rate in rates.items():
            self.adam.set_learning_rate(name, rate)
        row = torch.zeros(len(self.parameters["turns"]), dtype=torch.bool, device=self.parameters["turns"].device)
        row[index] = True
        self.adam.step(row)

    def state(self) -> dict[str, Tensor]:
        """All tensors by name, for a checkpoint."""
        return {**self.parameters, **self.adam.state()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state[name])
        self.adam.load(state)
