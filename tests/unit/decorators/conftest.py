from unit.operators.conftest import running, sources_on_this_machine, world

__all__ = ["running", "sources_on_this_machine", "world"]
