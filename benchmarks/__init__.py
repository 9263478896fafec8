"""Speed and size beside the field: `make bench`."""
