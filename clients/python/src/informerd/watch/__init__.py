"""The drop-in ``Watch`` for kubernetes_asyncio: the same calls, served by the daemon.

``from informerd import watch`` instead of ``from kubernetes_asyncio import watch``, and all
watches of all programs share one per resource at the apiserver. Errors come as events of type
``ERROR``; programs that expect the exceptions of the released library import
``informerd.compat.kubernetes_asyncio.watch``.
"""

from informerd.watch._docs import PYDOC_FOLLOW_PARAM, PYDOC_RETURN_LABEL, TYPE_LIST_SUFFIX
from informerd.watch._watch import Stream, Watch

__all__ = [
    "PYDOC_FOLLOW_PARAM",
    "PYDOC_RETURN_LABEL",
    "TYPE_LIST_SUFFIX",
    "Stream",
    "Watch",
]
