"""A stage with one field of two Gaussians, as text, and archives of stages."""

from pathlib import Path

FIELD = """#usda 1.0
(
    {metadata}
)
def Xform "place"
{{
    double3 xformOp:translate = (0, 100, 0)
    uniform token[] xformOpOrder = ["xformOp:translate"]
    def ParticleField3DGaussianSplat "field"
    {{
        point3f[] positions = [(100, 200, 300), (0, 0, 0)]
        {fields}
    }}
}}
"""
SH0 = """uniform int radiance:sphericalHarmonicsDegree = 0
        float3[] radiance:sphericalHarmonicsCoefficients = [(1, 2, 3), (4, 5, 6)]"""


def usdz(path: Path, stage: Path) -> Path:
    """A .usdz archive of one stage, by usd-core's own writer."""
    from pxr import Sdf

    writer = Sdf.ZipFileWriter.CreateNew(str(path))
    writer.AddFile(str(stage), stage.name)
    writer.Save()
    return path
