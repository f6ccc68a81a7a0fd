"""Tests this checkout with every supported Python and every set of dependencies that the metadata allows."""
