"""The site: what it is called, and by which clock it lives."""

from fastapi import APIRouter

from stream_server.api.audited import AuditOf
from stream_server.api.request import CONFLICT, PROBLEMS, ServicesOf
from stream_server.messages.site import SiteBody, SiteUpdate
from stream_server.site import Site

router = APIRouter(prefix="/site", tags=["health"], responses=PROBLEMS)


@router.get("", summary="The site")
async def get_site(services: ServicesOf) -> SiteBody:
    """Name and time zone, and which of them the environment sets."""
    return _site(services.site)


@router.patch("", summary="Change the site", responses=CONFLICT)
async def change_site(body: SiteUpdate, services: ServicesOf, audit: AuditOf) -> SiteBody:
    """What is not given stays. It holds at once, on every server."""
    await services.site.change(audit, name=body.name, time_zone=body.time_zone)
    return _site(services.site)


def _site(site: Site) -> SiteBody:
    return SiteBody(
        name=site.name,
        time_zone=site.time_zone,
        name_locked=site.is_locked("name"),
        time_zone_locked=site.is_locked("time_zone"),
    )
