"""Whether what render jobs need is well: connection, key, triggerer and pool."""
