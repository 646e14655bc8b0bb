"""A scene and its layers as a recording for rerun (.rrd): what the viewer in the browser shows, in a file."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from splatsim.avatar import Avatar
from splatsim.errors import BackendUnavailable, FormatError
from splatsim.gaussians import Gaussians
from splatsim.scene import Scene
from splatsim.spherical_harmonics import C0
from splatsim.transforms import quat_from_rotmat
from splatsim.viewer.avatars import stand
from splatsim.viewer.layers import FloorPicture, Voxels, bev_picture, floor_of, nav_picture, surface_voxels
from splatsim.viewer.splats import MAX_GAUSSIANS, bulk, most_important


def write_rerun(
    path: Path,
    scene: Scene,
    *,
    avatars: Mapping[str, Avatar] | None = None,
    max_gaussians: int = MAX_GAUSSIANS,
    overwrite: bool = False,
) -> list[str]:
    """Write Gaussians, cameras, voxels, maps and avatars to a .rrd file, whole or not at all; gives the layers' names.

    Raises:
        BackendUnavailable: rerun is not installed.
        FormatError: the file has another extension.
        FileExistsError: it exists and is not to be overwritten.
        ValueError: the scene has no Gaussians.
    """
    if path.suffix.lower() != ".rrd":
        raise FormatError(f'{path} has the extension "{path.suffix}"; expected .rrd for a recording.')
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; pass --overwrite or name another file.")
    if scene.gaussians is None or not len(scene.gaussians):
        raise ValueError(f'the scene "{scene.name}" has no Gaussians; expected some to show.')
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}; make the folder first.")
    entities = _entities(_import(), scene, scene.gaussians, avatars or {}, max_gaussians)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        recording = _import().RecordingStream(f"splatsim {scene.name}")
        recording.save(temporary)
        recording.log("world", _import().ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
        for name, parts in entities.items():
            recording.log(f"world/{name}", *parts, static=True)
        recording.flush()
        recording.disconnect()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return sorted({name.split("/")[0] for name in entities})


def _entities(
    rerun: Any, scene: Scene, gaussians: Gaussians, avatars: Mapping[str, Avatar], most: int
) -> dict[str, tuple[Any, ...]]:
    """What is logged, by its path."""
    floor = floor_of(scene)
    rows = most_important(gaussians, most)
    entities = {"gaussians": (_splats(rerun, gaussians.detach().to("cpu").select(rows)),)}
    if scene.cameras is not None and scene.cameras.model == "pinhole":
        low, high = bulk(gaussians)
        entities |= _cameras(rerun, scene, 0.006 * float((high - low).norm()))
    voxels = None if scene.occupancy is None else surface_voxels(scene.occupancy)
    if voxels is not None:
        entities["occupancy"] = (_boxes(rerun, voxels),)
    if scene.nav_map is not None:
        entities["nav_map"] = (_sheet(rerun, nav_picture(scene.nav_map, floor)),)
    entities["bev"] = (_sheet(rerun, bev_picture(scene, floor)),)
    for name, standing in stand(avatars, scene, floor).items() if avatars else ():
        entities[f"avatars/{name}"] = (_splats(rerun, standing),)
    return entities


def _splats(rerun: Any, gaussians: Gaussians) -> Any:
    colors = (0.5 + C0 * gaussians.sh[:, 0]).clamp(0, 1)
    rgba = np.concatenate([colors.numpy(), gaussians.opacities.clamp(0, 1)[:, None].numpy()], axis=1)
    quats = gaussians.quats / gaussians.quats.norm(dim=1, keepdim=True)
    return rerun.GaussianSplats3D(
        gaussians.means.numpy(),
        scales=gaussians.scales.numpy(),
        quaternions=quats[:, [1, 2, 3, 0]].numpy(),  # x y z w there
        colors=np.rint(255 * rgba).astype(np.uint8),
    )


def _cameras(rerun: Any, scene: Scene, size: float) -> dict[str, tuple[Any, ...]]:
    assert scene.cameras is not None
    cameras = scene.cameras.to("cpu")
    poses = cameras.world_from_cam.double()
    quats = quat_from_rotmat(poses[:, :3, :3])
    return {
        f"cameras/{index:05d}": (
            rerun.Transform3D(
                translation=poses[index, :3, 3].numpy(),
                quaternion=rerun.Quaternion(xyzw=quats[index, [1, 2, 3, 0]].numpy()),
            ),
            rerun.Pinhole(
                image_from_camera=cameras.Ks[index].numpy(),
                resolution=[cameras.width, cameras.height],
                camera_xyz=rerun.ViewCoordinates.RDF,
                image_plane_distance=size,
            ),
        )
        for index in range(len(cameras))
    }


def _boxes(rerun: Any, voxels: Voxels) -> Any:
    half = np.full((len(voxels.centers), 3), voxels.size / 2, np.float32)
    return rerun.Boxes3D(centers=voxels.centers, half_sizes=half, colors=voxels.colors, fill_mode="solid")


def _sheet(rerun: Any, picture: FloorPicture) -> Any:
    """A level rectangle with the picture on it: rerun's own images do not lie in space."""
    x, y, z = picture.center
    east, north = picture.width / 2, picture.height / 2
    corners = [[x - east, y + north, z], [x + east, y + north, z], [x + east, y - north, z], [x - east, y - north, z]]
    return rerun.Mesh3D(
        vertex_positions=np.array(corners, np.float32),
        triangle_indices=np.array([[0, 2, 1], [0, 3, 2]], np.uint32),
        vertex_normals=np.tile(np.array([0, 0, 1], np.float32), (4, 1)),
        vertex_texcoords=np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32),
        albedo_texture=picture.image,
    )


def _import() -> Any:
    try:
        import rerun
    except ImportError as error:
        raise BackendUnavailable(
            f"rerun cannot be imported ({error}); expected it in this environment: "
            'pip install "splatsim[rerun]", or pip install rerun-sdk.'
        ) from error
    return rerun
