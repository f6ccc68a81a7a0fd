"""The HTTP API of the emulator: one module for each part of the service's protocol."""
