"""What does a reader get? The overview page, its style, and plain messages for what is missing or failed."""

from __future__ import annotations

import hashlib
import logging
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from census.rules import RULES, wording
from dashboard.headers import HEADERS
from dashboard.rule_names import rule_name
from dashboard.view import grouped, overview
from dashboard.words import LANG_TAGS, Lang, choose_lang, word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    Figures = Mapping[str, Any]

log = logging.getLogger(__name__)
STATIC: Mapping[str, str] = {"style.css": "text/css; charset=utf-8", "seal.svg": "image/svg+xml"}
"""The files a page needs, and their types; no other file is ever served."""
YEAR_S = 365 * 86_400


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@cache
def _static(name: str) -> tuple[bytes, str]:
    """Read a packaged file once: its bytes, and the digest that its address carries."""
    content = (resources.files("dashboard") / "static" / name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


def page_routes(leaves: Callable[[], int], figures: Callable[[], Figures | None]) -> list[Route]:
    """Give the routes of the overview and of its files; `leaves` counts the evidence log."""

    async def home(request: Request) -> Response:
        lang = request_lang(request)
        latest = figures()
        if latest is None:
            return _page("waiting.html", lang, leaves=grouped(leaves()))
        return _page("overview.html", lang, view=overview(latest, lang))

    async def rules(request: Request) -> Response:
        lang = request_lang(request)
        texts = [(name, wording(name)[0 if lang == "zh" else 1]) for name in RULES]
        return _page("rules.html", lang, rules=texts)

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in STATIC:
            raise HTTPException(404)
        content, _ = _static(name)
        caching = {"Cache-Control": f"public, max-age={YEAR_S}, immutable"}
        return Response(content, media_type=STATIC[name], headers=caching)

    return [Route("/", home), Route("/rules", rules), Route("/static/{name}", static)]


def request_lang(request: Request) -> Lang:
    """Choose the language of an answer from the request."""
    return choose_lang(request.query_params.get("lang"), request.headers.get("accept-language", ""))


def _page(template: str, lang: Lang, status: int = 200, **values: object) -> HTMLResponse:
    other: Lang = "en" if lang == "zh" else "zh"
    text = (
        _environment()
        .get_template(template)
        .render(
            lang=lang,
            lang_tag=LANG_TAGS[lang],
            other_lang=other,
            other_lang_tag=LANG_TAGS[other],
            t=lambda key, **inner: word(key, lang, **inner),
            rule_name=lambda rule: rule_name(rule, lang),
            style_url=f"/static/style.css?v={_static('style.css')[1]}",
            icon_url=f"/static/seal.svg?v={_static('seal.svg')[1]}",
            **values,
        )
    )
    headers = {"Content-Language": LANG_TAGS[lang], "Vary": "Accept-Language"}
    return HTMLResponse(text, status_code=status, headers=headers)


async def refused(request: Request, error: Exception) -> Response:
    """Answer 404, 405 and the like: a plain page, or JSON under `/api/`. Says nothing of what runs here."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    if request.url.path.startswith("/api/"):
        code = {404: "not found", 405: "method not allowed"}.get(status, "invalid")
        return JSONResponse({"code": code, "message": code}, status_code=status, headers=headers)
    key = "not_allowed" if status == 405 else "not_found"
    response = _message(request, status, key)
    response.headers.update(headers or {})
    return response


async def failed(request: Request, error: Exception) -> Response:
    """Answer 500 for a bug of ours: the cause goes to the log, never to the client.

    Starlette answers this outside every middleware, so the security headers are put on here.
    """
    log.error("answer=500 path=%r error=%r", request.url.path, error)
    if request.url.path.startswith("/api/"):
        body = {"code": "internal error", "message": "internal error"}
        return JSONResponse(body, status_code=500, headers=dict(HEADERS))
    response = _message(request, 500, "failed", "failed_note")
    response.headers.update(dict(HEADERS))
    return response


def _message(request: Request, status: int, key: str, note_key: str = "") -> HTMLResponse:
    lang = request_lang(request)
    note = word(note_key, lang) if note_key else ""
    return _page("message.html", lang, status, message=word(key, lang), note=note)
