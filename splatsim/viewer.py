"""A scene in the browser, through viser: the browser draws the Gaussians, so this machine needs no power for it."""

import math
import socket
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import viser
from jaxtyping import Float
from torch import Tensor

from splatsim import camera_paths
from splatsim.cameras import Cameras
from splatsim.errors import ResourceError
from splatsim.gaussians import Gaussians
from splatsim.scene import Scene, open_scene
from splatsim.semantics import palette
from splatsim.spherical_harmonics import C0
from splatsim.transforms import quat_from_rotmat, rotmat_from_quat

MAX_GAUSSIANS = 500_000
"""More make the browser of a small machine slow."""
MAX_FRUSTUMS = 60
"""So many cameras are drawn, evenly along their order."""
THINNEST = 0.02
"""The browser gets covariances in 16 bits, so that a Gaussian thinner than this share of its width would be noise."""
THIN = 5e-4
"""Metres: the squares of smaller scales are lost in 16 bits."""
WIDEST = 200.0
"""Metres: the squares of larger scales do not fit into 16 bits."""


class Viewer:
    """A running server that shows one scene.

    Raises:
        ValueError: the scene has no Gaussians, or `max_gaussians` or the port is out of range.
        ResourceError: the port is taken.
    """

    def __init__(
        self, scene: Scene, *, host: str = "127.0.0.1", port: int = 8080, max_gaussians: int = MAX_GAUSSIANS
    ) -> None:
        if scene.gaussians is None or len(scene.gaussians) == 0:
            raise ValueError(f'the scene "{scene.name}" has no Gaussians; expected some to show.')
        if max_gaussians < 1:
            raise ValueError(f"max_gaussians is {max_gaussians}; expected at least 1.")
        self.rows = most_important(scene.gaussians, max_gaussians)
        """Indices of the Gaussians that are shown."""
        check_port(host, port)
        self.server = viser.ViserServer(host=host, port=port, label=f"splatsim: {scene.name}", verbose=False)
        self.host = host
        self.server.scene.set_up_direction("+z")
        self._look_from(scene)
        self._describe(scene)
        self._add_gaussians(scene)
        self._add_cameras(scene)
        # Further layers (occupancy, navigation map, people) come here: one `add_layer` each.

    @property
    def url(self) -> str:
        """Where the browser finds it; the page counts its frames per second."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.server.get_port()}/?showStats"

    def stop(self) -> None:
        """End the server."""
        self.server.stop()

    def add_layer(self, name: str, show: Callable[[bool], None], visible: bool = True) -> None:
        """A switch for something that can be shown and hidden."""
        show(visible)
        switch = self.server.gui.add_checkbox(name, visible)
        switch.on_update(lambda _: show(switch.value))

    def _describe(self, scene: Scene) -> None:
        total = 0 if scene.gaussians is None else len(scene.gaussians)
        lines = [f"**{scene.name}**", f"{total:,} Gaussians"]
        if len(self.rows) < total:
            lines[1] = f"{len(self.rows):,} of {total:,} Gaussians are shown: those that cover most"
        if scene.cameras is not None:
            lines.append(f"{len(scene.cameras):,} cameras; a click on one goes there")
        if scene.gaussians is not None and scene.gaussians.sh_degree > 0:
            lines.append("colours as from all sides at once: the browser does not draw gloss")
        self.server.gui.add_markdown("  \n".join(lines))

    def _add_gaussians(self, scene: Scene) -> None:
        assert scene.gaussians is not None
        gaussians = scene.gaussians.detach().to("cpu").select(self.rows)
        colors = (0.5 + C0 * gaussians.sh[:, 0]).clamp(0, 1).numpy()
        handle = self.server.scene.add_gaussian_splats(
            "/gaussians",
            centers=gaussians.means.numpy(),
            covariances=covariances(gaussians).numpy(),
            rgbs=colors,
            opacities=gaussians.opacities.clamp(0, 1)[:, None].numpy(),
        )

        def show(visible: bool) -> None:
            handle.visible = visible

        self.add_layer("Gaussians", show)
        if scene.semantics is not None:
            shades = palette(len(scene.semantics.class_names))[scene.semantics.labels[self.rows].numpy()] / 255

            def color(by_class: bool) -> None:
                handle.rgbs = shades if by_class else colors

            self.add_layer("Colours of the classes", color, visible=False)

    def _add_cameras(self, scene: Scene) -> None:
        if scene.cameras is None or scene.cameras.model != "pinhole" or len(scene.cameras) == 0:
            return
        shown = np.unique(np.linspace(0, len(scene.cameras) - 1, MAX_FRUSTUMS).round().astype(int))
        cameras = scene.cameras[torch.from_numpy(shown)].to(torch.float32)
        size = 0.006 * _extent(scene)
        handles = []
        for index in range(len(cameras)):
            position, quat, fov = _pose(cameras[index])
            frustum = self.server.scene.add_camera_frustum(
                f"/cameras/{index}",
                fov,
                cameras.width / cameras.height,
                scale=size,
                thickness=0.04 * size,
                color=(230, 120, 20),
                wxyz=quat,
                position=position,
            )
            frustum.on_click(_go_to(position, quat, fov))
            handles.append(frustum)

        def show(visible: bool) -> None:
            for handle in handles:
                handle.visible = visible

        self.add_layer("Cameras", show)

    def _look_from(self, scene: Scene) -> None:
        """The first view: that of the first camera, or from outside where there is none."""
        assert scene.gaussians is not None
        if scene.cameras is not None and scene.cameras.model == "pinhole" and len(scene.cameras):
            camera = scene.cameras[:1].to(torch.float32)
        else:
            camera = camera_paths.orbit(scene.gaussians, 1, fov_deg=75, width=960, height=540)
        position, _, fov = _pose(camera)
        forward = camera.world_from_cam[0, :3, 2].double().numpy()
        view = self.server.initial_camera
        view.position = tuple(position)
        view.look_at = tuple(position + forward * 0.2 * _extent(scene))
        view.fov = fov


def view(scene: Path, *, host: str = "127.0.0.1", port: int = 8080, max_gaussians: int = MAX_GAUSSIANS) -> None:
    """Show a scene in the browser until Ctrl-C.

    Raises:
        FileNotFoundError, FormatError: there is no scene, or it cannot be read.
        ValueError, ResourceError: as in `Viewer`.
    """
    check_port(host, port)  # before the scene is read, which may take a while
    viewer = Viewer(open_scene(scene), host=host, port=port, max_gaussians=max_gaussians)
    try:
        print(f"{scene}: {len(viewer.rows):,} Gaussians at {viewer.url} (Ctrl-C ends it)", flush=True)
        if host not in ("127.0.0.1", "localhost", "::1"):
            print(f"Everybody who reaches {host} can look.", flush=True)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()
    finally:
        viewer.stop()


def check_port(host: str, port: int) -> None:
    """Raise unless a server can listen here.

    Raises:
        ValueError: the port is out of range.
        ResourceError: it is taken, or not ours to take, or the host is not of this machine.
    """
    if not 1 <= port <= 65535:
        raise ValueError(f"port is {port}; expected 1 to 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ResourceError(
                f"cannot listen on {host}, port {port} ({error.strerror}); expected a free one: try --port {port + 1}."
            ) from error


def most_important(gaussians: Gaussians, count: int) -> Tensor:
    """Indices of the `count` Gaussians that cover most: opacity times the area of their larger two axes, in order."""
    finite = torch.stack([field.detach().flatten(1).isfinite().all(-1) for field in _columns(gaussians)]).all(0).cpu()
    areas = gaussians.scales.detach().cpu().double().sort(dim=1).values[:, 1:].prod(dim=1)
    weights = torch.where(finite, gaussians.opacities.detach().cpu().double() * areas, -1)
    best = weights.argsort(descending=True, stable=True)[:count]
    return best[weights[best] >= 0].sort().values


def covariances(gaussians: Gaussians) -> Float[Tensor, "n 3 3"]:
    """Σ = R S Sᵀ Rᵀ, no thinner and no wider than the browser can hold."""
    scales = gaussians.scales.clamp(max=WIDEST)
    scales = torch.maximum(scales, THINNEST * scales.amax(dim=1, keepdim=True)).clamp_min(THIN)
    root = rotmat_from_quat(gaussians.quats) * scales[:, None, :]
    return root @ root.mT


def _columns(gaussians: Gaussians) -> list[Tensor]:
    return [gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities[:, None], gaussians.sh[:, 0]]


def _extent(scene: Scene) -> float:
    """Diagonal of the box that holds the bulk of the scene, metres."""
    assert scene.gaussians is not None
    points = scene.gaussians.means.detach().cpu()
    points = points[points.isfinite().all(-1)].sort(dim=0).values
    low, high = points[int(0.05 * (len(points) - 1))], points[math.ceil(0.95 * (len(points) - 1))]
    return max(float((high - low).norm()), 1e-3)


def _pose(camera: Cameras) -> tuple[np.ndarray, np.ndarray, float]:
    """Position, rotation as wxyz and vertical field of view in radians of one camera."""
    pose = camera.world_from_cam[0].double()
    fov = 2 * math.atan(0.5 * camera.height / float(camera.Ks[0, 1, 1]))
    return pose[:3, 3].numpy(), quat_from_rotmat(pose[:3, :3]).numpy(), fov


def _go_to(
    position: np.ndarray, quat: np.ndarray, fov: float
) -> Callable[[viser.SceneNodePointerEvent[viser.CameraFrustumHandle]], None]:
    """What a click on a camera does: look from there."""

    def go(event: viser.SceneNodePointerEvent[viser.CameraFrustumHandle]) -> None:
        with event.client.atomic():
            event.client.camera.position = position
            event.client.camera.wxyz = quat
            event.client.camera.fov = fov

    return go
