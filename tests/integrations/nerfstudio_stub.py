"""A stand-in for the parts of nerfstudio 1.1.5 that our plugin touches: what it is called with, nothing of its code."""

import sys
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor


class Cameras:
    """A batch of cameras: camera_to_world with OpenGL axes, and a column for each number."""

    def __init__(self, camera_to_worlds: Tensor, fx: Tensor, fy: Tensor, cx: Tensor, cy: Tensor, size: Any) -> None:
        self.camera_to_worlds, self.fx, self.fy, self.cx, self.cy = camera_to_worlds, fx, fy, cx, cy
        self.size_of = size
        self.width = torch.full_like(fx, size[0], dtype=torch.int64)
        self.height = torch.full_like(fx, size[1], dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.camera_to_worlds)

    def __getitem__(self, rows: slice) -> "Cameras":
        numbers = (self.fx[rows], self.fy[rows], self.cx[rows], self.cy[rows])
        return Cameras(self.camera_to_worlds[rows], *numbers, self.size_of)

    def to(self, device: Any) -> "Cameras":
        return self


@dataclass
class ModelConfig:
    _target: type = field(default_factory=lambda: Model)

    def setup(self, **kwargs: Any) -> Any:
        return self._target(self, **kwargs)


class Model(torch.nn.Module):
    def __init__(self, config: Any, scene_box: Any, num_train_data: int, **kwargs: Any) -> None:
        super().__init__()
        self.config, self.scene_box, self.num_train_data, self.kwargs = config, scene_box, num_train_data, kwargs
        self.populate_modules()
        self.device_indicator_param = torch.nn.Parameter(torch.empty(0))

    @property
    def device(self) -> torch.device:
        return self.device_indicator_param.device

    def forward(self, ray_bundle: Any) -> Any:
        return self.get_outputs(ray_bundle)


class TrainingCallbackLocation(Enum):
    BEFORE_TRAIN_ITERATION = auto()
    AFTER_TRAIN_ITERATION = auto()
    AFTER_TRAIN = auto()


@dataclass
class TrainingCallback:
    where_to_run: list[TrainingCallbackLocation]
    func: Any

    def run_callback_at_location(self, step: int, location: TrainingCallbackLocation) -> None:
        if location in self.where_to_run:
            self.func(step=step)


@dataclass
class TrainingCallbackAttributes:
    optimizers: Any
    grad_scaler: Any
    pipeline: Any
    trainer: Any


@dataclass
class NerfstudioDataParserConfig:
    _target: type = field(default_factory=lambda: Nerfstudio)
    data: Path = Path()
    orientation_method: str = "up"
    load_3D_points: bool = False  # noqa: N815

    def setup(self) -> Any:
        return self._target(self)


@dataclass
class Nerfstudio:
    config: NerfstudioDataParserConfig
    downscale_factor: int | None = None

    def _generate_dataparser_outputs(self, split: str = "train") -> Any:
        """Where it would read from."""
        return SimpleNamespace(folder=Path(self.config.data), split=split)


class _Config(SimpleNamespace):
    """Any configuration: it keeps what it is given."""


class MethodSpecification(_Config):
    pass


class DataParserSpecification(_Config):
    pass


HOMES = {
    "cameras.cameras": {"Cameras": Cameras},
    "configs.base_config": {"MachineConfig": _Config, "ViewerConfig": _Config},
    "data.datamanagers.full_images_datamanager": {"FullImageDatamanagerConfig": _Config},
    "data.dataparsers.nerfstudio_dataparser": {
        "Nerfstudio": Nerfstudio,
        "NerfstudioDataParserConfig": NerfstudioDataParserConfig,
    },
    "engine.callbacks": {
        "TrainingCallback": TrainingCallback,
        "TrainingCallbackAttributes": TrainingCallbackAttributes,
        "TrainingCallbackLocation": TrainingCallbackLocation,
    },
    "engine.trainer": {"TrainerConfig": _Config},
    "models.base_model": {"Model": Model, "ModelConfig": ModelConfig},
    "pipelines.base_pipeline": {"VanillaPipelineConfig": _Config},
    "plugins.registry_dataparser": {"DataParserSpecification": DataParserSpecification},
    "plugins.types": {"MethodSpecification": MethodSpecification},
}


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in the place of nerfstudio until the test ends; our modules that import it are loaded anew."""
    for home, names in HOMES.items():
        parts = ["nerfstudio", *home.split(".")]
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            if not isinstance(sys.modules.get(name), _Stub):
                monkeypatch.setitem(sys.modules, name, _Stub(name))
        vars(sys.modules[".".join(parts)]).update(names)
    for ours in ("method", "model", "dataparser"):
        monkeypatch.delitem(sys.modules, f"splatsim.integrations.nerfstudio.{ours}", raising=False)


class _Stub(ModuleType):
    pass
