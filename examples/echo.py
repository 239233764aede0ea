"""A process handler (docs/protocol.md, section 10): answers each CALL with what it was sent.

Standard output is for frames alone; print to sys.stderr, which goes to the server's log.
"""
import struct
import sys

stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
while len(head := stdin.read(5)) == 5:
    tag, length = struct.unpack(">BI", head)
    payload = stdin.read(length)
    if tag == 0x05:  # CALL: call_id (4 bytes), tag, request; the first frame is CONTROL, a greeting
        call_id, request = payload[:4], payload[5:]
        status, reply = 0, request  # status 1, and a text, for a failure
        stdout.write(struct.pack(">BI", 0x06, 5 + len(reply)) + call_id + bytes([status]) + reply)
        stdout.flush()
