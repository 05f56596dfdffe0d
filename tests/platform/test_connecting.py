"""Connecting: pings, organizations, tokens, and what an address that nobody serves says."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.platform.conftest import Server


def test_the_sdk_connects_by_the_organizations_name_by_its_id_and_by_default(
    server: Server,
) -> None:
    from picsellia import Client

    by_name = Client(api_token=server.token, organization_name="local", host=server.host)
    by_id = Client(api_token=server.token, organization_id=server.organization_id, host=server.host)
    by_default = Client(api_token=server.token, host=f"{server.host}/")

    assert {str(one.id) for one in (by_name, by_id, by_default)} == {server.organization_id}
    assert by_name.name == "local"
    assert str(by_name.sync()["default_connector_id"]) == server.connector_id


def test_the_first_starts_token_is_that_of_a_user_called_local(server: Server) -> None:
    ping = server.made("GET", "/api/home/ping")

    assert ping["username"] == "local"
    assert ping["sdk_version"] == "6.37.0"


def test_a_wrong_token_and_an_unknown_organization_are_told_to_the_sdks_user(
    server: Server,
) -> None:
    from picsellia import Client
    from picsellia.exceptions import PicselliaError

    with pytest.raises(PicselliaError):
        Client(api_token="0" * 40, organization_name="local", host=server.host)
    with pytest.raises(PicselliaError):
        Client(api_token=server.token, organization_name="nobody", host=server.host)


def test_an_organization_lists_its_users(client: Any) -> None:
    assert [user.username for user in client.list_users()] == ["local"]
    assert client.list_users(username="nobody") == []


def test_health_asks_for_no_token(server: Server) -> None:
    answer = server.ask("GET", "/api/pxl/health", token="")

    assert answer.status == 200
    assert answer.json["status"] == "ok"
    assert answer.json["runner"] == "off"


def test_an_expired_token_is_refused_and_told_when_it_expired(server: Server) -> None:
    argv = ("token", "create", "--organization", "local", "--expires", "1s")
    token = server.machine.answer(*argv)["token"]
    assert server.ask("GET", "/api/home/ping", token=token).status == 200

    time.sleep(1.1)
    answer = server.ask("GET", "/api/home/ping", token=token)

    assert answer.status == 401
    assert re.search(r"expired at \d{4}-", answer.json["message"])


def test_an_unlisted_path_is_a_404_that_names_it(server: Server) -> None:
    answer = server.ask("GET", "/api/nothing/here")

    assert answer.status == 404
    assert "GET /api/nothing/here" in answer.json["message"]


def test_an_id_that_is_no_uuid_is_a_404(server: Server) -> None:
    assert server.ask("GET", "/api/dataset/not-a-uuid").status == 404


def test_a_method_that_a_path_has_not_is_a_405(server: Server) -> None:
    answer = server.ask("PUT", "/api/home/ping")

    assert answer.status == 405
    assert "PUT" in answer.json["message"]


def test_a_path_that_the_sdk_knows_and_we_do_not_serve_is_not_found_for_its_user(
    client: Any,
) -> None:
    from picsellia.exceptions import ResourceNotFoundError

    with pytest.raises(ResourceNotFoundError):
        client.get_deployment("none")
    with pytest.raises(ResourceNotFoundError):
        client.get_public_model("none")
    with pytest.raises(ResourceNotFoundError):
        client.get_public_processing("none")
    assert client.list_public_models() == []
