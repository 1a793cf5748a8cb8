"""What gunicorn's and granian's workers answer, as an ASGI application."""

import os

HELLO = b"Hello, World!"
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/plain"),
        (b"content-length", str(len(HELLO)).encode()),
        (b"x-worker", str(os.getpid()).encode()),
    ],
}
BODY = {"type": "http.response.body", "body": HELLO}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    await send(START)
    await send(BODY)


async def live(receive, send):
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
