"""What happens to a task once it is taken: fetched, checked, rendered by an engine, stored."""
