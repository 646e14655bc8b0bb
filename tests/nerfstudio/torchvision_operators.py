"""Copied into nerfstudio's environment as sitecustomize.py: names torchvision's operators before it is imported.

The torchvision that pip finds beside a CPU build of torch may be one for CUDA: its library does not load, and its
import fails for want of these names. Nothing here runs them.
"""

import importlib.abc
import sys
from typing import Any


class Names(importlib.abc.MetaPathFinder):
    """Acts once, when torchvision is first asked for."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        if name == "torchvision" and self in sys.meta_path:
            sys.meta_path.remove(self)
            import torch

            try:
                library = torch.library.Library("torchvision", "DEF")
                for operator in ("nms", "qnms"):
                    library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
                self.library = library
            except RuntimeError:
                pass  # they are there


sys.meta_path.insert(0, Names())
KEPT = sys.meta_path[0]
