"""`python -m tests.mutants.mutated M1 module arguments…`: runs a module with one mutant in place."""

from __future__ import annotations

import runpy
import sys

from tests.mutants.catalogue import BY_NAME
from tests.mutants.patching import install

if __name__ == "__main__":
    mutant = BY_NAME[sys.argv[1]]
    install(mutant.file, mutant.edits)
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
