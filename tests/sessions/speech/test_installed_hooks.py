"""A package that is installed beside the broker may have the last word too."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.config.sources import SettingsError
from app.sessions.speech.text.installed_hooks import ENTRY_POINTS
from tests.support.doubles import FakeKaltura
from tests.support.speech import said
from tests.support.visitor_api import Visit


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Installs a package with this code, whose hooks are those of `name = object`."""

    def install(code: str, hooks: str) -> None:
        information = tmp_path / "shouting-1.dist-info"
        information.mkdir()
        information.joinpath("METADATA").write_text("Name: shouting\nVersion: 1\n")
        information.joinpath("entry_points.txt").write_text(f"[{ENTRY_POINTS}]\n{hooks}\n")
        tmp_path.joinpath("shouting.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "shouting", raising=False)

    return install


SHOUTING = """
def loud(said):
    return {"action": "replace", "text": said["text"].upper()}

async def polite(said):
    return {"action": "replace", "text": said["text"] + " Please."}

nothing = None
"""


async def test_the_hooks_of_installed_packages_are_asked_in_the_order_of_their_names(
    install: Callable[[str, str], None], visit: Visit, kaltura: FakeKaltura
) -> None:
    install(SHOUTING, "b = shouting:loud\na = shouting:polite")
    visitor = await visit()
    session = (await visitor.post("/api/create-avatar-session")).json()
    target = f"/api/avatar-sessions/{session['sessionId']}/speak"
    assert (await visitor.post(target, json={"text": "Hush."})).is_success
    assert said(kaltura) == ["HUSH. PLEASE."]


@pytest.mark.parametrize(
    ("hooks", "names"),
    [
        ("a = nowhere:loud", "'a' (nowhere:loud) can't be loaded, .*No module named 'nowhere'"),
        ("a = shouting:quiet", "'a' (shouting:quiet) can't be loaded, .*no attribute 'quiet'"),
        ("a = shouting:nothing", "'a' (shouting:nothing) is no function"),
    ],
)
async def test_with_a_hook_that_can_not_be_asked_the_broker_does_not_start(
    install: Callable[[str, str], None], visit: Visit, hooks: str, names: str
) -> None:
    install(SHOUTING, hooks)
    with pytest.raises(SettingsError, match=names.replace("(", r"\(").replace(")", r"\)")):
        await visit()
