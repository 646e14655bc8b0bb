"""The dataparser `splatsim-scene`: a folder of a splatsim scene as data for any method of nerfstudio.

nerfstudio loads this file while it makes its list of dataparsers, before there are methods: what imports those stands
in `method`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nerfstudio.data.dataparsers.nerfstudio_dataparser import Nerfstudio, NerfstudioDataParserConfig
from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from splatsim.integrations.nerfstudio.data import scene_as_data


@dataclass
class SplatsimSceneConfig(NerfstudioDataParserConfig):  # type: ignore[misc]
    """A scene folder. Its pictures are those that it was reconstructed from, or else renders of its Gaussians."""

    _target: type = field(default_factory=lambda: SplatsimScene)
    orientation_method: Literal["pca", "up", "vertical", "none"] = "none"
    """A scene of splatsim has z up already."""
    load_3D_points: bool = True  # noqa: N815 - nerfstudio's
    """Give the method points of the scene to start from."""
    max_size: int = 960
    """Long side of pictures that are rendered, pixels."""
    max_pictures: int = 300
    """Of more cameras than this, so many are taken, evenly along their order."""


@dataclass
class SplatsimScene(Nerfstudio):  # type: ignore[misc]
    """nerfstudio's own parser of transforms.json, on what `scene_as_data` makes of the scene."""

    config: SplatsimSceneConfig

    def _generate_dataparser_outputs(self, split: str = "train") -> Any:
        given = Path(self.config.data)
        self.config.data = scene_as_data(given, max_size=self.config.max_size, max_pictures=self.config.max_pictures)
        try:
            return super()._generate_dataparser_outputs(split)
        finally:
            self.config.data = given


dataparser = DataParserSpecification(
    config=SplatsimSceneConfig(), description="A scene folder of splatsim: its pictures, or renders of its Gaussians."
)
