"""A browser keeps the pages' files for good, and never an old one."""

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from app.web.static_files import BUNDLES, CHECKED, FOR_GOOD, LOOK_SECONDS, PageFiles
from tests.support.doubles import FakeClock

SCRIPT = "page/main.js"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page").mkdir()
    (tmp_path / SCRIPT).write_text("export const answer = 42;\n" * 100)
    (tmp_path / "picture.png").write_bytes(b"not to be compressed" * 100)
    return tmp_path


@pytest.fixture
def assets(folder: Path, clock: FakeClock) -> PageFiles:
    return PageFiles(folder, clock)


@pytest.fixture
async def client(assets: PageFiles) -> AsyncIterator[httpx.AsyncClient]:
    """One who asks as under the mount at `/static`."""

    transport = httpx.ASGITransport(app=Starlette(routes=[Mount("/static", assets)]))
    async with httpx.AsyncClient(transport=transport, base_url="http://broker.test") as client:
        client.headers["Accept-Encoding"] = "identity"
        yield client


async def test_a_file_of_this_version_is_kept_for_good(
    client: httpx.AsyncClient, assets: PageFiles, folder: Path
) -> None:
    answer = await client.get(assets.url(SCRIPT))
    assert answer.text == (folder / SCRIPT).read_text()
    assert answer.headers["Cache-Control"] == FOR_GOOD


@pytest.mark.parametrize("version", ["", "/0123456789abcdef"])
async def test_without_a_version_or_with_another_a_file_is_checked_each_time(
    client: httpx.AsyncClient, assets: PageFiles, version: str
) -> None:
    assets.url(SCRIPT)
    url = f"/static{version}/{SCRIPT}"
    first = await client.get(url)
    assert (first.status_code, first.headers["Cache-Control"]) == (200, CHECKED)
    again = await client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.headers["Cache-Control"]) == (304, CHECKED)


def test_a_change_of_any_file_soon_makes_another_version(
    assets: PageFiles, folder: Path, clock: FakeClock
) -> None:
    before = assets.url(SCRIPT)
    (folder / "picture.png").write_bytes(b"another")
    assert assets.url(SCRIPT) == before  # a page names files of one version
    clock.now += LOOK_SECONDS
    assert assets.url(SCRIPT) != before


def test_two_machines_with_the_same_files_have_the_same_version(
    assets: PageFiles, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "page").mkdir()
    for name in (SCRIPT, "picture.png"):
        (other / name).write_bytes((folder / name).read_bytes())
    assert PageFiles(other).url(SCRIPT) == assets.url(SCRIPT)


def test_a_bundle_stands_for_its_modules_where_there_is_one(
    assets: PageFiles, folder: Path
) -> None:
    (folder / BUNDLES / "page").mkdir(parents=True)
    (folder / BUNDLES / SCRIPT).write_text("bundled")
    assert re.fullmatch(r"/static/[0-9a-f]{16}/bundle/page/main\.js", assets.url(SCRIPT))


async def test_text_is_compressed_for_who_takes_it(
    client: httpx.AsyncClient, assets: PageFiles, folder: Path
) -> None:
    asked = {"Accept-Encoding": "gzip, br"}
    async with client.stream("GET", assets.url(SCRIPT), headers=asked) as answer:
        sent = b"".join([part async for part in answer.aiter_raw()])
    assert gzip.decompress(sent) == (folder / SCRIPT).read_bytes()
    assert answer.headers["Content-Encoding"] == "gzip"
    plain = await client.get(assets.url(SCRIPT))
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["ETag"] != answer.headers["ETag"], "they are not the same bytes"
    assert plain.headers["Vary"] == answer.headers["Vary"] == "Accept-Encoding"
    again = await client.get(
        assets.url(SCRIPT), headers={**asked, "If-None-Match": answer.headers["ETag"]}
    )
    assert again.status_code == 304
    unchanged = {"If-Modified-Since": plain.headers["Last-Modified"]}
    assert (await client.get(assets.url(SCRIPT), headers=asked | unchanged)).status_code == 304


async def test_a_picture_is_not_compressed_again(
    client: httpx.AsyncClient, assets: PageFiles
) -> None:
    answer = await client.get(assets.url("picture.png"), headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize(
    "page", ["/", "/approaches", "/docs", "/problems/at-capacity", "/operator"]
)
async def test_every_file_that_a_page_names_is_of_this_version(
    visitor: httpx.AsyncClient, page: str
) -> None:
    text = (await visitor.get(page)).text
    named = set(re.findall(r"/static/[^\"']+", text))
    assert named
    for address in named:
        answer = await visitor.get(address)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, FOR_GOOD), address
