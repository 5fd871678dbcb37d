"""Single calls: reads from the daemon's cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import grpc.aio

from informerd._position import is_of_connection
from informerd._status import call_error, unreachable
from informerd.errors import ExpiredError
from informerd.frames import Object
from informerd.resource import Availability, Resource, ResourceInfo
from informerd.v1 import object_pb2, resource_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from informerd._connection import Connection
    from informerd._target import Target

T = TypeVar("T")

#: Largest page that the daemon gives.
_PAGE_SIZE: Final = 5_000
#: How often a list begins anew because its state has expired between two pages.
_LIST_ATTEMPTS: Final = 3
#: Longest wait for one answer, in seconds. The daemon's own limits are shorter.
CALL_LIMIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class ObjectList(Generic[T]):
    """All objects of a list, of one consistent state, by namespace and name."""

    objects: tuple[Object[T], ...]
    #: The state that was read.
    resource_version: str
    #: Opens a watch with the same filter that continues after this state.
    resume_token: str

    def __iter__(self) -> Iterator[Object[T]]:
        return iter(self.objects)

    def __len__(self) -> int:
        return len(self.objects)


async def _call(target: Target, method: Any, request: Any) -> Any:
    """Make one call.

    Raises
    ------
    UnreachableError
        Nothing answers.
    CallError
        The daemon refused.
    """
    metadata = await target.metadata()
    try:
        return await method(request, metadata=metadata, timeout=CALL_LIMIT)
    except grpc.aio.AioRpcError as error:
        failure = call_error(error)
        if target.tls is not None and is_of_connection(failure):
            # For the next call.
            target.tls.renew()
        raise unreachable(target.server, failure) from None


async def get_object(
    target: Target,
    connection: Connection,
    request: object_pb2.GetObjectRequest,
    decode: Callable[[bytes], T],
) -> Object[T]:
    """Read one object."""
    answer = await _call(target, connection.objects.GetObject, request)
    return _read_object(cast("object_pb2.GetObjectResponse", answer).object, decode)


async def list_resources(target: Target, connection: Connection) -> tuple[ResourceInfo, ...]:
    """Read what can be watched."""
    request = resource_pb2.ListResourcesRequest()
    answer = await _call(target, connection.resources.ListResources, request)
    resources = cast("resource_pb2.ListResourcesResponse", answer).resources
    return tuple(_read_resource(message) for message in resources)


async def list_objects(
    target: Target,
    connection: Connection,
    request: object_pb2.ListObjectsRequest,
    decode: Callable[[bytes], T],
) -> ObjectList[T]:
    """Read all pages; begin anew when the state of the first expires before the last."""
    request.page_size = _PAGE_SIZE
    for _ in range(_LIST_ATTEMPTS - 1):
        try:
            return await _list_once(target, connection, request, decode)
        except ExpiredError:
            continue
    return await _list_once(target, connection, request, decode)


async def _list_once(
    target: Target,
    connection: Connection,
    first: object_pb2.ListObjectsRequest,
    decode: Callable[[bytes], T],
) -> ObjectList[T]:
    request = object_pb2.ListObjectsRequest()
    request.CopyFrom(first)
    objects: list[Object[T]] = []
    while True:
        answer = await _call(target, connection.objects.ListObjects, request)
        page = cast("object_pb2.ListObjectsResponse", answer)
        objects.extend(_read_object(message, decode) for message in page.objects)
        if not page.next_page_token:
            return ObjectList(tuple(objects), page.resource_version, page.resume_token)
        request.page_token = page.next_page_token
        request.min_resource_version = ""


def _read_object(message: object_pb2.Object, decode: Callable[[bytes], T]) -> Object[T]:
    """Copy an object out of its message."""
    return Object(
        message.namespace,
        message.name,
        message.uid,
        message.resource_version,
        message.object,
        decode,
    )


def _read_resource(message: resource_pb2.Resource) -> ResourceInfo:
    """Copy a resource out of its message."""
    names = {number: name for name, number in resource_pb2.Availability.items()}
    name = names.get(message.availability, "AVAILABILITY_UNSPECIFIED")
    return ResourceInfo(
        Resource.from_message(message.resource),
        message.kind,
        message.namespaced,
        tuple(message.short_names),
        message.preferred,
        cast("Availability", name.removeprefix("AVAILABILITY_")),
    )
