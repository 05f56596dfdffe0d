"""Saved logins: ours, the peer's, and which one a command gets."""

import json
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from pxl_pipeline.api.login import Wanted, resolve, token_from
from pxl_toolbox.core.errors import ConfigError, DeniedError, UsageError
from pxl_toolbox.store.credentials import Context, ContextStore, Environment

ACME = Context(
    organization="acme vision",
    env=Environment.PROD,
    host="https://app.picsellia.com",
    token="tok-acme",
)
LAB = Context(organization="lab", env=Environment.CUSTOM, host="https://lab.test", token="tok-lab")


@pytest.fixture
def store(tmp_path: Path) -> ContextStore:
    return ContextStore(tmp_path / "picsellia")


@pytest.fixture(autouse=True)
def no_local_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def found(
    store: ContextStore, wanted: Wanted | None = None, variables: Mapping[str, str] | None = None
) -> Context:
    return resolve(wanted or Wanted(), store=store, variables=variables or {})


def test_a_login_is_saved_for_its_owner_alone(store: ContextStore) -> None:
    store.save(ACME)

    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert store.read().current == ACME


def test_the_latest_login_is_the_current_one_and_the_others_stay(store: ContextStore) -> None:
    store.save(ACME)
    store.save(LAB)

    assert store.read().current == LAB
    assert set(store.read().contexts) == {ACME, LAB}


def test_a_new_token_replaces_the_old_one(store: ContextStore) -> None:
    store.save(ACME)
    newer = Context(organization=ACME.organization, env=ACME.env, host=ACME.host, token="tok-new")

    store.save(newer)

    assert store.read().contexts == (newer,)


def test_a_file_that_others_may_read_is_refused(store: ContextStore) -> None:
    store.save(ACME)
    store.path.chmod(0o644)

    with pytest.raises(ConfigError) as caught:
        store.read()

    assert caught.value.hint == f"chmod 600 {store.path}"


def test_a_damaged_file_is_told_and_not_taken_for_an_empty_one(store: ContextStore) -> None:
    store.save(ACME)
    store.path.write_text("[[context]\n")

    with pytest.raises(ConfigError, match="damaged"):
        store.read()


def test_after_a_logout_no_command_is_logged_in_but_the_token_stays(store: ContextStore) -> None:
    store.save(ACME)

    store.log_out(forget=False)

    with pytest.raises(DeniedError):
        found(store)
    assert found(store, Wanted(organization="acme vision")) == ACME


def test_a_logout_of_all_forgets_the_tokens(store: ContextStore) -> None:
    store.save(ACME)

    store.log_out(forget=True)

    assert "tok-acme" not in store.path.read_text()


@pytest.fixture
def peer(store: ContextStore) -> ContextStore:
    store.folder.mkdir(parents=True)
    (store.folder / ".env").write_text(
        "PICSELLIA_acme_PROD_API_TOKEN=tok-one\n"
        "PICSELLIA_acme corp_STAGING_API_TOKEN='tok-two'\n"
        "PICSELLIA_lab_CUSTOM_API_TOKEN=tok-three\n"
        "PICSELLIA_CUSTOM_ENV=https://lab.test\n"
    )
    chosen = {"organization": "acme", "env": "PROD"}
    (store.folder / "context.json").write_text(json.dumps(chosen))
    return store


def test_the_logins_of_the_peer_are_ours_too(peer: ContextStore) -> None:
    saved = peer.read()

    assert {(c.organization, str(c.env), c.host, c.token) for c in saved.contexts} == {
        ("acme", "PROD", "https://app.picsellia.com", "tok-one"),
        ("acme corp", "STAGING", "https://staging.picsellia.com", "tok-two"),
        ("lab", "CUSTOM", "https://lab.test", "tok-three"),
    }
    assert saved.current is not None
    assert saved.current.token == "tok-one"


def test_the_files_of_the_peer_are_never_written(peer: ContextStore) -> None:
    before = {name: (peer.folder / name).read_bytes() for name in (".env", "context.json")}

    peer.save(LAB)
    peer.log_out(forget=True)

    assert {name: (peer.folder / name).read_bytes() for name in before} == before


def test_the_environment_is_enough_for_a_login(store: ContextStore) -> None:
    variables = {"PXL_API_TOKEN": "tok-ci", "PXL_ORGANIZATION": "acme", "PXL_ENV": "prod"}

    context = found(store, variables=variables)

    assert (context.organization, context.env, context.token) == ("acme", "PROD", "tok-ci")


def test_flags_come_before_the_environment(store: ContextStore) -> None:
    variables = {"PXL_API_TOKEN": "tok", "PXL_ORGANIZATION": "acme", "PXL_ENV": "PROD"}

    context = found(store, Wanted(organization="lab", env=Environment.STAGING), variables)

    assert (context.organization, context.env) == ("lab", "STAGING")


def test_the_token_may_stand_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("tok-file\n")

    assert token_from({"PXL_API_TOKEN_FILE": str(secret)}) == "tok-file"


def test_an_empty_token_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()

    with pytest.raises(ConfigError, match="is empty"):
        token_from({"PXL_API_TOKEN_FILE": str(tmp_path / "secret")})


def test_the_variable_of_the_peer_still_counts(store: ContextStore) -> None:
    variables = {
        "PXL_ORGANIZATION": "acme",
        "PXL_ENV": "PROD",
        "PICSELLIA_acme_PROD_API_TOKEN": "t",
    }

    assert found(store, variables=variables).token == "t"


def test_a_saved_token_is_not_sent_to_another_host(store: ContextStore) -> None:
    store.save(ACME)

    with pytest.raises(DeniedError):
        found(store, Wanted(host="https://elsewhere.test"))


def test_an_unknown_environment_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        Environment.parse("PRDO")

    assert "PROD" in caught.value.hint


def test_a_token_is_never_part_of_a_repr() -> None:
    assert "tok-acme" not in repr(ACME)
