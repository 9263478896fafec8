"""Mappings: vendor records to entities and back, as stewards write them and as compiled once."""

from mappings.drawing import Mapping
from mappings.drawn import Drawn, Part, Ref, Warn
from mappings.loading import Mappings, load
from mappings.predicates import When, compile_when
from mappings.targets import TargetPart

__all__ = ["Drawn", "Mapping", "Mappings", "Part", "Ref", "TargetPart", "Warn", "When", "compile_when", "load"]
