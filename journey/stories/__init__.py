"""What a person is told: records found, traced, and how everything stands. Reads only."""
