"""A stage with one field of two Gaussians, as text."""

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
