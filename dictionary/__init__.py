"""The published data dictionary."""
