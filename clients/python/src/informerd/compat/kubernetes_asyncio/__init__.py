"""Counterparts of modules of kubernetes_asyncio."""

from informerd.compat.kubernetes_asyncio import watch

__all__ = ["watch"]
