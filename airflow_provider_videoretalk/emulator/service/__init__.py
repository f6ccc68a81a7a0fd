"""The state of the emulated service: accounts, render jobs, stored files and their signatures.

Nothing here reads the wall clock: every class gets its clock as an argument.
"""
