"""Make Gaussians, look at them, save the picture. Writes spiral.png."""

import imageio.v3 as iio
import torch

import splatsim as ss

t = torch.linspace(0, 1, 500)
means = torch.stack([(20 * t).cos(), (20 * t).sin(), 2 * t - 1], dim=-1)
colors = 3 * torch.stack([1 - t, 0.2 + 0 * t, t], dim=-1) - 1.5  # SH degree 0: what is seen is 0.28 times this + 0.5
turns = torch.tensor([[1.0, 0, 0, 0]]).expand(500, 4)  # load_gaussians("scene.ply") gives all of this from a file
gaussians = ss.Gaussians(means, turns, torch.full((500, 3), 0.04), torch.full((500,), 0.9), colors[:, None])
cameras = ss.Cameras.look_at(eye=(4, 1.5, 2), target=(0, 0, 0), fov_deg=50, width=640, height=480)
picture = ss.render(gaussians, cameras, background=(1, 1, 1))
iio.imwrite("spiral.png", (picture.colors[0].clamp(0, 1) * 255).byte().numpy())
