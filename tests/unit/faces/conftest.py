"""The drawn presenter."""

from __future__ import annotations

from drawn_presenter import media, portrait, presenter

__all__ = ["media", "portrait", "presenter"]
