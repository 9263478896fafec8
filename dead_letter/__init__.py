"""Dead letters: what a person must look at."""
