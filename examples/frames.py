"""A chat over tagwire frames: python3 frames.py [--ca certs/ca.pem] [HOST:PORT [ROOM [NAME]]]"""
import argparse
import asyncio
import json
import ssl
import struct
import sys
import threading

CONTROL, HEARTBEAT, MESSAGE = 1, 3, 4  # section 2 of the protocol: the tags that this program uses


def frame(tag, payload):  # tag: 8 bits, length: 32 bits, payload
    return struct.pack(">BI", tag, len(payload)) + payload


def read_lines(loop, lines):  # reading standard input blocks, so it has a thread of its own
    for line in sys.stdin:
        loop.call_soon_threadsafe(lines.put_nowait, line.rstrip("\n"))


async def type_out(channel, writer):
    lines = asyncio.Queue()
    threading.Thread(target=read_lines, args=(asyncio.get_running_loop(), lines), daemon=True).start()
    header = struct.pack(">IBQQQB", channel, 0, 0, 0, 0, 0)  # section 6; a number of 0 asks for no acknowledgement
    while True:
        writer.write(frame(MESSAGE, header + (await lines.get()).encode()))
        await writer.drain()


async def main(host, port, room, name, ca):
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["tagwire/1"])
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    join = json.dumps({"op": "join", "room_id": room, "user_id": name, "deliver": "message"})
    writer.write(frame(CONTROL, join.encode()))
    while True:
        tag, length = struct.unpack(">BI", await reader.readexactly(5))
        payload = await reader.readexactly(length)
        if tag == HEARTBEAT and payload[:1] in (b"", b"\0"):  # a ping: give the rest of it back as a pong
            writer.write(frame(HEARTBEAT, b"\1" + payload[1:]))
        elif tag == MESSAGE:  # 30 bytes of header, the last of which is the length of the name
            end = 30 + payload[29]
            print(f"{payload[30:end].decode()}: {payload[end:].decode(errors='replace')}", flush=True)
        elif tag == CONTROL and (control := json.loads(payload))["op"] == "joined":
            typing = asyncio.create_task(type_out(control["channel"], writer))  # kept, so that it goes on
        elif tag == CONTROL and control["op"] == "error":
            sys.exit(f"{control['code']}: {control['message']}")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--ca", default="certs/ca.pem")
parser.add_argument("where", nargs="*", metavar="HOST:PORT ROOM NAME")
args = parser.parse_args()
address, room, name = args.where + ["127.0.0.1:4433", "lobby", "ann"][len(args.where):]
try:
    asyncio.run(main(*address.rsplit(":", 1), room, name, args.ca))
except (asyncio.IncompleteReadError, ConnectionError, KeyboardInterrupt):
    print("the connection has ended", file=sys.stderr)
