"""`throughline demo`: the whole journey on six simulated systems. `run` is what the verb calls."""

from console.demo.running import run

__all__ = ["run"]
