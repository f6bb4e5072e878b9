"""Who pays for a large file: whoever sent it, until a branch or a tag leads to it; from then on the repository's owner.

Whoever may write to a repository sends in its owner's name. What a stranger sends counts for the stranger, uncommitted
or on a pull request, so that nobody fills another's room. All of this happens within somebody's transaction.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from minnow.errors import HubNotFoundError
from minnow.hub.database import batches, insert_missing
from minnow.hub.limits import Quotas
from minnow.hub.names import MAIN, PULLS
from minnow.hub.objects import GitObjects
from minnow.hub.repositories import locked
from minnow.hub.repository_tables import DiscussionRow, LargeFileRow, RefRow, RepositoryRow


def admit(
    session: Session, quotas: Quotas, repository_id: int, account: str, sizes: Mapping[str, int], at: datetime
) -> None:
    """Enter that a repository has these files, and that this account sent them.

    Whoever sends again what waits already pays for it from now on; what was accepted stays the owner's.

    Raises:
        HubNotFoundError: the repository is gone.
        QuotaError: they do not fit into the account's room.
    """
    repository = locked(session, repository_id)
    payer = _payer(account, repository.owner)
    there: set[str] = set()
    for batch in batches(sizes):
        there |= set(session.scalars(select(LargeFileRow.sha256).where(_own(repository_id, batch))))
        session.execute(update(LargeFileRow).where(_own(repository_id, batch)).values(admitted_at=at))
    new = {sha256: size for sha256, size in sizes.items() if sha256 not in there}
    for sha256, size in new.items():
        values = {"repository_id": repository_id, "sha256": sha256, "size": size, "admitted_at": at, "payer": payer}
        session.execute(insert_missing(session, LargeFileRow), [values])
    added = sum(new.values()) + _moved(session, repository, there, payer)
    weigh(session, repository_id)
    quotas.require_within(session, account, added)


def charge(
    session: Session, quotas: Quotas, repository: RepositoryRow, sha256s: Iterable[str], account: str, what: str = ""
) -> None:
    """Let an account pay for those of these files that wait to be accepted; the owner's paying is their acceptance.

    Args:
        repository: locked by the caller.
        what: said before the reason of a refusal.

    Raises:
        QuotaError: they do not fit into the account's room.
    """
    added = _moved(session, repository, sha256s, _payer(account, repository.owner))
    if added:
        weigh(session, repository.id)
        quotas.require_within(session, account, added, what)


def accept_history(
    session: Session, objects: GitObjects, quotas: Quotas, repository: RepositoryRow, head: str, what: str = ""
) -> None:
    """Let the owner pay for all that a branch or a tag will lead to at this commit; raises as ``charge``.

    Args:
        repository: locked by the caller.
    """
    if waiting(session, repository.id):
        charge(session, quotas, repository, _proposed(session, objects, repository.id, head), repository.owner, what)


def author_of(session: Session, repository_id: int, ref: str) -> str:
    """Who opened the pull request of a ref."""
    row = session.get(DiscussionRow, (repository_id, int(ref.removeprefix(PULLS))))
    if row is None:
        raise HubNotFoundError("discussion", ref)
    return row.author


def waiting(session: Session, repository_id: int) -> dict[str, str]:
    """The files of a repository that no branch and no tag leads to, and who pays for each."""
    asked = select(LargeFileRow.sha256, LargeFileRow.payer).where(
        LargeFileRow.repository_id == repository_id, LargeFileRow.payer.is_not(None)
    )
    return dict(session.execute(asked).all())  # type: ignore[arg-type]


def settle(session: Session, objects: GitObjects, repository_id: int) -> None:
    """Where a file stands on others' pull requests only, let the author of the first of them pay for it.

    So it comes about when two proposed the same file and the one who paid closed his pull request.
    """
    payers = waiting(session, repository_id)
    if not payers:
        return
    refs = select(RefRow).where(RefRow.repository_id == repository_id, RefRow.name.startswith(PULLS))
    authors: dict[str, list[str]] = {}
    for ref in sorted(session.scalars(refs), key=lambda ref: int(ref.name.removeprefix(PULLS))):
        author = author_of(session, repository_id, ref.name).lower()
        for sha256 in _proposed(session, objects, repository_id, ref.commit_id) & payers.keys():
            authors.setdefault(sha256, []).append(author)
    for sha256, those in authors.items():
        if payers[sha256] not in those:
            session.execute(update(LargeFileRow).where(_own(repository_id, [sha256])).values(payer=those[0]))


def weigh(session: Session, repository_id: int) -> None:
    """Enter how much a repository takes of its owner's room."""
    total = select(func.coalesce(func.sum(LargeFileRow.size), 0)).where(
        LargeFileRow.repository_id == repository_id, LargeFileRow.payer.is_(None)
    )
    session.execute(
        update(RepositoryRow).where(RepositoryRow.id == repository_id).values(used_bytes=total.scalar_subquery())
    )


def _payer(account: str, owner: str) -> str | None:
    """An account as the column holds it: nobody besides the owner where it is the owner's own."""
    return None if account.lower() == owner.lower() else account.lower()


def _moved(session: Session, repository: RepositoryRow, sha256s: Iterable[str], payer: str | None) -> int:
    """Let another one pay for those of these files that wait, and return how many bytes that adds to his."""
    added = 0
    for batch in batches(sha256s):
        others = LargeFileRow.payer.is_not(None) if payer is None else LargeFileRow.payer != payer
        met = _own(repository.id, batch) & others
        added += session.scalar(select(func.coalesce(func.sum(LargeFileRow.size), 0)).where(met)) or 0
        session.execute(update(LargeFileRow).where(met).values(payer=payer))
    return int(added)


def _proposed(session: Session, objects: GitObjects, repository_id: int, head: str) -> set[str]:
    """The large files of the commits that lead to one and not to main."""
    main = session.get(RefRow, (repository_id, MAIN))
    known = {info.id for info in objects.ancestors(session, [main.commit_id])} if main else set()
    new = [info.id for info in objects.ancestors(session, [head]) if info.id not in known]
    return objects.large_files(session, new)


def _own(repository_id: int, sha256s: list[str]) -> ColumnElement[bool]:
    return (LargeFileRow.repository_id == repository_id) & LargeFileRow.sha256.in_(sha256s)
