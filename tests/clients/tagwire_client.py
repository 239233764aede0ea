"""A small client for the tagwire protocol, version 1, for tests. Python 3.11, standard library only."""
import json
import secrets
import socket
import ssl
import struct
import threading
import time

CONTROL, DATA, HEARTBEAT, MESSAGE, CALL, ANSWER = 1, 2, 3, 4, 5, 6
DEADLINE = 5.0
RECORD = struct.Struct(">IBQQQB")  # channel, flags, number, prev, time_ms, user_len


def check(condition, why):
    if not condition:
        raise AssertionError(why)


def same(got, want, why):
    check(got == want, f"{why}: expected {short(want)}, got {short(got)}")


def short(value, limit=160):
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


def is_int(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


# --- codec ------------------------------------------------------------------------------------------------------

def frame(tag, payload=b""):
    return struct.pack(">BI", tag, len(payload)) + payload


def control(_op=None, **fields):
    body = {"op": _op, **fields} if _op is not None else fields
    return frame(CONTROL, json.dumps(body, ensure_ascii=False).encode())


def record(channel, number, body, flags=0, prev=0, time_ms=0, user=b""):
    return frame(MESSAGE, RECORD.pack(channel, flags, number, prev, time_ms, len(user)) + user + body)


def call(call_id, tag, payload=b""):
    return frame(CALL, struct.pack(">IB", call_id, tag) + payload)


class Event:
    """One frame from the server, taken apart."""

    def __init__(self, tag, payload):
        self.tag, self.payload, self.op, self.json = tag, payload, None, None
        if tag == CONTROL:
            self.json = json.loads(payload)
            check(isinstance(self.json, dict) and isinstance(self.json.get("op"), str),
                  f"section 2: CONTROL is one JSON object with an op, got {short(payload)}")
            self.op = self.json["op"]
        elif tag == MESSAGE:
            check(len(payload) >= RECORD.size, "section 6: MESSAGE shorter than its header")
            self.channel, self.flags, self.seq, self.prev, self.time_ms, n = RECORD.unpack_from(payload)
            check(len(payload) >= RECORD.size + n, "section 6: user_len goes beyond the MESSAGE")
            self.user = payload[RECORD.size:RECORD.size + n].decode()
            self.body = payload[RECORD.size + n:]
        elif tag == ANSWER:
            check(len(payload) >= 5, "section 2: ANSWER shorter than its header")
            self.call_id, self.status = struct.unpack_from(">IB", payload)
            self.body = payload[5:]

    def __repr__(self):
        return short(self.json if self.json else (self.tag, self.payload), 120)


class Decoder:
    def __init__(self):
        self.buffer = bytearray()

    def feed(self, data):
        self.buffer += data
        while len(self.buffer) >= 5:
            tag, length = struct.unpack_from(">BI", self.buffer)
            if len(self.buffer) < 5 + length:
                return
            payload = bytes(self.buffer[5:5 + length])
            del self.buffer[:5 + length]
            yield Event(tag, payload)


# --- connection -------------------------------------------------------------------------------------------------

class Refused(Exception):
    def __init__(self, why, received):
        super().__init__(why)
        # A plaintext alert record: type 21, version, length 2, level, description. After ServerHello it comes
        # encrypted, and only the TLS library can say which it was.
        self.alert = received[-1] if len(received) >= 7 and received[-7] == 21 else None
        if "alert no application protocol" in str(why):
            self.alert = 120


class Connection:
    """TLS over memory BIOs, so that the way the connection ends can be seen: close_notify, a bare FIN, a reset."""

    address, ca, opened = ("127.0.0.1", 4433), "certs/ca.pem", []

    def __init__(self, alpn=("tagwire/1",), tls12=False):
        context = ssl.create_default_context(cafile=self.ca)
        if tls12:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if alpn:
            context.set_alpn_protocols(list(alpn))
        self.socket = socket.create_connection(self.address, DEADLINE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.opened.append(self)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=self.address[0])
        self.tls_lock, self.send_lock, self.changed = threading.Lock(), threading.Lock(), threading.Condition()
        self.notified, self.ended, self.closing, self.failure = False, None, False, None
        self.setup()
        self.handshake()
        threading.Thread(target=self.reader, daemon=True).start()

    def setup(self):
        self.text = b""

    def on_bytes(self, data):
        self.text += data

    def handshake(self):
        received, until = b"", time.monotonic() + DEADLINE
        while True:
            try:
                self.tls.do_handshake()
                self.flush()
                return
            except ssl.SSLWantReadError:
                self.flush()
            except ssl.SSLError as error:
                raise Refused(f"handshake: {error}", received) from None
            try:
                chunk = self.socket.recv(65536)
            except OSError as error:
                raise Refused(f"handshake: {error}", received) from None
            received += chunk
            if not chunk or time.monotonic() > until:
                raise Refused("handshake: closed or too slow", received)
            self.incoming.write(chunk)

    def flush(self):
        self.socket.sendall(self.outgoing.read())

    def send(self, data):
        """One call is one TLS write: as few records as it takes."""
        with self.send_lock:
            with self.tls_lock:
                self.tls.write(data)
                out = self.outgoing.read()
            self.socket.sendall(out)

    def reader(self):
        how = "fin"
        while True:
            try:
                chunk = self.socket.recv(65536)
            except TimeoutError:
                if self.closing:
                    break
                continue
            except OSError:
                how = "reset"
                break
            if not chunk:
                break
            data = b""
            try:
                with self.tls_lock:
                    self.incoming.write(chunk)
                    while not self.notified:
                        more = self.tls.read(65536)
                        self.notified = not more
                        data += more
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                how = f"TLS error {error}"
                break
            with self.changed:
                try:
                    if data:
                        self.on_bytes(data)
                except Exception as error:  # the next wait reports it
                    self.failure = self.failure or error
                self.changed.notify_all()
            self.after_bytes()
        with self.changed:
            self.ended = "close_notify" if self.notified else how
            self.changed.notify_all()

    def after_bytes(self):
        pass

    def wait(self, found, why):
        """Waits until found() is not None, at most DEADLINE; not longer than the connection lives."""
        with self.changed:
            until = time.monotonic() + DEADLINE
            while True:
                if self.failure:
                    raise self.failure
                result = found()
                if result is not None:
                    return result
                left = until - time.monotonic()
                if left <= 0 or self.ended:
                    end = f"the connection ended ({self.ended})" if self.ended else "nothing for 5 s"
                    raise AssertionError(f"{why}: {end}; unread: {self.unread()}")
                self.changed.wait(left)

    def unread(self):
        return short(self.text)

    def expect_end(self, why="section 1: the server closes", notify=True):
        def ended():
            return self.ended
        self.wait(ended, why)
        if notify:
            check(self.notified, f"section 1: close_notify comes before FIN, the end was {self.ended!r}")

    def finish(self):
        """close_notify, then FIN."""
        with self.send_lock, self.tls_lock:
            try:
                self.tls.unwrap()
            except ssl.SSLError:
                pass
            self.flush()
        self.socket.shutdown(socket.SHUT_WR)

    def abort(self):
        """FIN without close_notify."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.closing = True
        try:
            self.finish()
            self.socket.shutdown(socket.SHUT_RD)
        except (OSError, ValueError):
            pass
        self.socket.close()


class Lines(Connection):
    """Section 7: a person at openssl s_client."""

    def __init__(self, first):
        super().__init__(alpn=None)
        self.say(first)

    def say(self, line):
        self.send(line.encode() + b"\n" if isinstance(line, str) else line + b"\n")

    def line(self, wanted, why="section 7"):
        """The first line for which wanted (a string, or a function) holds; those before it are dropped."""
        test = wanted if callable(wanted) else lambda text: text == wanted
        seen = []

        def found():
            while b"\n" in self.text:
                line, self.text = self.text.split(b"\n", 1)
                line = line.decode()
                if test(line):
                    return line
                seen.append(line)
        return self.wait(found, f"{why}: line {wanted if isinstance(wanted, str) else ''!r}, saw {short(seen)}")


class Client(Connection):
    """Section 2: frames. Answers pings, matches replies by id, keeps everything else in order in self.inbox."""

    def setup(self):
        self.decoder, self.inbox, self.pings, self.last_id = Decoder(), [], [], 0
        self.channels, self.session, self.name = {}, None, None
        self.answers_pings = True  # off while a frame of one's own is half sent

    def on_bytes(self, data):
        for event in self.decoder.feed(data):
            if event.tag == HEARTBEAT and event.payload[:1] in (b"", b"\0"):
                self.pings.append(event.payload[1:])
            else:
                self.inbox.append(event)

    def after_bytes(self):
        while self.pings and self.answers_pings:
            try:
                self.send(frame(HEARTBEAT, b"\1" + self.pings.pop(0)))
            except (OSError, ssl.SSLError):
                return

    def unread(self):
        return short(self.inbox[:6], 600)

    def take(self, wanted, why):
        """Takes the first event of the inbox that is wanted, and leaves the others."""
        def found():
            for index, event in enumerate(self.inbox):
                if wanted(event):
                    return self.inbox.pop(index)
        return self.wait(found, why)

    def frame(self, tag, why=None):
        return self.take(lambda e: e.tag == tag, why or f"section 2: a frame with tag {tag:#04x}")

    def op(self, op, why=None, **fields):
        return self.take(lambda e: e.op == op and all(e.json.get(k) == v for k, v in fields.items()),
                         why or f"section 3: {op} {fields or ''}").json

    def room_event(self, why):
        """The next of what a room sends: records, presence, gaps, in order."""
        ops = ("member_joined", "member_left", "gap")
        return self.take(lambda e: e.tag in (DATA, MESSAGE) or e.op in ops, why)

    def record(self, why="section 6: a MESSAGE"):
        return self.take(lambda e: e.tag in (DATA, MESSAGE), why)

    def data(self, want, why="section 4: DATA reaches every member"):
        event = self.record(why)
        same((event.tag, event.payload), (DATA, want), why)

    def body(self, want, why="section 6: MESSAGE reaches every member"):
        event = self.record(why)
        check(event.tag == MESSAGE, f"{why}: expected MESSAGE, got {event}")
        same(event.body, want, why)
        return event

    def error(self, code, fatal=False, **fields):
        section = f"section 2: error {code}"
        error = self.op("error", section)
        same(error.get("code"), code, section)
        check(isinstance(error.get("message"), str), f"{section}: message is a string, got {error}")
        if fatal:
            check(error.get("fatal") is True, f"{section}: fatal is true, got {error}")
            self.expect_end(f"{section}: the server closes after a fatal error")
            late = [event for event in self.inbox if event.op == "error"]
            check(not late, f"{section}: nothing after the fatal error, got {late}")
        else:
            check(not error.get("fatal"), f"{section} is not fatal, got {error}")
        for key, value in fields.items():
            same(error.get(key), value, f"{section}: {key}")
        return error

    def request(self, op, **fields):
        self.last_id += 1
        own = f"r{self.last_id}"
        self.send(control(op, id=own, **fields))
        return self.op_with_id(own, op)

    def op_with_id(self, own, op):
        return self.take(lambda e: e.json is not None and e.json.get("id") == own,
                         f"section 3: a reply to {op} with id {own!r}").json

    def ask(self, op, reply, **fields):
        answer = self.request(op, **fields)
        same(answer["op"], reply, f"section 3: the reply to {op} ({short(answer)})")
        return answer

    def fails(self, code, op, **fields):
        answer = self.request(op, **fields)
        same((answer["op"], answer.get("code")), ("error", code), f"section 2: {op} {short(fields)}")
        check(not answer.get("fatal"), f"section 2: {code} is not fatal")
        return answer

    def hello(self, **fields):
        welcome = self.ask("hello", "welcome", **fields)
        self.session, self.name = welcome["session"], welcome["user_id"]
        return welcome

    def join(self, room, **fields):
        joined = self.ask("join", "joined", room_id=room, **fields)
        self.channels[room] = joined["channel"]
        return joined

    def publish(self, room, body, number=0):
        self.send(record(self.channels[room], number, body))

    def ack(self, room, number):
        """Waits for the ack that covers number; what comes before it must rise."""
        last = 0
        while last < number:
            ack = self.op("ack", f"section 6: ack for {number}", room_id=room)
            check(is_int(ack.get("publish_id")) and ack["publish_id"] >= last and is_int(ack.get("seq")),
                  f"section 6: acks are cumulative and rise, got {ack} after {last}")
            last = ack["publish_id"]
        same(last, number, "section 6: an ack is never for more than was published")
        return ack

    def alive(self, why="the connection goes on"):
        self.ping(secrets.token_bytes(8), f"section 2: {why}")

    def ping(self, opaque, why="section 5: a ping is answered with a pong of the same bytes"):
        self.send(frame(HEARTBEAT, b"\0" + opaque))
        same(self.frame(HEARTBEAT, why).payload, b"\1" + opaque, why)
