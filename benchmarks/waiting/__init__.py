"""What waiting for render jobs costs."""
