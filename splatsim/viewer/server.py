"""A scene in the browser, through viser: the browser draws the Gaussians, so this machine needs no power for it."""

import math
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import viser

from splatsim import camera_paths
from splatsim.avatar import Avatar
from splatsim.cameras import Cameras
from splatsim.errors import ResourceError
from splatsim.gaussians import Gaussians
from splatsim.maps import Floor
from splatsim.scene import Scene, open_scene
from splatsim.semantics import palette
from splatsim.spherical_harmonics import C0
from splatsim.transforms import quat_from_rotmat
from splatsim.viewer.avatars import read_avatars, stand
from splatsim.viewer.layers import FloorPicture, Voxels, bev_picture, floor_of, nav_picture, surface_voxels
from splatsim.viewer.splats import MAX_GAUSSIANS, covariances, extent, most_important

MAX_FRUSTUMS = 60
"""So many cameras are drawn, evenly along their order."""
FACING_UP = (0.0, 1.0, 0.0, 0.0)
"""wxyz of viser's pictures, which look along their +z with rows along +y, when they lie on the floor."""
CUBE = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)], np.float32)
CUBE_FACES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4],
     [1, 5, 7], [1, 7, 3]],
    np.uint32,
)  # fmt: skip


class Viewer:
    """A running server that shows one scene.

    Raises:
        ValueError: the scene has no Gaussians, or `max_gaussians` or the port is out of range.
        ResourceError: the port is taken.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        avatars: Mapping[str, Avatar] | None = None,
        host: str = "127.0.0.1",
        port: int = 8080,
        max_gaussians: int = MAX_GAUSSIANS,
    ) -> None:
        if scene.gaussians is None or len(scene.gaussians) == 0:
            raise ValueError(f'the scene "{scene.name}" has no Gaussians; expected some to show.')
        if max_gaussians < 1:
            raise ValueError(f"max_gaussians is {max_gaussians}; expected at least 1.")
        self.rows = most_important(scene.gaussians, max_gaussians)
        """Indices of the Gaussians that are shown."""
        check_port(host, port)
        self.scene, self.host = scene, host
        self.server = viser.ViserServer(host=host, port=port, label=f"splatsim: {scene.name}", verbose=False)
        self.server.scene.set_up_direction("+z")
        self._look_from(scene)
        self._describe(scene)
        with self.server.gui.add_folder("Layers"):
            self._add_gaussians(scene)
            self._add_cameras(scene)
            self._add_grids(scene)
        if avatars:
            with self.server.gui.add_folder("Avatars"):
                for name, gaussians in stand(avatars, scene, self.floor).items():
                    self._add_splats(name, f"/avatars/{name}", gaussians)

    @property
    def url(self) -> str:
        """Where the browser finds it; the page counts its frames per second."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.server.get_port()}/?showStats"

    def stop(self) -> None:
        """End the server."""
        self.server.stop()

    @cached_property
    def floor(self) -> Floor:
        """Where people stand and maps lie."""
        return floor_of(self.scene)

    def add_layer(self, name: str, show: Callable[[bool], None], visible: bool = True) -> None:
        """A switch for something that can be shown and hidden."""
        show(visible)
        switch = self.server.gui.add_checkbox(name, visible)
        switch.on_update(lambda _: show(switch.value))

    def add_nodes(self, name: str, make: Callable[[], Sequence[Any]], visible: bool = False) -> None:
        """A switch for nodes of the scene that are made when they are first shown."""
        nodes: list[Any] = []

        def show(shown: bool) -> None:
            if shown and not nodes:
                nodes.extend(make())
            for node in nodes:
                node.visible = shown

        self.add_layer(name, show, visible)

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
        handle, colors = self._add_splats("Gaussians", "/gaussians", scene.gaussians.select(self.rows))
        if scene.semantics is not None:
            shades = palette(len(scene.semantics.class_names))[scene.semantics.labels[self.rows].numpy()] / 255

            def color(by_class: bool) -> None:
                handle.rgbs = shades if by_class else colors

            self.add_layer("Colours of the classes", color, visible=False)

    def _add_splats(self, name: str, path: str, gaussians: Gaussians) -> tuple[Any, np.ndarray]:
        """Gaussians with a switch; gives their node and their colours."""
        gaussians = gaussians.detach().to("cpu")
        colors = (0.5 + C0 * gaussians.sh[:, 0]).clamp(0, 1).numpy()
        handle = self.server.scene.add_gaussian_splats(
            path,
            centers=gaussians.means.numpy(),
            covariances=covariances(gaussians).numpy(),
            rgbs=colors,
            opacities=gaussians.opacities.clamp(0, 1)[:, None].numpy(),
        )
        self.add_nodes(name, lambda: [handle], visible=True)
        return handle, colors

    def _add_grids(self, scene: Scene) -> None:
        """Voxels and maps, hidden at first."""
        voxels = None if scene.occupancy is None else surface_voxels(scene.occupancy)
        if voxels is not None:
            shown = voxels
            self.add_nodes("Occupancy", lambda: self._cubes("/occupancy", shown.parted(self.floor)[0]))
            self.add_nodes("Occupancy: ceilings", lambda: self._cubes("/ceilings", shown.parted(self.floor)[1]))
        if scene.nav_map is not None:
            nav_map = scene.nav_map
            self.add_nodes("NavMap", lambda: [self._lay("/nav_map", nav_picture(nav_map, self.floor))])
        self.add_nodes("BEV", lambda: [self._lay("/bev", bev_picture(scene, self.floor))])

    def _cubes(self, path: str, voxels: Voxels) -> list[Any]:
        count = len(voxels.centers)
        cubes = count and self.server.scene.add_batched_meshes_simple(
            path,
            CUBE,
            CUBE_FACES,
            batched_wxyzs=np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
            batched_positions=voxels.centers,
            batched_scales=np.full(count, voxels.size, np.float32),
            batched_colors=voxels.colors,
            flat_shading=True,
            side="double",
            lod="off",
            cast_shadow=False,
        )
        return [cubes] if count else []

    def _lay(self, path: str, picture: FloorPicture) -> Any:
        return self.server.scene.add_image(
            path,
            picture.image,
            picture.width,
            picture.height,
            format="png",
            wxyz=FACING_UP,
            position=picture.center,
            cast_shadow=False,
            receive_shadow=False,
        )

    def _add_cameras(self, scene: Scene) -> None:
        if scene.cameras is None or scene.cameras.model != "pinhole" or len(scene.cameras) == 0:
            return
        assert scene.gaussians is not None
        shown = np.unique(np.linspace(0, len(scene.cameras) - 1, MAX_FRUSTUMS).round().astype(int))
        cameras = scene.cameras[torch.from_numpy(shown)].to(torch.float32)
        size = 0.006 * extent(scene.gaussians)

        def make() -> list[Any]:
            return [self._frustum(index, cameras[index], size) for index in range(len(cameras))]

        self.add_nodes("Cameras", make, visible=True)

    def _frustum(self, index: int, camera: Cameras, size: float) -> Any:
        position, quat, fov = _pose(camera)
        frustum = self.server.scene.add_camera_frustum(
            f"/cameras/{index}",
            fov,
            camera.width / camera.height,
            scale=size,
            thickness=0.04 * size,
            color=(230, 120, 20),
            wxyz=quat,
            position=position,
        )
        frustum.on_click(_go_to(position, quat, fov))
        return frustum

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
        view.look_at = tuple(position + forward * 0.2 * extent(scene.gaussians))
        view.fov = fov


def view(
    scene: Path,
    *,
    avatars: Sequence[Path] = (),
    host: str = "127.0.0.1",
    port: int = 8080,
    max_gaussians: int = MAX_GAUSSIANS,
) -> None:
    """Show a scene, and avatars in it, in the browser until Ctrl-C.

    Raises:
        FileNotFoundError, FormatError: there is no scene or no avatar, or it cannot be read.
        ValueError, ResourceError: as in `Viewer`.
    """
    check_port(host, port)  # before the scene is read, which may take a while
    people = read_avatars(avatars)
    viewer = Viewer(open_scene(scene), avatars=people, host=host, port=port, max_gaussians=max_gaussians)
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
