"""Every mutant can still be made; `make mutants` tells whether each is noticed."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.catalogue import MUTANTS, Mutant
from tests.mutants.patching import mutated


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_words_that_it_replaces_are_there_and_what_results_is_code(mutant: Mutant) -> None:
    ast.parse(mutated(mutant.file, mutant.edits))
