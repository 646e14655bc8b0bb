"""nerfstudio: our fit as its method `splatsim`, our scenes as its data.

nerfstudio's pins fight ours, so nothing here but `method`, `model` and `dataparser` imports it, and these three are
imported by nerfstudio alone, through its entry points.
"""
