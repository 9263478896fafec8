"""Identity: who is the same, and whose value wins."""
