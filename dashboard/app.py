"""What does the server consist of? The store's routes, the pages, the API and the metrics, in one application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from dashboard.api import api_routes
from dashboard.headers import SecurityHeaders
from dashboard.pages import failed, page_routes, refused
from store.server import applied, store_routes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import Lifespan

    from store.embedded import EmbeddedStore


def build_app(store: EmbeddedStore, figures: Callable[[], dict[str, Any] | None]) -> Starlette:
    """Compose the application over an open store; `figures` gives the latest census as JSON, None before the first."""
    routes = [
        *store_routes(store),
        *page_routes(store.log_size, figures),
        *api_routes(store.log_size, figures),
    ]
    # While the server lives, its row files follow the log.
    return compose(routes, lambda _app: applied(store))


def compose(routes: Sequence[BaseRoute], lifespan: Lifespan[Starlette] | None = None) -> Starlette:
    """Put routes under the security headers and our own error answers."""
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={HTTPException: refused, Exception: failed},
    )
