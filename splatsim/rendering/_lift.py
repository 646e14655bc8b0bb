"""lift(): the adjoint of compositing features, which brings pictures back to the Gaussians."""

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim import native
from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.rendering._cpu import FEATURES_PER_PASS, Plan
from splatsim.rendering._render import Backend, check_inputs, choose_backend, render


def lift(
    gaussians: Gaussians,
    cameras: Cameras,
    images: Float[Tensor, "c h w f"],
    *,
    antialiased: bool = False,
    backend: Backend = "auto",
) -> Float[Tensor, "n f"]:
    """For each Gaussian the sum over all pixels of its blending weight α T times what the image holds there.

    A channel of ones gives the sum of the weights, in pixels; the quotient of both is the mean that LUDVIG gives to a
    Gaussian (Marrie et al., "LUDVIG", ICCV 2025, eq. 3).

    Raises:
        TypeError, ValueError, BackendUnavailable, ResourceError: as in `render`.
        ValueError: the images have another size than the cameras.
    """
    check_inputs(gaussians, cameras)
    size = (len(cameras), cameras.height, cameras.width)
    if images.ndim != 4 or images.shape[:3] != size:
        raise ValueError(f"lift got images of shape {list(images.shape)}; expected {[*size, 'f']}.")
    images = images.to(gaussians.means)
    plain = gaussians.detach().replace(sh=gaussians.sh[:, :1].detach(), features=None)
    on_cpu = choose_backend(backend, plain.means.device).__module__.endswith("._cpu")
    total = plain.means.new_zeros(len(plain), images.shape[3])
    for c in range(len(cameras)):
        if on_cpu and plain.means.dtype == torch.float32:
            _add_native(total, plain, cameras[c].detach(), images[c].contiguous(), antialiased)
        else:
            total += _by_autograd(plain, cameras[c].detach(), images[c], antialiased, backend)
    return total


def _add_native(total: Tensor, gaussians: Gaussians, camera: Cameras, image: Tensor, antialiased: bool) -> None:
    """The native adjoint alone: it replays the compositing, so nothing needs to be rendered first."""
    plan = Plan(camera, antialiased, depths=False)
    fields = [gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, gaussians.sh]
    frame = plan.project([field.contiguous() for field in fields], camera.viewmats[0], camera.Ks[0])
    values, moments = torch.zeros_like(total), native.empty(len(gaussians), 6)
    rendered = torch.zeros_like(image)
    for first in range(0, image.shape[2], FEATURES_PER_PASS):
        count = min(FEATURES_PER_PASS, image.shape[2] - first)
        plan.kernels.rasterize_backward(
            frame, values, first, count, rendered, image, None, moments, False, total, True, threads=plan.threads
        )


def _by_autograd(gaussians: Gaussians, camera: Cameras, image: Tensor, antialiased: bool, backend: Backend) -> Tensor:
    with torch.enable_grad():
        features = gaussians.means.new_zeros(len(gaussians), image.shape[2], requires_grad=True)
        seen = render(gaussians, camera, features=features, antialiased=antialiased, depths=False, backend=backend)
        assert seen.features is not None
        (gradient,) = torch.autograd.grad(seen.features[0], features, image)
    return gradient
