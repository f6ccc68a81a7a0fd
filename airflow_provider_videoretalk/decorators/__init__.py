"""Decorators of TaskFlow: operators whose fields a function returns."""
