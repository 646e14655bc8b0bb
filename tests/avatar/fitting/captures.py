"""Small captures on disk: the shelf's body, drawn as Gaussians, walks before four cameras."""

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import torch

from splatsim.avatar import Pose
from splatsim.avatar.body import Body
from splatsim.avatar.fitting.keypoints import LAYOUTS, attachments
from splatsim.avatar.fitting.start import start_gaussians
from splatsim.avatar.fitting.template import Template
from splatsim.avatar.fitting.views import Views, project
from splatsim.avatar.skeleton import world_from_joints, world_from_rest
from splatsim.avatar.skinning import skin_gaussians
from splatsim.rendering import render
from splatsim.video import to_bytes
from tests.avatar.fitting.bodies import around, walking

NAMES = LAYOUTS["body_25b"]


def write_capture(
    folder: Path, *, t: int = 4, cameras: int = 3, size: int = 96, masks: bool = True
) -> tuple[Pose, Views]:
    """Pictures, masks, keypoints and a calibration.toml; returns the true poses and the views."""
    folder.mkdir(parents=True, exist_ok=True)
    template = Template.of(Body.load().shape(sex=0.5, height=1.72))
    skeleton = template.skeleton
    pose = walking(skeleton, t)
    views = around(t, cameras, size=size)
    gaussians, skin = start_gaussians(template, 3000, np.random.default_rng(0), opacity=0.95)
    z = gaussians.means[:, 2:]
    colors = torch.cat([torch.sin(z * 9), torch.cos(z * 7), torch.sin(z * 23)], 1)
    gaussians = gaussians.replace(sh=colors[:, None])
    carriers, offsets = attachments(skeleton, NAMES)
    frames = world_from_joints(skeleton, pose).double().numpy()[:, carriers]
    points = frames[..., :3, 3] + (frames[..., :3, :3] @ offsets[..., None])[..., 0]
    pixels = project(views, points)
    bones = world_from_rest(skeleton, pose)
    wall = np.random.default_rng(5).random((size, size, 3)).astype(np.float32) * 0.5
    for c, name in enumerate(views.names):
        for kind in ("images", "masks") if masks else ("images",):
            (folder / kind / name).mkdir(parents=True, exist_ok=True)
        for time in range(t):
            posed = skin_gaussians(gaussians, skin, bones[time])
            with torch.no_grad():
                seen = render(posed, views.camera(time, c), depths=False)
            picture = seen.colors[0] + (1 - seen.alphas[0][..., None]) * torch.from_numpy(wall)
            iio.imwrite(folder / "images" / name / f"{time:04d}.png", to_bytes(picture))
            if masks:
                mask = (255 * (seen.alphas[0] > 0.5)).to(torch.uint8).numpy()
                iio.imwrite(folder / "masks" / name / f"{time:04d}.png", mask)
        rows = np.concatenate([pixels[:, c], np.full((t, len(NAMES), 1), 0.9)], -1)
        people = [[row.ravel().round(3).tolist()] for row in rows]
        (folder / f"{name}_keypoints.json").write_text(json.dumps(people))
    write_calibration(folder / "calibration.toml", views)
    return pose, views


def write_calibration(path: Path, views: Views) -> None:
    from scipy.spatial.transform import Rotation

    lines = []
    for c, name in enumerate(views.names):
        viewmat = views.viewmats[0, c]
        lines += [
            f"[{name}]",
            f'name = "{name}"',
            f"size = {[float(side) for side in views.sizes[c]]}",
            f"matrix = {views.Ks[c].tolist()}",
            "distortions = [0.0, 0.0, 0.0, 0.0]",
            f"rotation = {Rotation.from_matrix(viewmat[:3, :3]).as_rotvec().tolist()}",
            f"translation = {viewmat[:3, 3].tolist()}",
            "fisheye = false",
        ]
    path.write_text("\n".join(lines) + "\n")
