"""render(): checks what it is given, chooses a back end, names the results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.errors import BackendUnavailable
from splatsim.gaussians import Gaussians
from splatsim.rendering._raster import Rasterize
from splatsim.tensors import TensorDataclass

Backend = Literal["auto", "reference", "cpu", "cuda"]


@dataclass(frozen=True)
class Render(TensorDataclass):
    """What c cameras see."""

    colors: Float[Tensor, "c h w 3"]
    """Composited over the background; the picture is in [0, 1] where the colours of the Gaussians are."""
    alphas: Float[Tensor, "c h w"]
    """Coverage, in [0, 1]."""
    depths: Float[Tensor, "c h w"] | None
    """Expected z-depth in metres, 0 where alpha is 0; None where `depths=False` was asked for."""
    features: Float[Tensor, "c h w f"] | None
    """The feature channels, composited with the same weights over zero."""
    visible: Bool[Tensor, "c n"]
    """Gaussians whose footprint may touch the image: the others have no gradient."""


@overload
def render(
    gaussians: Gaussians,
    cameras: Cameras,
    *,
    background: Sequence[float] | Tensor | None = None,
    features: Tensor | None = None,
    antialiased: bool = False,
    depths: bool = True,
    backend: Backend = "auto",
) -> Render: ...
@overload
def render(
    gaussians: Gaussians,
    cameras: list[Cameras],
    *,
    background: Sequence[float] | Tensor | None = None,
    features: Tensor | None = None,
    antialiased: bool = False,
    depths: bool = True,
    backend: Backend = "auto",
) -> list[Render]: ...
def render(
    gaussians: Gaussians,
    cameras: Cameras | list[Cameras],
    *,
    background: Sequence[float] | Tensor | None = None,
    features: Tensor | None = None,
    antialiased: bool = False,
    depths: bool = True,
    backend: Backend = "auto",
) -> Render | list[Render]:
    """Render Gaussians by front-to-back alpha compositing, differentiably (Kerbl et al. 2023).

    Gradients reach means, quats, scales, opacities, sh, features, viewmats and background. Gaussians with a number
    that is not finite, or with a zero quaternion, are not drawn.

    Args:
        gaussians: What is rendered.
        cameras: From where. For a list, one for each image size, the result is a list.
        background: Colour behind the Gaussians, [3], or [c 3] for one each; black by default.
        features: Channels [n f] to composite in place of `gaussians.features`.
        antialiased: Keep the energy of footprints smaller than a pixel (Mip-Splatting, eq. 9).
        depths: Composite depth as well; leaving it out saves a quarter of the time.
        backend: "cpu" and "cuda" are fast, "reference" is the specification in plain torch; "auto" goes by the device
            of the tensors.

    Raises:
        TypeError: an argument is not what its name says.
        ValueError: shapes or devices do not fit together, or a camera is not finite.
        BackendUnavailable: the back end cannot run on this machine or on these tensors.
        ResourceError: the Gaussians cover more tiles than can be kept in memory.
    """
    if isinstance(cameras, list):
        return [
            render(
                gaussians,
                one,
                background=background,
                features=features,
                antialiased=antialiased,
                depths=depths,
                backend=backend,
            )
            for one in cameras
        ]
    if features is not None:
        gaussians = gaussians.replace(features=features)
    check_inputs(gaussians, cameras)
    rasterize = choose_backend(backend, gaussians.means.device)
    raster = rasterize(gaussians, cameras, _background(background, cameras), antialiased=antialiased, depths=depths)
    mean_depths = None
    if raster.depth_sums is not None:
        covered = raster.alphas > 0
        mean_depths = torch.where(covered, raster.depth_sums / torch.where(covered, raster.alphas, 1), 0)
    return Render(raster.colors, raster.alphas, mean_depths, raster.features, raster.visible)


def check_inputs(gaussians: Gaussians, cameras: Cameras) -> None:
    """Raise unless these Gaussians can be seen by these cameras.

    Raises:
        TypeError: they are something else.
        ValueError: there is no camera, devices differ, or a camera matrix is not finite or has no focal length.
    """
    if not isinstance(gaussians, Gaussians):
        raise TypeError(f"render got gaussians of type {type(gaussians).__name__}; expected splatsim.Gaussians.")
    if not isinstance(cameras, Cameras):
        raise TypeError(f"render got cameras of type {type(cameras).__name__}; expected splatsim.Cameras.")
    if len(cameras) == 0:
        raise ValueError("render got cameras with no camera in them; expected at least one.")
    if gaussians.means.device != cameras.viewmats.device:
        raise ValueError(
            f"render got Gaussians on {gaussians.means.device} and cameras on {cameras.viewmats.device}; "
            "expected one device: move either with .to(device)."
        )
    for name, matrices in (("viewmats", cameras.viewmats), ("Ks", cameras.Ks)):
        bad = ~matrices.detach().isfinite().flatten(1).all(-1)
        if bool(bad.any()):
            where = int(bad.nonzero()[0, 0])
            raise ValueError(f"Cameras.{name}[{where}] is {matrices[where].tolist()}; expected finite numbers.")
    if not bool((cameras.Ks.detach()[:, [0, 1], [0, 1]] > 0).all()):
        focal = cameras.Ks.detach()[:, [0, 1], [0, 1]].tolist()
        raise ValueError(f"Cameras.Ks has focal lengths {focal}; expected positive numbers of pixels.")


def choose_backend(backend: Backend, device: torch.device) -> Rasterize:
    """The rasteriser of this name, for tensors on this device.

    Raises:
        ValueError: there is no back end of this name.
        BackendUnavailable: it cannot run here.
    """
    if backend == "auto":
        backend = "cuda" if device.type == "cuda" else "cpu"
    if backend == "reference":
        from splatsim.rendering import _reference

        return _reference.rasterize
    if backend == "cpu":
        if device.type != "cpu":
            raise BackendUnavailable(f'backend "cpu" got tensors on {device}; expected tensors on the CPU.')
        from splatsim.rendering import _cpu

        return _cpu.rasterize
    if backend == "cuda":
        from splatsim.rendering import _cuda

        _cuda.require(device)
        return _cuda.rasterize
    raise ValueError(f'backend is {backend!r}; expected "auto", "reference", "cpu" or "cuda".')


def _background(background: Sequence[float] | Tensor | None, cameras: Cameras) -> Float[Tensor, "c 3"]:
    like = cameras.viewmats
    if background is None:
        return torch.zeros(len(cameras), 3).to(like)
    colors = torch.as_tensor(background).to(like)
    if colors.shape not in ((3,), (len(cameras), 3)):
        raise ValueError(
            f"background has shape {list(colors.shape)}; expected [3], or [{len(cameras)} 3] for one each."
        )
    return colors.expand(len(cameras), 3)
