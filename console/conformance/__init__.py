"""The conformance kit: what every connector is held to, against its simulator, over loopback HTTP."""

from console.conformance.running import Report, cases, run_case, run_system

__all__ = ["Report", "cases", "run_case", "run_system"]
