"""A user of Airflow in a browser: finds elements by selector and text, and waits until they are shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from selenium_axe_python import Axe

Theme = Literal["light", "dark"]
T = TypeVar("T")

PATIENCE = 90.0
_UNTIL_AGAIN, _LOADED_AFTER = 15.0, 5.0
_LAPTOP = (1366, 900)
# As a paste does: React hears of a value only by the element's own setter, and the event.
_WRITE = """
const [field, text] = arguments;
Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set.call(field, text);
field.dispatchEvent(new Event("input", { bubbles: true }));
"""
# Root has no sandbox, and a container little shared memory.
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio")


class Person:
    """A user with a browser."""

    def __init__(self, browser: webdriver.Chrome, *, url: str, pictures: Path) -> None:
        self.browser = browser
        self._url = url
        self._pictures = pictures

    @classmethod
    @contextmanager
    def at(cls, url: str, *, browser: str, driver: str, pictures: Path) -> Iterator[Person]:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for option in (*_OPTIONS, f"--window-size={_LAPTOP[0]},{_LAPTOP[1]}"):
            options.add_argument(option)
        started = webdriver.Chrome(options=options, service=Service(driver))
        try:
            yield cls(started, url=url, pictures=pictures)
        finally:
            started.quit()

    def goes_to(self, path: str) -> None:
        self.browser.get(path if "://" in path else f"{self._url}{path}")

    def waits_for(self, what: Callable[[], T], *, why: str) -> T:
        """The first value of ``what`` that is true."""

        def look(_: Any) -> T | bool:
            try:
                return what() or False
            except WebDriverException as error:
                # Chromium has a second name for an element of the page before, while it loads another.
                if isinstance(error, StaleElementReferenceException) or "does not belong to the document" in str(error):
                    return False
                raise

        return WebDriverWait(self.browser, PATIENCE, poll_frequency=0.2).until(look, why)  # type: ignore[return-value]

    def finds(self, selector: str, *, text: str = "") -> WebElement:
        """The first element that is shown, and holds the text."""

        def look() -> WebElement | None:
            found = self.browser.find_elements(By.CSS_SELECTOR, selector)
            return next((one for one in found if one.is_displayed() and text in one.text), None)

        return self.waits_for(look, why=f"{selector} with {text!r} is not there")

    def clicks(self, selector: str, *, text: str = "") -> None:
        self.waits_for(lambda: _click(self.finds(selector, text=text)), why=f"{selector} with {text!r} takes no click")

    def clicks_until(self, done: Callable[[], object], selector: str, *, text: str) -> None:
        """Clicks again after a while, as people do, and loads the page again if there is nothing to click any more.

        A page that draws itself anew under a click loses it. Airflow loses an answer that comes before it has noticed
        that the task waits for it, and asks again in the task's next try.
        """
        again_at, clicked = 0.0, False

        def look() -> bool:
            nonlocal again_at, clicked
            if not done() and time.monotonic() >= again_at:
                found = self.browser.find_elements(By.CSS_SELECTOR, selector)
                shown = [one for one in found if text in one.text and one.is_displayed() and one.is_enabled()]
                if shown and _click(shown[0]):
                    again_at, clicked = time.monotonic() + _UNTIL_AGAIN, True
                elif clicked:
                    self.browser.refresh()
                    again_at = time.monotonic() + _LOADED_AFTER
            return bool(done())

        self.waits_for(look, why=f"a click on {selector} with {text!r} changes nothing")

    def writes(self, selector: str, text: str) -> None:
        """Replaces what a field holds, in one go: a form that makes itself anew at each key loses some of them."""
        field = self.finds(selector)
        field.click()
        self.browser.execute_script(_WRITE, field, text)
        self.waits_for(lambda: self.finds(selector).get_attribute("value") == text, why=f"{selector} does not take it")

    def opens(self, section: str) -> None:
        """Unfolds a section of a form."""

        def unfold() -> bool:
            button = self.finds("[role=dialog] button[aria-expanded]", text=section)
            if button.get_attribute("aria-expanded") != "true":
                self.clicks("[role=dialog] button[aria-expanded]", text=section)
            return (
                self.finds("[role=dialog] button[aria-expanded]", text=section).get_attribute("aria-expanded") == "true"
            )

        self.waits_for(unfold, why=f"the section {section} does not open")

    def reads(self, selector: str = "main", *, text: str) -> str:
        """The text of an element, once it holds ``text``."""
        return self.finds(selector, text=text).text

    def toasts(self) -> list[str]:
        """What Airflow says in passing."""
        return [one.text for one in self.browser.find_elements(By.CSS_SELECTOR, "[data-scope=toast][data-part=root]")]

    def asks(self, script: str) -> Any:
        """What JavaScript answers."""
        return self.browser.execute_script(f"return {script}")

    def chooses(self, theme: Theme) -> None:
        """Switches Airflow's theme, as its own menu does."""
        self.browser.execute_script("localStorage.setItem('theme', arguments[0])", theme)
        self.browser.refresh()

    def takes_picture(self, name: str, *, height: int = _LAPTOP[1]) -> None:
        """A picture of the window once nothing moves in it.

        :param height: of the window, in pixels
        """
        self._pictures.mkdir(parents=True, exist_ok=True)
        self.browser.set_window_size(_LAPTOP[0], height)
        seen = [b""]

        def look() -> bytes | None:
            seen.append(self.browser.get_screenshot_as_png())
            return seen[-1] if seen[-1] == seen[-2] else None

        picture = self.waits_for(look, why="it does not come to rest")
        (self._pictures / f"{name}.png").write_bytes(picture)
        self.browser.set_window_size(*_LAPTOP)

    def serious_violations(self) -> list[str]:
        """What axe-core calls serious or critical on this page."""
        axe = Axe(self.browser)
        axe.inject()
        found = axe.run()["violations"]
        return [
            f"{one['id']}: {node['html']}"
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]


def _click(element: WebElement) -> bool:
    """Whether the element took the click: a message that Airflow shows in passing may be before it."""
    try:
        element.click()
    except WebDriverException as error:
        if isinstance(error, StaleElementReferenceException) or "intercepted" in str(error):
            return False
        raise
    return True
