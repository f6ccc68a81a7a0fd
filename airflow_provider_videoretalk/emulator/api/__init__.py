"""The service's HTTP routes: one module for each part of the protocol."""
