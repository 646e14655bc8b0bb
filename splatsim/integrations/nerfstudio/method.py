"""The method `splatsim`, which nerfstudio finds through its entry point."""

import torch
from nerfstudio.configs.base_config import MachineConfig, ViewerConfig
from nerfstudio.data.datamanagers.full_images_datamanager import FullImageDatamanagerConfig
from nerfstudio.data.dataparsers.nerfstudio_dataparser import NerfstudioDataParserConfig
from nerfstudio.engine.trainer import TrainerConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig
from nerfstudio.plugins.types import MethodSpecification

from splatsim.integrations.nerfstudio.model import SplatsimModelConfig

STEPS = 5000

method = MethodSpecification(
    config=TrainerConfig(
        method_name="splatsim",
        max_num_iterations=STEPS,
        steps_per_save=1000,
        steps_per_eval_batch=0,
        steps_per_eval_image=500,
        steps_per_eval_all_images=STEPS,
        mixed_precision=False,
        machine=MachineConfig(device_type="cuda" if torch.cuda.is_available() else "cpu"),
        pipeline=VanillaPipelineConfig(
            datamanager=FullImageDatamanagerConfig(
                dataparser=NerfstudioDataParserConfig(load_3D_points=True),
                cache_images="gpu",  # on the device, whichever it is; "cpu" pins memory, which needs a CUDA build
                cache_images_type="uint8",
            ),
            model=SplatsimModelConfig(),
        ),
        optimizers={},
        viewer=ViewerConfig(num_rays_per_chunk=1 << 15),
        vis="viewer",
    ),
    description="3D Gaussian splatting by splatsim: trains on a CPU, deterministic, without densification heuristics.",
)
