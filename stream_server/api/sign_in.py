"""Signing in and out with a password, the first owner, and who one is."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from stream_server.access.accounts import SignedIn
from stream_server.access.attempts import source_of
from stream_server.access.cookies import clear_session, csrf_token, session_token_of, set_session
from stream_server.access.principals import principal_of
from stream_server.api.audited import AuditOf
from stream_server.api.request import CONFLICT, PROBLEMS, TOO_MANY, ServicesOf
from stream_server.api.users import user_body
from stream_server.messages.access import Me
from stream_server.messages.accounts import PasswordChange, SessionBody, SetUp, SetUpState, SignIn

router = APIRouter(tags=["access"], responses=PROBLEMS)
open_router = APIRouter(tags=["access"], responses=PROBLEMS)


@open_router.get("/setup", summary="Has the server an owner?")
async def set_up_state(services: ServicesOf) -> SetUpState:
    """Needs no credential: the first page asks it to know what to show."""
    return SetUpState(needed=await services.accounts.needs_set_up())


@router.post("/setup", status_code=201, summary="Make the first owner", responses=CONFLICT)
async def set_up(
    body: SetUp, request: Request, response: Response, services: ServicesOf, audit: AuditOf
) -> SessionBody:
    """With the owner's token, which the server printed at its first start; once. Signs in."""
    signed_in = await services.accounts.set_up(body.login, body.name, body.password.get_secret_value(), audit)
    return _begun(request, response, signed_in)


@open_router.post("/login", summary="Sign in", responses=TOO_MANY)
async def sign_in(
    body: SignIn, request: Request, response: Response, services: ServicesOf, audit: AuditOf
) -> SessionBody:
    """Sets the session cookie. What changes something needs `csrf_token` as the header `X-CSRF-Token` besides."""
    source = source_of(request.scope.get("client"))
    signed_in = await services.accounts.sign_in(body.login, body.password.get_secret_value(), source, audit)
    return _begun(request, response, signed_in)


@router.post("/logout", status_code=204, summary="Sign out")
async def sign_out(request: Request, services: ServicesOf, audit: AuditOf) -> Response:
    """Ends the session with its sockets, on every server, and takes the cookie."""
    session_id = principal_of(request).session_id
    assert session_id is not None  # the right says so
    await services.accounts.sign_out(session_id, audit)
    response = Response(status_code=204)
    clear_session(response)
    services.access.end("session", session_id)
    return response


@router.get("/me", summary="Who am I?")
async def me(request: Request, response: Response) -> Me:
    """Whom the server takes the credential for, and its rights."""
    principal = principal_of(request)
    session = session_token_of(request.scope) if principal.session_id is not None else None
    response.headers["Cache-Control"] = "no-store"
    return Me(
        kind=principal.kind.value,
        id=principal.id,
        name=principal.name,
        rights=tuple(sorted(principal.rights)),
        role=principal.role.value if principal.role else None,
        groups=principal.groups,
        camera_id=principal.camera_id,
        csrf_token=csrf_token(session) if session else None,
    )


@router.put("/me/password", summary="Change my password", responses=TOO_MANY)
async def change_password(
    body: PasswordChange, request: Request, response: Response, services: ServicesOf, audit: AuditOf
) -> SessionBody:
    """All sessions of the user end, and a new one begins here."""
    principal = principal_of(request)
    signed_in = await services.accounts.change_password(
        principal, body.current.get_secret_value(), body.new.get_secret_value(), audit
    )
    assert principal.user_id is not None
    services.access.end("user", principal.user_id)
    return _begun(request, response, signed_in)


def _begun(request: Request, response: Response, signed_in: SignedIn) -> SessionBody:
    session = signed_in.session
    max_age_s = int((session.expires_at - signed_in.began_at).total_seconds())
    set_session(response, request.scope, signed_in.token, max_age_s)
    return SessionBody(
        user=user_body(session.user), csrf_token=csrf_token(signed_in.token), expires_at=session.expires_at
    )
