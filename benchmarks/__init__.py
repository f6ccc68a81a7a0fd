"""What the package costs: `make bench`."""
