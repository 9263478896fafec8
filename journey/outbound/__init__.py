"""The outbound half: what is dirty is planned, delivered, settled, and asked about where an answer was lost."""
