"""Vendor simulators on loopback: the vendors' real HTTP dialects, stateful, with fault injection."""

from sandbox.server import Box, start

__all__ = ["Box", "start"]
