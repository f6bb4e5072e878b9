"""The usual way to take a file in: a handler that hashes each piece and writes it before it asks for the next one.

``python inline_receiver.py PORT FOLDER`` serves ``PUT /file``; the answer is the SHA-256.
"""

import hashlib
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def take(request: Request) -> PlainTextResponse:
    sha256 = hashlib.sha256()
    with (Path(sys.argv[2]) / "received").open("wb") as out:
        async for piece in request.stream():
            sha256.update(piece)
            out.write(piece)
    return PlainTextResponse(sha256.hexdigest())


if __name__ == "__main__":
    uvicorn.run(
        Starlette(routes=[Route("/file", take, methods=["PUT"])]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
    )
