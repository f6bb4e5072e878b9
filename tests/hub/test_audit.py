"""The audit log."""

from minnow.hub.audit import KEEPER, Audit
from minnow.hub.database import Database
from minnow.hub.rights import Caller


def test_what_was_done_is_read_in_its_order(database: Database) -> None:
    audit = Audit(database)
    ann = Caller(3, "ann", token_id=8, writes=True)
    audit.note(KEEPER, "user.create", "ann")
    audit.note(ann, "repository.create", "model ann/x", address="10.0.0.9", private=True)
    audit.note(ann, "repository.delete", "model ann/x")
    told = [(line.actor, line.token_id, line.action, line.subject) for line in audit.read()]
    assert told == [
        ("(command line)", None, "user.create", "ann"),
        ("ann", 8, "repository.create", "model ann/x"),
        ("ann", 8, "repository.delete", "model ann/x"),
    ]
    created = audit.read(subject="model ann/x")[0]
    assert (created.detail, created.address, created.at.utcoffset() is not None) == (
        {"private": True},
        "10.0.0.9",
        True,
    )
    assert [line.action for line in audit.read(actor="ann", last=1)] == ["repository.delete"]
