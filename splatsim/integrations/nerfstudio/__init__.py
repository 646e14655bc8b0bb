"""nerfstudio: our fit as its method `splatsim`, our scenes as its data. `plugins` is what its entry points load.

nerfstudio's pins fight ours, so nothing here but `plugins`, `model` and `dataparser` imports it, and these three are
imported by nerfstudio alone.
"""
