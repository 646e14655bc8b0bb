"""What the motions compute with, and what they take for it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Numbers = Sequence[Any] | NDArray[Any]
"""Numbers, or rows of them, as lists, tuples or arrays."""
