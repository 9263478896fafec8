"""A vendor's limits are kept by all workers together, and used."""
