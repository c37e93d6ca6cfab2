"""Who may open the page, and what it offers where the browser gives no VR.

`viewer.test` is a name that the test's Chromium takes for this machine: to it, another one on the
network.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from headless import Browser
from pages import HEADSET, served

from panoloom.engine_server.commands import view

pytestmark = pytest.mark.timeout(300)  # a browser on a busy machine
QUEST = "Mozilla/5.0 (X11; Linux x86_64; Quest 3) OculusBrowser/40.1 Chrome/142.0 VR Safari/537.36"


@pytest.fixture
def on_the_network(monkeypatch, tmp_path):
    """Without a network: this machine is its own neighbour, its certificate lies in the test."""
    monkeypatch.setattr(view, "lan_address", lambda: "127.0.0.1")
    monkeypatch.setattr(view, "cache_folder", lambda: tmp_path / "cache")


def foreign(address):
    return address.replace("127.0.0.1", "viewer.test")


def test_over_https_with_its_own_certificate_the_page_is_secure_and_offers_vr(
    film, browser, tmp_path, on_the_network
):
    with served(film("mono"), tmp_path, lan=True) as address:
        assert address.startswith("https://")
        trust(browser, False)
        refused = browser.call("Page.navigate", url=foreign(address))
        assert "CERT" in refused["errorText"]  # nobody vouches for it: one has to go on past this
        trust(browser, True)
        browser.open(foreign(address), script=HEADSET)
        assert browser.value("isSecureContext")
        browser.until("!document.getElementById('vr').hidden")


def test_without_encryption_there_is_no_vr_and_a_headsets_browser_is_offered_the_film(
    film, browser, tmp_path, on_the_network
):
    with served(film("top-bottom"), tmp_path, lan=True, plain=True) as address:
        assert address.startswith("http://")
        browser.call("Emulation.setUserAgentOverride", userAgent=QUEST)
        try:
            browser.open(foreign(address))
            browser.until("!document.getElementById('wolvic').hidden")
            secure = browser.value("isSecureContext")
            link, save, said = browser.value(
                "[...['wolvic', 'save'].map((id) => document.getElementById(id).href), "
                "document.getElementById('say').textContent]"
            )
        finally:
            browser.call("Emulation.setUserAgentOverride", userAgent="")
        assert (secure, browser.value("document.getElementById('vr').hidden")) == (False, True)
        assert link.endswith("loop.mp4?mozVideoProjection=360s_auto")
        assert save.endswith("loop.mp4")
        assert "https or localhost" in said


def test_without_its_token_the_page_is_not_there(film, browser, tmp_path, on_the_network):
    with served(film("mono"), tmp_path, lan=True, plain=True) as address:
        assert len(urlsplit(address).path) > 12
        browser.open(foreign(address))
        answers = "Promise.all(PATHS.map((path) => fetch(path).then((answer) => answer.status)))"
        paths = [urlsplit(address).path, "/", "/loop.mp4", "/guess/", "/guess/loop.mp4"]
        assert browser.value(answers.replace("PATHS", str(paths))) == [200, 404, 404, 404, 404]


def trust(browser: Browser, is_trusted: bool) -> None:
    """Whether it goes on past a certificate that nobody vouches for."""
    browser.call("Security.setIgnoreCertificateErrors", ignore=is_trusted)
