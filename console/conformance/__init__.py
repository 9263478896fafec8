"""The conformance kit: what every connector is held to, against its simulator, over loopback HTTP."""

from console.conformance.checks import STATES, Report, Result
from console.conformance.reference import draw
from console.conformance.running import run_system

__all__ = ["STATES", "Report", "Result", "draw", "run_system"]
