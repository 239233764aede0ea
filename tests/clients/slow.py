"""A process handler that takes its time (docs/protocol.md, section 10): each answer comes two seconds late."""
import struct
import sys
import time

stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
while len(head := stdin.read(5)) == 5:
    tag, length = struct.unpack(">BI", head)
    payload = stdin.read(length)
    if tag == 0x05:
        time.sleep(2)
        reply = payload[5:]
        stdout.write(struct.pack(">BI", 0x06, 5 + len(reply)) + payload[:4] + b"\0" + reply)
        stdout.flush()
