"""The fixtures that this folder offers."""

from tests.servers.browser import browser_page
from tests.servers.prefect import prefect_api, prefect_server

__all__ = ["browser_page", "prefect_api", "prefect_server"]
