"""All common patterns by name: functions from hit points to reflectance.

All are evaluated at the hit, in metres along the surface, and filtered by the footprint, so that nothing repeats and
nothing flickers. The pit has more of its own in `scenes/quarry/grounds.py`.
"""

from _worldgen import patterns_built as built
from _worldgen import patterns_made as made

PATTERNS = {
    function.__name__: function
    for function in (
        *(
            built.plaster,
            built.paint,
            built.wallpaper,
            built.wood,
            built.planks,
            built.parquet,
            built.tiles,
            built.mosaic,
            built.brick,
            built.stone,
            built.marble,
            built.metal,
            built.plain,
        ),
        *(
            made.fabric,
            made.stripes,
            made.rug,
            made.shag,
            made.leaf,
            made.picture,
            made.print_page,
            made.spine,
            made.cardboard,
            made.lattice,
        ),
    )
}
