"""API tokens: for programs, with scopes; told once, revocable at once."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from storage import api_tokens
from stream_server.access.principals import principal_of
from stream_server.access.rights import Right
from stream_server.api.audited import AuditOf
from stream_server.api.request import NOT_FOUND, PROBLEMS, ServicesOf
from stream_server.messages.accounts import TokenBody, TokenCreate, TokenCreated, Tokens
from stream_server.privacy.auditing import Action

router = APIRouter(prefix="/tokens", tags=["access"], responses=PROBLEMS)


@router.get("", summary="List API tokens")
async def list_tokens(services: ServicesOf) -> Tokens:
    """Those that are not revoked, without their secrets."""
    async with services.database.acquire() as connection:
        rows = await api_tokens.list_tokens(connection)
    return Tokens(tokens=tuple(map(_token, rows)))


@router.post("", status_code=201, summary="Make an API token")
async def create_token(
    body: TokenCreate, request: Request, response: Response, services: ServicesOf, audit: AuditOf
) -> TokenCreated:
    """The secret is told once. API tokens make none, and none may more than its maker, also when that changes."""
    token, secret = await services.api_tokens.issue(
        body.name,
        [Right(scope) for scope in body.scopes],
        expires_at=body.expires_at,
        by=principal_of(request),
        audit=audit,
    )
    response.headers["Cache-Control"] = "no-store"
    return TokenCreated(**_token(token).model_dump(), token=secret)


@router.delete("/{token_id}", status_code=204, summary="Revoke an API token", responses=NOT_FOUND)
async def revoke_token(token_id: UUID, services: ServicesOf, audit: AuditOf) -> Response:
    """It is worth nothing from now on, and its connections are closed, on every server."""
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(connection, Action.TOKEN_REVOKED, subject=f"token:{token_id}")
        await api_tokens.revoke(connection, token_id, services.now())
    services.access.end("token", token_id)
    return Response(status_code=204)


def _token(token: api_tokens.ApiToken) -> TokenBody:
    return TokenBody(
        id=token.token_id,
        name=token.name,
        scopes=token.scopes,
        created_by=token.created_by,
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
    )
