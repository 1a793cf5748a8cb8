"""A worker in another language: it answers `echo`, asks the other worker for it, and says what came of that."""

import array
import json
import os
import select
import socket
import struct

HELLO, READY, LEFT, ALIVE, OPEN_MESSAGES = 1, 4, 7, 8, 10
WELCOME, DRAIN, BEAT, MESSAGES = 0x101, 0x105, 0x109, 0x10D
FIRST, CREDIT, PRESENT, ATTACHED = 1, 3, 0x101, 0x103
REQUEST, REPLY = 2, 3
ANSWERED, NOBODY_ANSWERS = 0, 1


def first(peer, head, body):
    """A frame with a whole message; a reply has a lane of its own."""
    lane = 1 if head[0] == REPLY else 0
    return struct.pack("<HQB", FIRST, peer, lane) + head + struct.pack("<Q", len(body)) + body


def say(text):
    print(text, flush=True)


def call(peer, number, event, value):
    head = struct.pack("<BQB", REQUEST, number, len(event)) + event
    return first(peer, head, json.dumps(value).encode())


def take(messages, frame, own):
    """Does what a frame on the message socket asks for."""
    (kind,) = struct.unpack_from("<H", frame)
    if kind == PRESENT and own == 2:
        (peer,) = struct.unpack_from("<Q", frame, 2)
        messages.send(call(peer, 7, b"echo", "hello"))
    if kind == ATTACHED:
        messages.send(call(0, 8, b"echo", "hello"))
    if kind != FIRST:
        return
    peer, lane, purpose = struct.unpack_from("<QBB", frame, 2)
    credit = struct.pack("<HQBI", CREDIT, peer, lane, len(frame))
    messages.send(credit)
    (number,) = struct.unpack_from("<Q", frame, 12)
    if purpose == REPLY:
        outcome = frame[20]
        if number == 7 and outcome == NOBODY_ANSWERS:
            # The other one lives, and has not opened its messages yet.
            messages.send(call(peer, 7, b"echo", "hello"))
            return
        say(f"{number}: outcome {outcome} of peer {peer}: {frame[29:].decode()}")
    elif purpose == REQUEST:
        body = frame[21 + frame[20] + 8 :]
        messages.send(first(peer, struct.pack("<BQB", REPLY, number, ANSWERED), body))


def main():
    descriptor, inode = map(int, os.environ["EVERPORT_LINK"].split(":"))
    assert os.fstat(descriptor).st_ino == inode
    os.set_inheritable(descriptor, False)
    link = socket.socket(fileno=descriptor)
    link.setblocking(True)
    library = b"python"
    link.send(struct.pack("<H8sHHH", HELLO, b"everport", 1, 1, len(library)) + library)
    messages, own = None, None
    while True:
        ready, _, _ = select.select([it for it in (link, messages) if it], [], [])
        if messages in ready:
            frame = messages.recv(65536)
            if not frame:
                return
            take(messages, frame, own)
        if link not in ready:
            continue
        frame, ancillary, _, _ = link.recvmsg(4096, socket.CMSG_SPACE(4))
        if not frame:
            return
        (kind,) = struct.unpack_from("<H", frame)
        if kind == WELCOME:
            version, own = struct.unpack_from("<HQ", frame, 2)
            link.send(struct.pack("<H", OPEN_MESSAGES))
        elif kind == MESSAGES:
            (descriptor,) = array.array("i", ancillary[0][2])
            messages = socket.socket(fileno=descriptor)
            messages.setblocking(True)
            link.send(struct.pack("<H", READY))
        elif kind == BEAT:
            link.send(struct.pack("<H", ALIVE) + frame[2:6])
        elif kind == DRAIN:
            link.send(struct.pack("<HIII", LEFT, 0, 0, 0))
            return


main()
