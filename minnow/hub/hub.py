"""A hub put together: every room of it over one database and one store of large files."""

from dataclasses import dataclass

from minnow.hub.access import AccessRequests
from minnow.hub.accounts import Accounts
from minnow.hub.audit import Audit
from minnow.hub.blobs import SweptBlobStore, open_blobs
from minnow.hub.contents import Contents
from minnow.hub.database import Database
from minnow.hub.describing import Descriptions
from minnow.hub.discussions import Discussions
from minnow.hub.downloads import Downloads
from minnow.hub.large_files import LargeFiles
from minnow.hub.likes import Likes
from minnow.hub.limits import Quotas
from minnow.hub.listing import Listing
from minnow.hub.objects import GitObjects
from minnow.hub.publishing import Publishing
from minnow.hub.purging import Purging
from minnow.hub.repositories import Repositories
from minnow.hub.revisions import Revisions
from minnow.hub.settings import HubSettings
from minnow.hub.tokens import Tokens
from minnow.hub.trust.check import Policy
from minnow.hub.uploads import Uploads
from minnow.hub.xet.service import Xet


@dataclass(frozen=True)
class Hub:
    """The rooms of a hub."""

    settings: HubSettings
    database: Database
    blobs: SweptBlobStore
    objects: GitObjects
    repositories: Repositories
    revisions: Revisions
    contents: Contents
    large_files: LargeFiles
    xet: Xet
    uploads: Uploads
    publishing: Publishing
    listing: Listing
    discussions: Discussions
    downloads: Downloads
    likes: Likes
    accounts: Accounts
    tokens: Tokens
    access: AccessRequests
    quotas: Quotas
    audit: Audit


def build_hub(settings: HubSettings) -> Hub:
    """A hub over its tables, which are brought to this version of Minnow; end with ``close_hub``."""
    database = Database(settings.database_url)
    database.migrate()
    blobs = open_blobs(settings.blobs_url)
    objects = GitObjects(database)
    quotas = Quotas(database, settings.quota_bytes)
    revisions, contents = Revisions(database, objects, quotas), Contents(database, objects)
    xet = Xet(database, blobs, settings.secret, quotas)
    large_files = LargeFiles(database, blobs, xet, quotas)
    policy = Policy(remote_code=settings.remote_code)
    repositories = Repositories(database, objects, quotas)
    uploads = Uploads(objects, revisions, contents, large_files, policy, quotas, xet.bases)
    descriptions = Descriptions(database, revisions, contents, large_files)
    discussions = Discussions(database, objects, quotas)
    purging = Purging(database, objects)
    downloads = Downloads(database)
    downloads.start()
    return Hub(
        settings=settings,
        database=database,
        blobs=blobs,
        objects=objects,
        repositories=repositories,
        revisions=revisions,
        contents=contents,
        large_files=large_files,
        xet=xet,
        uploads=uploads,
        publishing=Publishing(repositories, uploads, revisions, discussions, descriptions, purging),
        listing=Listing(database),
        discussions=discussions,
        downloads=downloads,
        likes=Likes(database),
        accounts=Accounts(database),
        tokens=Tokens(database),
        access=AccessRequests(database),
        quotas=quotas,
        audit=Audit(database),
    )


def close_hub(hub: Hub) -> None:
    """Enter what is held in memory, and give every connection back."""
    hub.downloads.close()
    hub.tokens.wait()
    hub.database.close()
