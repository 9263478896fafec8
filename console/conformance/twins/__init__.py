"""The must-fail twin of every check: a connector broken on purpose, so that the check is seen to bite.

A twin is done to every connector the ground opens. It breaks the one promise its check is there for, on the system and
resource named with it; the same case without the twin passes.
"""

from console.conformance.twins import answering, places, pushes, reading, volume, writing  # they register
from console.conformance.twins.breaking import TWINS, Twin

PARTS = (reading, volume, writing, pushes, answering, places)

__all__ = ["PARTS", "TWINS", "Twin"]
