"""The published data dictionary: what every field between two vendors means, and the check that holds it to that."""

from dictionary.entity import Entity, Field, Problem
from dictionary.loading import Dictionary, lint, load
from dictionary.publishing import render_markdown

__all__ = ["Dictionary", "Entity", "Field", "Problem", "lint", "load", "render_markdown"]
