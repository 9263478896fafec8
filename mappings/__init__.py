"""Mappings: vendor records to entities and back."""
