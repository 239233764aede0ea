"""A process handler that does as each request says, right or wrong (see mod.rs)."""
import os, socket, sys, time

stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
mode, path = (sys.argv[1:] + ["", ""])[:2]


# The test listens there.
ear = socket.socket(socket.AF_UNIX)
if path:
    ear.connect(path)


def note(line):
    """Tells the test, if it listens."""
    if path:
        ear.sendall(line.encode() + b"\n")


def frame():
    head = stdin.read(5)
    if len(head) < 5:
        note("end of input")
        sys.exit(0)
    return head[0], stdin.read(int.from_bytes(head[1:], "big"))


def write(data):
    stdout.write(data)
    stdout.flush()


def answer(call_id, status, body):
    payload = call_id + bytes([status]) + body
    return b"\x06" + len(payload).to_bytes(4, "big") + payload


note("started")
if mode == "exit":
    sys.exit(3)

tag, hello = frame()
assert tag == 1, tag
while True:
    try:
        tag, payload = frame()
    except SystemExit:
        while mode == "stubborn":
            time.sleep(1)
        raise
    assert tag == 5 and payload[4] == 0x20, (tag, payload[:5])
    call_id, (word, _, rest) = payload[:4], payload[5:].partition(b":")
    if word == b"echo":
        write(answer(call_id, 0, rest))
    elif word == b"hello":
        write(answer(call_id, 0, hello))
    elif word == b"pid":
        write(answer(call_id, 0, str(os.getpid()).encode()))
    elif word == b"fail":
        write(answer(call_id, 1, rest))
    elif word == b"early":  # answers before it has read the next request's like
        write(answer(call_id, 0, b"x" * int(rest)))
    elif word == b"slow":  # byte by byte
        for byte in answer(call_id, 0, rest):
            write(bytes([byte]))
    elif word == b"gate":  # says that it has begun, goes on when it is told to
        note("begun")
        ear.recv(1)
        write(answer(call_id, 0, rest))
    elif word == b"noise":
        sys.stderr.buffer.write(b"\x1b[31mnoise\n" + b"x" * 300000)
        sys.stderr.flush()
        write(answer(call_id, 0, rest))
    elif word == b"last":  # answers, then exits
        write(answer(call_id, 0, rest))
        sys.exit(0)
    elif word == b"hang":
        time.sleep(3600)
    elif word == b"crash":
        os._exit(7)
    elif word == b"text":
        write(b"print() is not a frame\n")
    elif word == b"zero":
        write(b"\x00")
    elif word == b"twice":
        write(answer(call_id, 0, b"one") + answer(call_id, 0, b"two"))
    elif word == b"other":
        write(answer(b"\xff\xff\xff\xff", 0, b"not yours"))
    elif word == b"status":
        write(answer(call_id, int(rest), b""))
    elif word == b"short":
        write(b"\x06\x00\x00\x00\x04" + call_id)
    elif word == b"huge":
        write(b"\x06" + (1 << 31).to_bytes(4, "big") + call_id)
    elif word == b"half":  # closes its output within an answer
        write(answer(call_id, 0, b"half")[:-2])
        os._exit(0)
