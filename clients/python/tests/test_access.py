"""Who calls, over TLS, to a daemon that asks the real apiserver: tokens in files, certificates."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from certificates import Authority
from kubernetes_asyncio import client as kubernetes
from steps import LIMIT

from informerd import Client
from informerd.errors import CallError

if TYPE_CHECKING:
    from pathlib import Path

    from testbed import Daemon, StartDaemon, Testbed
    from workload import Pods


@pytest.fixture
def root(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "root")


@pytest.fixture
def guarded(start_daemon: StartDaemon, testbed: Testbed, root: Authority) -> Daemon:
    """Give a daemon that takes tokens, and certificates of the authority that signed its own."""
    return start_daemon(testbed, *root.flags(root), guarded=True)


async def allow(api_client: Any, namespace: str, subject: dict[str, str]) -> None:
    """Let somebody read the pods of a namespace."""
    api: Any = kubernetes.RbacAuthorizationV1Api(api_client)
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    role = {"metadata": {"name": "pods"}, "rules": [rule]}
    await api.create_namespaced_role(namespace, role)
    binding = {
        "metadata": {"name": "pods"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pods"},
        "subjects": [subject],
    }
    await api.create_namespaced_role_binding(namespace, binding)


async def make_token(api_client: Any, namespace: str, name: str) -> str:
    """Make a service account, and a token of it for the daemon."""
    api: Any = kubernetes.CoreV1Api(api_client)
    await api.create_namespaced_service_account(namespace, {"metadata": {"name": name}})
    request = {"spec": {"audiences": ["informerd"]}}
    made = await api.create_namespaced_service_account_token(name, namespace, request)
    token = made.status.token
    assert isinstance(token, str)
    return token


async def refused(client: Client, namespace: str) -> str:
    with pytest.raises(CallError) as caught:
        await client.list("pods", namespace=namespace)
    return caught.value.reason


async def test_a_token_file_is_read_for_each_call(
    guarded: Daemon, root: Authority, api_client: Any, pods: Pods, tmp_path: Path
) -> None:
    namespace = pods.namespace
    account = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}
    await allow(api_client, namespace, account)
    reader = await make_token(api_client, namespace, "reader")
    stranger = await make_token(api_client, namespace, "stranger")
    await pods.create("one")
    file = tmp_path / "token"
    file.write_text("nonsense")
    address = f"https://{guarded.address}"
    async with Client(address, ca_file=root.ca_file, token_file=file) as client:
        assert await refused(client, namespace) == "CREDENTIALS_INVALID"
        file.write_text(f"{reader}\n")
        watching = client.watch("pods", namespace=namespace)
        first = await asyncio.wait_for(anext(watching), LIMIT)
        assert first.key == f"{namespace}/one"
        file.write_text(stranger)
        assert await refused(client, namespace) == "ACCESS_DENIED"
        # An open stream goes on with the token that it was opened with.
        await pods.create("two")
        second = await asyncio.wait_for(anext(watching), LIMIT)
        assert second.key == f"{namespace}/two"
    async with Client(address, ca_file=root.ca_file) as client:
        assert await refused(client, namespace) == "CREDENTIALS_MISSING"
    assert not any(token in line for token in (reader, stranger) for line in guarded.log)


async def test_a_certificate_says_who_calls(
    guarded: Daemon, root: Authority, api_client: Any, pods: Pods
) -> None:
    await allow(api_client, pods.namespace, {"kind": "Group", "name": "admins"})
    await pods.create("one")
    certificate, key = root.sign("alice", "clientAuth")
    address = f"https://{guarded.address}"
    shown = Client(address, ca_file=root.ca_file, client_cert=certificate, client_key=key)
    async with shown as client:
        listed = await client.list("pods", namespace=pods.namespace)
        assert [each.name for each in listed.objects] == ["one"]
        assert await refused(client, "default") == "ACCESS_DENIED"
