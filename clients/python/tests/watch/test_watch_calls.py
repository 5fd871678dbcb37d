"""Every list call of the library must be understood, and none be sent."""

from __future__ import annotations

import functools
import inspect
import pydoc
import re
from typing import Any

import pytest
from kubernetes_asyncio import client
from kubernetes_asyncio.client.exceptions import ApiTypeError, ApiValueError
from kubernetes_asyncio.dynamic import DynamicClient
from kubernetes_asyncio.dynamic.resource import Resource as DynamicResource

from informerd.errors import ConfigurationError, UnsupportedCallError
from informerd.resource import Resource
from informerd.v1 import types_pb2
from informerd.watch._calls import describe
from informerd.watch._docs import item_type, watch_argument
from informerd.watch._request import plan
from informerd.watch._resource import parse_path

PODS = Resource("", "v1", "pods")


def api_client(configuration: Any = None, headers: dict[str, str] | None = None) -> Any:
    """A client without an HTTP session: sending anything fails."""
    made: Any = client.ApiClient.__new__(client.ApiClient)
    made.configuration = configuration or client.Configuration(host="http://127.0.0.1:1")
    made.client_side_validation = True
    made.default_headers = headers or {}
    return made


def list_functions() -> list[tuple[type, str]]:
    found = []
    for api_name, api in inspect.getmembers(client, inspect.isclass):
        if api_name.endswith("Api"):
            for name, function in inspect.getmembers(api, inspect.isfunction):
                if ":param watch:" in pydoc.getdoc(function):
                    found.append((api, name))
    return found


FUNCTIONS = list_functions()


def template_of(api: type, name: str) -> str:
    full = name if name.endswith("_with_http_info") else f"{name}_with_http_info"
    found = re.search(r"'(/[^']*)', 'GET'", inspect.getsource(getattr(api, full)))
    assert found is not None
    return found.group(1)


def test_there_are_enough_functions_to_speak_of_all() -> None:
    assert len(FUNCTIONS) > 200


@pytest.mark.parametrize(("api", "name"), FUNCTIONS, ids=[name for _, name in FUNCTIONS])
def test_every_list_function_is_understood(api: type, name: str) -> None:
    bound = getattr(api(api_client()), name)
    required = [
        parameter.name
        for parameter in inspect.signature(bound).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    arguments = {parameter: f"x-{parameter}" for parameter in required}
    call = describe(bound, (), {**arguments, "watch": True, "label_selector": "a=b"})
    path = template_of(api, name).partition("#")[0]
    namespaced = "{namespace}" in path
    path = re.sub(r"\{(\w+)\}", r"x-\1", path)
    parts = path.strip("/").split("/")
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
    assert call.resource == Resource(group, version, parts[-1])
    assert call.namespace == ("x-namespace" if namespaced else None)
    assert call.name is None
    assert call.query == {"watch": True, "labelSelector": "a=b"}
    assert watch_argument(bound) == "watch"
    item = item_type(bound)
    assert item == "object" or hasattr(client, item)


def test_reads_all_parameters() -> None:
    core: Any = client.CoreV1Api(api_client())
    call = describe(
        core.list_namespaced_pod,
        ("shop",),
        {
            "watch": True,
            "_preload_content": False,
            "field_selector": "spec.nodeName=n1",
            "label_selector": None,
            "resource_version": 7,
            "timeout_seconds": 5,
            "_request_timeout": (1, 2),
            "send_initial_events": True,
        },
    )
    assert (call.resource, call.namespace, call.request_timeout) == (PODS, "shop", (1, 2))
    assert call.configuration is core.api_client.configuration
    assert call.query == {
        "watch": True,
        "fieldSelector": "spec.nodeName=n1",
        "resourceVersion": 7,
        "timeoutSeconds": 5,
        "sendInitialEvents": True,
    }


def test_a_fragment_is_no_part_of_a_path() -> None:
    place = parse_path("/apis/{group}/v1/{plural}#", {"group": "example.com", "plural": "widgets"})
    assert place is not None
    assert place.resource == Resource("example.com", "v1", "widgets")


@pytest.mark.parametrize(
    ("name", "kwargs", "namespace"),
    [
        ("list_namespaced_custom_object", {"namespace": "shop", "plural": "widgets"}, "shop"),
        ("list_cluster_custom_object", {"plural": "widgets"}, None),
        ("list_custom_object_for_all_namespaces", {"resource_plural": "widgets"}, None),
    ],
)
def test_custom_objects(name: str, kwargs: dict[str, str], namespace: str | None) -> None:
    bound = getattr(client.CustomObjectsApi(api_client()), name)
    call = describe(bound, ("example.com", "v1"), {**kwargs, "watch": True})
    assert call.resource == Resource("example.com", "v1", "widgets")
    assert call.namespace == namespace
    assert item_type(bound) == "object"


def dynamic_pods() -> Any:
    dynamic = DynamicClient(api_client())
    return DynamicResource("api", None, "v1", "Pod", True, None, "pods", client=dynamic)


@pytest.mark.parametrize("form", ["partial of the resource", "method of the client"])
def test_dynamic_client(form: str) -> None:
    pods = dynamic_pods()
    func = pods.get if form.startswith("partial") else pods.client.get
    resource = None if form.startswith("partial") else pods
    kwargs = {"namespace": "shop", "serialize": False, "resource_version": 0, "watch": True}
    call = describe(func, (), kwargs, resource)
    assert (call.resource, call.namespace, call.kind, call.dynamic) == (PODS, "shop", "Pod", True)
    assert call.query == {"resourceVersion": 0, "watch": True}
    assert item_type(func) == ""


def test_dynamic_client_cluster_wide_and_by_name() -> None:
    assert describe(dynamic_pods().get, (), {"watch": True}).namespace is None
    named = describe(dynamic_pods().get, (), {"name": "a", "namespace": "shop"})
    assert (named.resource, named.namespace, named.name) == (PODS, "shop", "a")


def test_an_empty_namespace_stands_for_all() -> None:
    core, custom = client.CoreV1Api(api_client()), client.CustomObjectsApi(api_client())
    widgets = {"group": "example.com", "version": "v1", "plural": "widgets", "namespace": ""}
    for call in (
        describe(core.list_namespaced_pod, ("",), {"watch": True}),
        describe(custom.list_namespaced_custom_object, (), widgets),
        describe(None, (), {"namespace": ""}, "pods"),
    ):
        assert call.namespace is None
        assert list(plan(call).request.filter.namespaces) == []


def test_partials_are_unfolded() -> None:
    core: Any = client.CoreV1Api(api_client())
    inner = functools.partial(core.list_namespaced_pod, "shop", label_selector="a=b")
    call = describe(functools.partial(inner, label_selector="c=d"), (), {"watch": True})
    assert call.namespace == "shop"
    assert call.query["labelSelector"] == "c=d"


def test_the_api_object_stays_as_it_was() -> None:
    core: Any = client.CoreV1Api(api_client())
    before = core.api_client
    describe(core.list_pod_for_all_namespaces, (), {"watch": True})
    assert core.api_client is before


def test_errors_of_the_library_are_its_own() -> None:
    core: Any = client.CoreV1Api(api_client())
    with pytest.raises(ApiTypeError, match="unexpected keyword argument 'label_selektor'"):
        describe(core.list_namespaced_pod, ("shop",), {"label_selektor": "a"})
    with pytest.raises(ApiValueError, match="Missing the required parameter `namespace`"):
        describe(core.list_namespaced_pod, (None,), {})
    with pytest.raises(ApiTypeError, match="unexpected keyword argument 'watch'"):
        describe(core.read_namespaced_pod, ("a", "shop"), {"watch": True})
    with pytest.raises(TypeError, match="namespace"):
        describe(core.list_namespaced_pod, (), {})


async def list_something(**kwargs: Any) -> None:
    raise AssertionError("is not to be called")


class NoApi:
    def list_pods(self, **kwargs: Any) -> None:
        raise AssertionError("is not to be called")


@pytest.mark.parametrize(
    "func", [list_something, lambda: None, NoApi().list_pods, None, len, [].append, 5]
)
def test_other_functions_are_refused_with_the_remedy(func: Any) -> None:
    with pytest.raises(UnsupportedCallError, match='resource="pods"'):
        describe(func, (), {"watch": True})


def test_what_lists_nothing_is_refused() -> None:
    core: Any = client.CoreV1Api(api_client())
    with pytest.raises(UnsupportedCallError, match="lists nothing"):
        describe(core.delete_namespaced_pod, ("a", "shop"), {})
    with pytest.raises(UnsupportedCallError, match="can't be watched"):
        describe(core.read_namespaced_pod_status, ("a", "shop"), {})
    with pytest.raises(UnsupportedCallError, match="can't be watched"):
        describe(core.read_namespace_status, ("a",), {})
    assert describe(core.read_namespace, ("a",), {}).name == "a"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("pods", Resource("", "", "pods")),
        ("deployments.apps", Resource("apps", "", "deployments")),
        ("deployments.v1.apps", Resource("apps", "v1", "deployments")),
        ("widgets.v1beta2.example.com", Resource("example.com", "v1beta2", "widgets")),
        ("widgets.example.com", Resource("example.com", "", "widgets")),
        (
            types_pb2.GroupVersionResource(group="apps", version="v1", resource="deployments"),
            Resource("apps", "v1", "deployments"),
        ),
        (dynamic_pods(), PODS),
    ],
)
def test_explicit_resources(given: Any, expected: Resource) -> None:
    kwargs = {"namespace": "shop", "label_selector": "a=b", "timeout_seconds": None, "watch": True}
    call = describe(list_something, (), kwargs, given)
    assert (call.resource, call.namespace) == (expected, "shop")
    assert call.query == {"labelSelector": "a=b"}


@pytest.mark.parametrize("given", ["", "Pod", "pods/status", ".apps", 5, object()])
def test_what_names_no_resource_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="resource"):
        describe(None, (), {}, given)


def test_explicit_resources_take_only_known_keywords() -> None:
    with pytest.raises(TypeError, match="'label_selektor'"):
        describe(None, (), {"label_selektor": "a"}, "pods")
    with pytest.raises(UnsupportedCallError, match="by name"):
        describe(list_something, ("shop",), {}, "pods")


def test_tokens_of_headers() -> None:
    def token(headers: dict[str, str] | None, **kwargs: Any) -> str | None:
        core: Any = client.CoreV1Api(api_client(headers=headers))
        return describe(core.list_pod_for_all_namespaces, (), kwargs).token

    own = {"in": "header", "key": "authorization", "value": "Bearer own"}
    assert token(None) is None
    assert token({"Authorization": "Bearer default"}) == "default"
    assert token({"Authorization": "Bearer default"}, _request_auth=own) == "own"
    assert token(None, _headers={"authorization": "bearer other"}) == "other"
    with pytest.raises(UnsupportedCallError, match="bearer tokens only"):
        token({"Authorization": "Basic eDp5"})
    with pytest.raises(UnsupportedCallError, match="authorization header only"):
        token(None, _request_auth={"in": "query", "key": "t", "value": "x"})
