"""Faces that nearly matched, and who they were."""

from typing import Literal
from uuid import UUID

from fastapi import APIRouter

from storage import reviews
from stream_server.api.audited import AuditOf
from stream_server.api.request import NOT_FOUND, PROBLEMS, Cursor, Limit, ServicesOf
from stream_server.api.visible import VisibleTo
from stream_server.messages.punches import CandidateBody, ReviewBody, Reviews, ReviewSettlement
from stream_server.messages.wire import PersonRef
from stream_server.privacy.auditing import Action

router = APIRouter(prefix="/reviews", tags=["attendance"], responses=PROBLEMS)


@router.get("", summary="List faces up for review")
async def list_reviews(
    services: ServicesOf,
    audit: AuditOf,
    visible: VisibleTo,
    state: Literal["open", "person", "nobody"] | None = None,
    session_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Reviews:
    """The longest waiting first; all conditions given must hold."""
    async with services.database.acquire() as connection:
        await audit.seen(
            connection, Action.REVIEWS_READ, state=state, session=None if session_id is None else str(session_id)
        )
        page = await reviews.list_reviews(
            connection, visible, state=state, session_id=session_id, limit=limit, cursor=cursor
        )
    return Reviews(reviews=tuple(map(_review, page.items)), next_cursor=page.next_cursor)


@router.get("/{review_id}", summary="One face up for review", responses=NOT_FOUND)
async def get_review(review_id: UUID, services: ServicesOf, audit: AuditOf, visible: VisibleTo) -> ReviewBody:
    """Whom it came near, and how near."""
    async with services.database.acquire() as connection:
        review = await reviews.get(connection, visible, review_id)
        await audit.seen(connection, Action.REVIEWS_READ, subject=f"review:{review_id}")
    return _review(review)


@router.post("/{review_id}", summary="Settle a face up for review", responses=NOT_FOUND)
async def settle_review(
    review_id: UUID, body: ReviewSettlement, services: ServicesOf, audit: AuditOf, visible: VisibleTo
) -> ReviewBody:
    """Somebody is marked as of the time the face was seen. The same answer again changes nothing."""
    async with services.database.acquire() as connection, connection.transaction():
        settled, now = await reviews.settle(
            connection,
            visible,
            review_id,
            body.person_id,
            by_whom=audit.actor,
            now=services.now(),
            zone=services.site.zone,
            policy=services.settings.attendance.policy,
        )
        if now:
            await audit.changed(
                connection,
                Action.REVIEW_SETTLED,
                body.person_id,
                subject=f"review:{review_id}",
                review=None if body.person_id is None else str(review_id),
            )
    return _review(settled)


def _review(review: reviews.Review) -> ReviewBody:
    return ReviewBody.model_validate(
        {
            "id": review.review_id,
            "session_id": review.session_id,
            "camera": review.camera_id,
            "first_seen": review.first_seen_at,
            "last_seen": review.last_seen_at,
            "state": review.state,
            "candidates": tuple(
                CandidateBody(person=PersonRef(id=one.person_id, name=one.name), distance=round(one.distance, 4))
                for one in review.candidates
            ),
            "settled_as": review.settled_as,
            "settled_by": review.settled_by,
            "settled_at": review.settled_at,
        }
    )
