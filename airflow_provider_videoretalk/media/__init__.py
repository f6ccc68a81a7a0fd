"""Inputs: where they lie, what they are, whether VideoRetalk accepts them, and what comes of them and costs."""
