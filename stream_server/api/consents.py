"""What people agreed to: the texts that they are asked, and their answers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from starlette.responses import Response

from storage import consents, people
from stream_server.api.audited import AuditOf
from stream_server.api.request import NOT_FOUND, PROBLEMS, ServicesOf
from stream_server.api.visible import VisibleTo
from stream_server.messages.privacy import (
    ConsentEntry,
    ConsentHistory,
    ConsentTextBody,
    ConsentTextPut,
    ConsentTexts,
)
from stream_server.privacy.auditing import Action

router = APIRouter(tags=["consent"], responses=PROBLEMS)

LISTED_MAX = 100
# JSON may write a character as twelve, such as \ud83d\ude00.
TEXT_BODY_MAX_BYTES = 12 * consents.TEXT_LENGTH_MAX + 1024


@router.get("/consent-texts", summary="The texts that people are asked")
async def list_texts(services: ServicesOf) -> ConsentTexts:
    """The newest first, at most a hundred; older ones by their numbers."""
    async with services.database.acquire() as connection:
        texts = await consents.newest_texts(connection, LISTED_MAX)
    return ConsentTexts(consent_texts=tuple(map(_text, texts)))


@router.post(
    "/consent-texts",
    status_code=201,
    summary="Publish a consent text",
    responses={200: {"model": ConsentTextBody, "description": "It is the newest text already"}},
    max_body_size=TEXT_BODY_MAX_BYTES,
)
async def publish_text(
    body: ConsentTextPut, services: ServicesOf, audit: AuditOf, response: Response
) -> ConsentTextBody:
    """Consent that is recorded from now on is to this text. What was given to earlier versions stays as it is."""
    async with services.database.acquire() as connection, connection.transaction():
        text, new = await consents.publish_text(connection, body.text, at=services.now(), actor=audit.actor)
        if new:
            await audit.changed(connection, Action.CONSENT_TEXT_PUBLISHED, subject=f"consent_text:{text.version}")
    if not new:
        response.status_code = 200
    return _text(text)


@router.get("/consent-texts/{version}", summary="One version of the consent text", responses=NOT_FOUND)
async def get_text(version: Annotated[int, Path(ge=1, lt=2**31)], services: ServicesOf) -> ConsentTextBody:
    """As it was published."""
    async with services.database.acquire() as connection:
        return _text(await consents.get_text(connection, version))


@router.get("/people/{person_id}/consents", summary="What a person has agreed to", responses=NOT_FOUND)
async def history(person_id: UUID, services: ServicesOf, audit: AuditOf, visible: VisibleTo) -> ConsentHistory:
    """Every answer with its text version, when it was recorded and by whom. `PATCH` of the person adds one."""
    async with services.database.acquire() as connection:
        await people.get(connection, visible, person_id)
        await audit.seen(connection, Action.CONSENT_READ, person_id)
        answers = await consents.history(connection, person_id)
    return ConsentHistory(consents=tuple(map(consent_entry, answers)))


def consent_entry(answer: consents.ConsentRecord) -> ConsentEntry:
    """An answer as it is shown."""
    return ConsentEntry(state=answer.state.value, consent_text=answer.text_version, by=answer.actor, at=answer.at)


def _text(text: consents.ConsentText) -> ConsentTextBody:
    return ConsentTextBody(version=text.version, text=text.text, by=text.actor, published_at=text.published_at)
