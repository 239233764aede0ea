#!/usr/bin/env python3
"""Conformance client for the tagwire protocol, version 1. Python 3.11, standard library only.

    python3 conformance.py --addr 127.0.0.1:4433 --ca ca.pem [--only NAME] [--list]
"""
import argparse
import hashlib
import json
import os
import re
import secrets
import struct
import sys
import threading
import time

from tagwire_client import (
    ANSWER, CALL, CONTROL, DATA, HEARTBEAT, MESSAGE, Client, Connection, Lines, Refused,
    call, check, control, frame, is_int, record, same, short,
)

options, scenarios = None, {}


class Skip(Exception):
    pass


def scenario(function):
    scenarios[function.__name__] = function
    return function


def new_room(prefix="r"):
    return f"{prefix}-{secrets.token_hex(6)}"


def member(room, user, **fields):
    """A fresh connection that has joined room and seen its own announcement."""
    client = Client()
    client.joined = client.join(room, user_id=user, **fields)
    if fields.get("deliver") != "none":
        client.op("member_joined", "section 3: the new member is announced to itself too", user_id=user, room_id=room)
    return client


def check_joined(joined, room):
    section = "section 3: joined"
    same(joined["room_id"], room, f"{section}.room_id")
    for key in ("next_seq", "last_seq", "last_time_ms", "members", "last_publish_id"):
        check(is_int(joined.get(key)), f"{section}.{key} is an unsigned integer, got {joined}")
    check(is_int(joined.get("channel")) and joined["channel"] < 2**32, f"{section}.channel is a u32, got {joined}")
    check(isinstance(joined.get("epoch"), str) and joined["epoch"], f"{section}.epoch is a short string, got {joined}")
    check(isinstance(joined.get("resumed"), bool), f"{section}.resumed is a boolean, got {joined}")
    check(joined["next_seq"] > joined["last_seq"], f"{section}.next_seq is above last_seq, got {joined}")


def filled(room, bodies, user="writer"):
    """A member of room (deliver message) and the records of the bodies that it published."""
    writer = member(room, user, deliver="message")
    for number, body in enumerate(bodies, 1):
        writer.publish(room, body, number)
    records = [writer.body(body) for body in bodies]
    writer.ack(room, len(bodies))
    return writer, records


def position(joined, rec):
    return {"epoch": joined["epoch"], "seq": rec.seq, "time_ms": rec.time_ms}


@scenario
def hello_welcome():
    c = Client()
    w = c.hello(user_id="ann", client_id=secrets.token_hex(8), features=["no-such-extension"], unknown_field={"x": []})
    check(isinstance(w.get("session"), str) and 0 < len(w["session"].encode()) <= 32,
          f"section 3: session is a string of at most 32 bytes, got {w}")
    same(w.get("user_id"), "ann", "section 3: welcome.user_id is that of hello")
    check(isinstance(w.get("server"), (str, dict)) and w["server"], f"section 3: welcome.server, got {w}")
    check(is_int(w.get("max_frame")) and w["max_frame"] > 0, f"section 3: welcome.max_frame, got {w}")
    check(is_int(w.get("heartbeat_ms")), f"section 3: welcome.heartbeat_ms, got {w}")
    check("default_room" in w and isinstance(w["default_room"], (str, type(None))),
          f"section 3: welcome.default_room, got {w}")
    same(w.get("features"), [], "section 3: features both sides know, none in version 1")
    answer = c.request("hello")
    same(answer["op"], "error", "section 3: hello may come once")
    c.alive("after a second hello")
    guest = Client()
    g = guest.hello()
    same(g["user_id"], "guest-" + g["session"], "section 3: without a name one is guest-SESSION")
    check(g["session"] != w["session"], "section 3: a session is never used twice")


@scenario
def request_ids():
    c = Client()
    c.send(control("stats"))
    check("id" not in c.op("stats"), "section 3: no id in the request, none in the reply")
    for own in ("x" * 64, "", 0, 7, 2**31):
        c.send(control("stats", id=own))
        reply = c.op("stats")
        check(reply.get("id") == own and not isinstance(reply["id"], bool), f"section 3: id {own!r} repeated, got {reply}")
    c.send(control("nonsense", id=41))
    c.error("unknown_op", id=41)
    c.send(b"".join(control("stats", id=n) for n in range(20)))
    same([c.op("stats")["id"] for _ in range(20)], list(range(20)), "section 2: CONTROL is acted on in order")


@scenario
def join_joined():
    room, c = new_room(), Client()
    j = c.join(room, user_id="ann", unknown="ignored")
    check_joined(j, room)
    same((j["last_seq"], j["last_time_ms"], j["last_publish_id"]), (0, 0, 0), "section 3: joined of an empty room")
    check(j["members"] in (0, 1), f"section 3: members of a new room, got {j}")
    c.send(frame(DATA, b"one"))
    c.data(b"one")
    d = Client()
    d.hello(user_id="bob")
    k = d.join(room, deliver="message")
    check_joined(k, room)
    check(k["last_seq"] >= 1 and k["last_time_ms"] > 0, f"section 3: last_seq and last_time_ms of the last record, {k}")
    same(k["epoch"], j["epoch"], "section 3: the epoch of a room is the same for all")
    same(k["members"] - j["members"], 1, "section 3: members counts")
    other = d.join(new_room())
    check(other["channel"] != k["channel"], "section 3: another room has another channel")
    d.op("member_joined", room_id=room, user_id="bob", session=d.session)


@scenario
def invalid_tag():
    c = Client()
    c.send(frame(0))
    c.error("invalid_tag", fatal=True)


def tag_of(error):
    tag = error.get("tag")
    return int(tag, 16) if isinstance(tag, str) else tag


@scenario
def unknown_tag():
    for tag in [*range(0x07, 0x10), 0x47, 0x7F, 0xFE]:
        c = Client()  # a fresh one each: on tagwire/1 the first frame may have any tag
        c.send(frame(tag, b"x" * 3) + frame(tag))
        for _ in range(2):
            same(tag_of(c.error("unknown_tag")), tag, "section 2: unknown_tag carries tag")
        c.alive("an unknown tag is skipped")
        c.close()
    c = Client()
    c.send(frame(0x7E, b"\1" * 100_000))
    same(tag_of(c.error("unknown_tag")), 0x7E, "section 2: unknown_tag carries tag")
    c.alive("the payload of an unknown tag is skipped")


@scenario
def frame_too_large():
    limit = Client().hello()["max_frame"]
    for tag, length in ((DATA, limit + 1), (DATA, 2**32 - 1), (CONTROL, limit + 1), (MESSAGE, 2**31)):
        c = Client()
        c.send(struct.pack(">BI", tag, length))
        c.error("frame_too_large", fatal=True, max_frame=limit)


@scenario
def bad_control():
    nested = lambda n: "[" * n + "]" * n
    deep = lambda n: '{"a":' * n + "1" + "}" * n
    variants = [
        "", " ", "x", "null", "1", '"stats"', "[]", '[{"op":"stats"}]', "{", '{"op":"stats"}{"op":"stats"}',
        '{"op":"stats"} x', "{}", '{"id":"q"}', '{"op":7}', '{"op":null}', '{"op":"stats","op":"stats"}',
        '{"op":"join","room_id":"a","room_id":"a"}', '{"op":"join","room_id":"a","deliver":"data","deliver":"data"}',
        '{"op":"join","room_id":5}', '{"op":"join","room_id":["a"]}', '{"op":"join"}', '{"op":"hello","user_id":{}}',
        '{"op":"hello","client_id":5}', '{"op":"join","room_id":"a","echo":"no"}', '{"op":"rooms","limit":"many"}',
        '{"op":"join","room_id":"a","deliver":1}', '{"op":"join","room_id":"a","after":7}',
        '{"op":"join","room_id":"a","group":"g"}', '{"op":"stats","id":1.5}', '{"op":"stats","id":{}}',
        '{"op":"stats","x":%s}' % nested(17), '{"op":"stats","x":%s}' % deep(17), '{"op":"stats","x":%s}' % nested(4000),
        '{"op":"stats","pad":"%s"}' % ("x" * 16384), b'{"op":"stats","x":"\xff"}',
    ]
    c = Client()
    for variant in variants:
        c.send(frame(CONTROL, variant if isinstance(variant, bytes) else variant.encode()))
        try:
            c.error("bad_control")
        except AssertionError as error:
            raise AssertionError(f"{short(variant, 60)}: {error}") from None
    for fields in ({"op": "join", "room_id": 5}, {"op": "join", "room_id": "a", "group": "g"}, {"nothing": 1}):
        c.send(frame(CONTROL, json.dumps({"id": "q", **fields}).encode()))
        c.error("bad_control", id="q")
    exact = b'{"op":"stats","pad":"'
    c.send(frame(CONTROL, exact + b"x" * (16384 - len(exact) - 2) + b'"}'))
    c.op("stats", "section 2: a CONTROL of exactly 16 KiB is fine")
    for text in (nested(15), deep(15)):
        c.send(frame(CONTROL, b'{"op":"stats","x":' + text.encode() + b"}"))
        c.op("stats", "section 2: nested 16 deep is fine")
    c.alive()


@scenario
def unknown_op():
    c = Client()
    c.fails("unknown_op", "dance")
    c.fails("unknown_op", "JOIN")
    c.alive()


@scenario
def bad_heartbeat():
    c = Client()
    for payload in (b"\0" * 66, b"\2", b"\xff", b"\0" * 16384, b"\1" * 16384):
        c.send(frame(HEARTBEAT, payload))
        c.error("bad_heartbeat")
        c.alive("a bad heartbeat is skipped")


@scenario
def bad_message():
    room, c = new_room(), Client()
    channel = c.join(room, user_id="ann", deliver="message")["channel"]
    whole = record(channel, 7, b"")[5:]
    for size in (0, 1, 4, 13, 29):
        c.send(frame(MESSAGE, whole[:size]))
        c.error("bad_message")
    c.send(frame(MESSAGE, whole[:-1] + b"\x05abc"))
    c.error("bad_message")
    for flags in (1, 0x80):
        c.send(record(channel, 7, b"flags", flags=flags))
        error = c.error("bad_message", publish_id=7, channel=channel)
        check(error.get("room_id") in (room, None), f"section 2: room_id where known, got {error}")
    c.send(record((channel + 7777) % 2**32, 8, b"nowhere"))
    c.error("bad_message", publish_id=8, channel=(channel + 7777) % 2**32)
    c.publish(room, b"good", 9)
    c.body(b"good", "section 6: nothing of a bad MESSAGE was published")


@scenario
def bad_room():
    c = Client()
    for room in ("", "x" * 65, "a b", "a/b", "r\u00fcm", "a\n", "#a", "*"):
        c.fails("bad_room", "join", room_id=room)
    for room in ("x" * 52 + new_room("")[:12], new_room("Az09._-:")):
        check_joined(c.join(room), room)


@scenario
def bad_user():
    c, room = Client(), new_room()
    for user in ("", "u" * 65, "\u00fc" * 33, "a\0b", "a\nb", "\x1b[2J", "\x7f"):
        c.fails("bad_user", "join", room_id=room, user_id=user)
    Client().fails("bad_user", "hello", user_id="a\rb")
    for user in ("u" * 64, "\u00fc" * 32, "J\u00f6rg \u2713"):
        member(new_room(), user)


@scenario
def user_taken():
    room, other = new_room(), new_room()
    a, b = member(room, "ann"), Client()
    b.fails("user_taken", "join", room_id=room, user_id="ann")
    b.join(other, user_id="ann")
    a.join(room, user_id="ann")  # a join of a room that one is in replaces
    a.ask("leave", "left", room_id=room)
    b.join(room, user_id="ann")


@scenario
def not_joined():
    room, c = new_room(), Client()
    c.fails("not_joined", "leave", room_id=room)
    c.join(room)
    same(c.ask("leave", "left", room_id=room)["room_id"], room, "section 3: left.room_id")
    c.fails("not_joined", "leave", room_id=room)
    c.send(frame(DATA, b"nowhere"))
    # Either it has no current room now, or the default room takes it.
    event = c.take(lambda e: e.tag == DATA or e.op == "error", "section 2: not_joined")
    check(event.tag == DATA or event.json["code"] == "not_joined", f"section 2: not_joined, got {event}")
    c.alive()


@scenario
def too_many_rooms():
    c, prefix = Client(), new_room()
    for n in range(options.max_rooms):
        c.join(f"{prefix}-{n}")
    c.fails("too_many_rooms", "join", room_id=f"{prefix}-more")
    c.join(f"{prefix}-0")  # in it already
    c.ask("leave", "left", room_id=f"{prefix}-0")
    c.join(f"{prefix}-more")


@scenario
def too_many_errors():
    c = Client()
    c.send(frame(0x0F) * 150)
    count = 0
    while (error := c.op("error", "section 2: too_many_errors"))["code"] != "too_many_errors":
        same(error["code"], "unknown_tag", "section 2")
        count += 1
    check(98 <= count <= 101, f"section 2: a hundred errors within 10 s, it were {count}")
    check(error.get("fatal") is True, "section 2: too_many_errors is fatal")
    c.expect_end()


@scenario
def session_taken():
    room, client_id = new_room(), secrets.token_hex(8)
    watcher = member(room, "watcher")
    a = Client()
    a.hello(user_id="ann", client_id=client_id)
    a.join(room)
    watcher.op("member_joined", user_id="ann", session=a.session)
    b = Client()
    b.send(control("hello", id=1, user_id="ann", client_id=client_id) + control("join", id=2, room_id=room))
    same(b.op_with_id(1, "hello")["op"], "welcome", "section 3: hello with a client_id in use")
    answer = b.op_with_id(2, "join")
    same(answer["op"], "joined", f"section 3: the user ids are free before welcome ({short(answer)})")
    a.error("session_taken", fatal=True)
    watcher.op("member_left", user_id="ann", session=a.session)
    watcher.op("member_joined", user_id="ann")


@scenario
def broadcast_data():
    room = new_room()
    members = [member(room, name) for name in ("ann", "bob", "cid")]
    for index, sender in enumerate(members):
        for body in (b"from %d" % index, b"", bytes(range(256))):
            sender.send(frame(DATA, body))
            for receiver in members:
                receiver.data(body)


@scenario
def default_room():
    default = Client().hello()["default_room"]
    if not default:
        raise Skip
    a, b = Client(), Client(alpn=None)
    mark = [secrets.token_bytes(12) for _ in range(3)]
    for client, body in ((a, mark[0]), (b, mark[1])):
        client.send(frame(DATA, body))
        client.take(lambda e: e.payload == body and e.tag == DATA, "section 4: the first DATA joins the default room")
    a.take(lambda e: e.payload == mark[1] and e.tag == DATA, "section 4: and reaches who is there")
    for client in (a, b):
        check(not any(e.op == "joined" for e in client.inbox), "section 4: no joined is sent for the default room")
    c = Client()
    c.hello(user_id="u-" + secrets.token_hex(4))
    c.send(frame(DATA, mark[2]))
    b.take(lambda e: e.payload == mark[2] and e.tag == DATA, "section 4: the default room")
    a.op("member_joined", room_id=default, user_id=c.name, session=c.session)


@scenario
def echo_false():
    room = new_room()
    a, b = member(room, "ann", echo=False), member(room, "bob")
    a.send(frame(DATA, b"mine"))
    b.data(b"mine")
    b.send(frame(DATA, b"yours"))
    a.data(b"yours", "section 4: echo:false keeps one's own DATA from coming back")
    a.join(room, user_id="ann", echo=True)
    a.send(frame(DATA, b"again"))
    a.data(b"again", "section 3: a second join replaces echo")
    answer = b.request("join", room_id=room, user_id="bob", deliver="message", echo=False)
    check(answer["op"] in ("joined", "error"), "section 3: echo:false with message is refused or means nothing")
    b.alive()


@scenario
def deliver_mix():
    room = new_room()
    d, m = member(room, "dan"), member(room, "mia", deliver="message")
    d.op("member_joined", user_id="mia")
    n = member(room, "nil", deliver="none")
    same(n.joined["members"], 2, "section 3: deliver none is not counted")
    d.send(frame(DATA, b"1"))
    m.body(b"1")
    m.publish(room, b"2", 1)
    d.data(b"1")
    d.data(b"2")
    n.send(frame(DATA, b"3"))
    d.data(b"3")
    n.publish(room, b"4", 1)
    d.data(b"4")
    n.ack(room, 1)
    users = [m.body(body).user for body in (b"2", b"3", b"4")]
    same(users, ["mia", "nil", "nil"], "section 6: user_id is who sent it")
    n.ask("leave", "left", room_id=room)
    d.send(frame(DATA, b"5"))
    same(d.room_event("section 3").payload, b"5", "section 3: deliver none is neither announced nor missed")
    check(not [e for e in n.inbox if e.tag in (DATA, MESSAGE) or e.op in ("member_joined", "member_left")],
          f"section 3: deliver none receives neither records nor presence, got {n.inbox}")
    answer = d.request("join", room_id=room, user_id="dan", deliver="sideways")
    same(answer["op"], "error", "section 3: deliver is data, message or none")


@scenario
def message_fields():
    room, before = new_room(), time.time() * 1000
    writer, records = filled(room, [b"one", b"", b"three"], "J\u00f6rg")
    writer.send(frame(DATA, b"four"))
    records.append(writer.body(b"four", "section 6: DATA and MESSAGE are two views of one log"))
    last = 0
    for rec in records:
        same((rec.channel, rec.flags, rec.user), (writer.channels[room], 0, "J\u00f6rg"), "section 6: channel, flags, user_id")
        same(rec.prev, last, "section 6: prev is the seq of the record before, 0 for the first")
        check(last < rec.seq < 2**53, f"section 6: seq rises strictly, {rec.seq} after {last}")
        check(abs(rec.time_ms - before) < 60_000, f"section 6: time_ms is the time of day, got {rec.time_ms}")
        last = rec.seq
    late = member(room, "late")
    same((late.joined["last_seq"], late.joined["last_time_ms"]), (last, records[-1].time_ms), "section 3: last_seq, last_time_ms")
    guest = Client()
    guest.hello()
    guest.join(room)
    guest.send(frame(DATA, b"five"))
    rec = writer.body(b"five")
    same((rec.user, rec.prev), ("guest-" + guest.session, last), "section 3: a guest is guest-SESSION")


@scenario
def one_order():
    room, count = new_room(), 100
    writers = [member(room, f"w{n}", deliver="message") for n in range(2)]
    readers = writers + [member(room, "reader", deliver="message")]
    plain = member(room, "plain")

    def write(writer, name):
        for n in range(1, count + 1):
            writer.publish(room, b"%s %d" % (name, n), n)
    threads = [threading.Thread(target=write, args=(w, name)) for w, name in zip(writers, (b"a", b"b"))]
    for thread in threads:
        thread.start()
    logs = [[reader.frame(MESSAGE) for _ in range(2 * count)] for reader in readers]
    bodies = [plain.frame(DATA).payload for _ in range(2 * count)]
    for thread in threads:
        thread.join()
    key = lambda log: [(e.seq, e.prev, e.time_ms, e.user, e.body) for e in log]
    for log in logs[1:]:
        check(key(log) == key(logs[0]), "section 6: every member sees the same records in the same order")
    same(bodies, [e.body for e in logs[0]], "section 6: DATA is the same log")
    for one, two in zip(logs[0], logs[0][1:]):
        check(two.prev == one.seq < two.seq, f"section 6: prev chain, {one.seq} then prev {two.prev} seq {two.seq}")
    for name in (b"a", b"b"):
        same([b for b in bodies if b[:1] == name], [b"%s %d" % (name, n) for n in range(1, count + 1)],
             "section 6: publishes do not overtake each other")
    for writer in writers:
        writer.ack(room, count)


@scenario
def ack():
    room = new_room()
    c = member(room, "ann", deliver="message")
    c.publish(room, b"unasked", 0)
    c.publish(room, b"asked", 3)
    c.body(b"unasked")
    rec = c.body(b"asked")
    got = c.op("ack", "section 6: ack")
    same((got["room_id"], got["publish_id"], got["seq"]), (room, 3, rec.seq), "section 6: publish_id 0 has no ack")
    c.send(b"".join(record(c.channels[room], n, b"%d" % n) for n in range(10, 60)))
    for n in range(10, 60):
        rec = c.body(b"%d" % n)
    same(c.ack(room, 59)["seq"], rec.seq, "section 6: ack.seq of the last")
    c.publish(room, b"59", 59)
    c.publish(room, b"60", 60)
    c.body(b"60", "section 6: a duplicate within the connection is dropped")
    c.ack(room, 60)
    second = new_room()
    c.join(second, deliver="message")
    c.publish(second, b"s", 61)
    c.ack(second, 61)


@scenario
def duplicates():
    room, client_id = new_room(), secrets.token_hex(8)
    watcher = member(room, "watcher", deliver="message")

    def connect(**fields):
        client = Client()
        client.hello(user_id="ann", client_id=client_id)
        return client, client.join(room, deliver="message", **fields)
    a, joined = connect()
    same(joined["last_publish_id"], 0, "section 6: last_publish_id of a new client_id")
    for n in (1, 2, 3):
        a.publish(room, b"%d" % n, n)
    a.ack(room, 3)
    records = [a.body(b"%d" % n) for n in (1, 2, 3)]
    a.abort()
    b, joined = connect(after=position(joined, records[-1]))
    same((joined["last_publish_id"], joined["resumed"]), (3, True), "section 6: after a reconnect")
    b.publish(room, b"3", 3)
    same(b.op("ack", "section 6: a duplicate is acknowledged")["publish_id"], 3, "section 6: ack of a duplicate")
    b.publish(room, b"4", 4)
    b.body(b"4", "section 6: what the server has already is dropped")
    b.ack(room, 4)
    b.send(record(b.channels[room], 5, b"5"))
    b.finish()  # without waiting for the ack
    c, joined = connect()
    check(joined["last_publish_id"] in (4, 5), f"section 6: last_publish_id, got {joined}")
    c.publish(room, b"5", 5)
    c.publish(room, b"6", 6)
    c.ack(room, 6)
    for n in range(1, 7):
        watcher.body(b"%d" % n, "section 6: every publish is stored once")
    stranger = member(room, "stranger")
    same(stranger.joined["last_publish_id"], 0, "section 6: last_publish_id is that of one's own client_id")


@scenario
def presence():
    room, a = new_room(), Client()
    a.hello(user_id="ann")
    a.join(room)
    b = Client()
    b.hello(user_id="bob")
    b.join(room)
    b.send(frame(DATA, b"hi"))
    b.ask("leave", "left", room_id=room)
    b.join(room, user_id="ben")
    b.join(room, user_id="ben", deliver="message")  # announces nothing
    b.send(frame(DATA, b"ho"))
    b.finish()
    show = lambda e: e.payload if e.tag == DATA else (e.op, e.json["room_id"], e.json["user_id"], e.json["session"])
    come = lambda c, name: ("member_joined", room, name, c.session)
    gone = lambda c, name: ("member_left", room, name, c.session)
    want = [come(a, "ann"), come(b, "bob"), b"hi", gone(b, "bob"), come(b, "ben"), b"ho", gone(b, "ben")]
    for step in want:
        same(show(a.room_event(f"section 3: {step}")), step, "section 3: presence is in order with the messages")
    same(show(b.room_event("section 3: presence")), come(b, "bob"), "section 3: the new member sees itself, and none before")


@scenario
def members_paging():
    room, names = new_room(), ["ann", "bob", "cid", "dan", "eve"]
    clients = []
    for name in reversed(names):
        clients.insert(0, Client())
        clients[0].hello(user_id=name)
        clients[0].join(room)
    want = [{"user_id": c.name, "session": c.session} for c in clients]
    page = lambda **f: (lambda r: (r["room_id"], r["members"], r["more"]))(clients[0].ask("members", "members", room_id=room, **f))
    same(page(), (room, want, False), "section 3: members, sorted by name")
    same(page(limit=2), (room, want[:2], True), "section 3: members, limit 2")
    same(page(limit=2, after="bob"), (room, want[2:4], True), "section 3: members, limit 2 after bob")
    same(page(limit=2, after="dan"), (room, want[4:], False), "section 3: members, after dan")
    same(page(limit=5), (room, want, False), "section 3: members, more is false at the end")
    same(page(after="eve"), (room, [], False), "section 3: members, after the last")


@scenario
def rooms_paging():
    prefix, c = new_room("rooms"), Client()
    names = [f"{prefix}-{n}" for n in range(4)]
    for name in reversed(names):
        c.join(name, user_id="ann")
    c.send(frame(DATA, b"x"))  # to names[0], joined last
    c.data(b"x")
    first = c.ask("rooms", "rooms", limit=2, after=names[0])
    same([r["room_id"] for r in first["rooms"]], names[1:3], "section 3: rooms, limit 2")
    same(first["more"], True, "section 3: rooms, more")
    for entry in first["rooms"]:
        check(is_int(entry.get("next_seq")), f"section 3: rooms.next_seq, got {entry}")
        same(entry["members"], 1, "section 3: rooms.members")
    second = c.ask("rooms", "rooms", limit=1, after=names[2])
    same([r["room_id"] for r in second["rooms"]], names[3:], "section 3: rooms, the next page")
    check(isinstance(second["more"], bool), "section 3: rooms, more is a boolean")
    every = [r["room_id"] for r in c.ask("rooms", "rooms")["rooms"]]
    check(every == sorted(every) and len(every) <= 1000, "section 3: rooms are sorted and at most 1,000")


@scenario
def current_room():
    rooms = [new_room(name) for name in "abc"]
    a, b, c = rooms
    watchers = {room: member(room, "watcher") for room in rooms}
    m = Client()

    def lands(room, why):
        body = secrets.token_bytes(6)
        m.send(frame(DATA, body))
        watchers[room].data(body, f"section 4: {why}")
        m.data(body, f"section 4: {why}")
    for room in rooms:
        m.join(room, user_id="m")
        lands(room, "the current room is the one joined last")
    m.ask("leave", "left", room_id=b)
    lands(c, "leaving another room changes nothing")
    m.ask("leave", "left", room_id=c)
    lands(a, "after leaving, the one joined before it")
    m.join(b, user_id="m")
    lands(b, "the one joined last")
    m.join(a, user_id="m")
    lands(a, "joining a room that one is in makes it current")
    m.ask("leave", "left", room_id=a)
    lands(b, "after leaving, the one joined before it")


@scenario
def join_from():
    room = new_room()
    bodies = [b"%d" % n for n in range(6)]
    writer, records = filled(room, bodies)

    def reads(start, want, deliver="message"):
        c = member(room, new_room("u"), deliver=deliver, **({"from": start} if start is not None else {}))
        check_joined(c.joined, room)
        mark = secrets.token_bytes(6)
        writer.send(frame(DATA, mark))
        bodies.append(mark)
        got = []
        while not got or got[-1] != mark:
            event = c.record(f"section 3: from {start!r}")
            got.append(event.body if deliver == "message" else event.payload)
        same(got[:-1], want, f"section 3: from {start!r}")
        check(not any(e.op == "gap" for e in c.inbox), f"section 3: no gap for from {start!r}")
        c.close()
    reads(None, [])
    reads(records[2].seq, bodies[2:])
    reads("earliest", bodies[:])
    reads({"last": 3}, bodies[-3:])
    reads({"last": 0}, [])
    reads({"last": 900}, bodies[:])
    reads("earliest", bodies[:], "data")
    first = Client()  # from on a second join replaces the position
    first.join(room, user_id="twice", deliver="message")
    first.join(room, user_id="twice", deliver="message", **{"from": "earliest"})
    for body in bodies:
        first.body(body, "section 3: a join of a room that one is in replaces the position")


@scenario
def resume():
    room, bodies = new_room(), [b"1", b"2", b"3"]
    a = member(room, "ann", deliver="message")
    start = {"epoch": a.joined["epoch"], "seq": a.joined["last_seq"], "time_ms": a.joined["last_time_ms"]}
    writer, records = filled(room, bodies)
    end = position(writer.joined, records[-1])

    def resumes(after, want, why):
        c = member(room, new_room("u"), deliver="message", after=after)
        same(c.joined["resumed"], True, f"section 3: resumed, {why}")
        mark = secrets.token_bytes(6)
        writer.publish(room, mark)
        for body in [*want, mark]:
            last = c.body(body, f"section 3: {why}")
        check(not any(e.op == "gap" for e in c.inbox), f"section 3: no gap, {why}")
        bodies.append(mark)
        c.close()
        return last
    last = resumes(end, [], "nothing was missed")
    resumes(position(writer.joined, records[0]), bodies[1:], "two and more were missed")
    resumes(start, bodies[:], "from an empty log on")
    resumes({**start, "seq": 0, "time_ms": 0}, bodies[:], "seq 0 is from the first record on")
    resumes(position(writer.joined, last), bodies[4:], "the last known record was a later one")
    plain = member(room, "plain", after=end)
    for body in bodies[3:]:
        plain.data(body, "section 3: after goes with data too")


@scenario
def resume_gap():
    room, bodies = new_room(), [b"1", b"2", b"3"]
    writer, records = filled(room, bodies)
    epoch, seqs = writer.joined["epoch"], [r.seq for r in records]
    tail = {"epoch": epoch, "seq": seqs[-1], "time_ms": records[-1].time_ms}
    cases = [
        ({**tail, "epoch": "no-such-epoch"}, ("epoch",)),
        ({**tail, "epoch": "no-such-epoch", "seq": 0, "time_ms": 0}, ("epoch",)),
        ({**tail, "time_ms": tail["time_ms"] + 1}, ("regressed",)),
        ({"epoch": epoch, "seq": seqs[0], "time_ms": records[0].time_ms - 1}, ("regressed",)),
        ({**tail, "seq": seqs[-1] + 1000}, ("regressed", "epoch")),
    ]
    for after, reasons in cases:
        c = Client()
        c.send(control("join", id=1, room_id=room, user_id=new_room("u"), deliver="message", after=after))
        mark = secrets.token_bytes(6)
        event = c.take(lambda e: e.tag == MESSAGE or e.op in ("joined", "gap", "error"), "section 3: joined")
        same(event.op, "joined", f"section 3: the order is joined, gap, records ({event})")
        same(event.json["resumed"], False, f"section 3: resumed is never guessed, after {after}")
        event = c.take(lambda e: e.tag == MESSAGE or e.op == "gap", "section 3: gap")
        same(event.op, "gap", "section 3: the order is joined, gap, records")
        gap = event.json
        same((gap["room_id"], gap["epoch"]), (room, epoch), "section 3: gap.room_id, gap.epoch")
        check(gap["reason"] in reasons, f"section 3: gap.reason is one of {reasons}, got {gap}")
        check(is_int(gap.get("next_seq")) and is_int(gap.get("after_seq")), f"section 3: after_seq, next_seq, got {gap}")
        check("missed" in gap and (gap["missed"] is None or is_int(gap["missed"])), f"section 3: missed, got {gap}")
        writer.publish(room, mark)
        seqs.append(writer.body(mark).seq)
        first = c.record("section 3: delivery goes on")
        same(first.seq, next((s for s in seqs if s >= gap["next_seq"]), None), "section 3: delivery goes on with next_seq")
        check(first.seq in (seqs[0], seqs[-1]), "section 3: with the oldest kept, or the next to come")
        while first.body != mark:
            first = c.record("section 3: and with what follows it")


@scenario
def heartbeat():
    c = Client()
    for opaque in (b"", b"x", bytes(range(64)), b"\xff" * 64):
        c.ping(opaque)
    c.send(frame(HEARTBEAT))
    same(c.frame(HEARTBEAT).payload, b"\1", "section 5: an empty payload is a ping without opaque bytes")
    c.send(frame(HEARTBEAT, b"\1") + frame(HEARTBEAT, b"\1" + b"y" * 64))
    c.ping(b"after", "section 5: a pong that nobody asked for is ignored")
    check(not c.inbox, f"section 5: no answer to a pong, got {c.inbox}")
    c.send(b"".join(frame(HEARTBEAT, b"\0%d" % n) for n in range(50)))
    same([c.frame(HEARTBEAT).payload for _ in range(50)], [b"\1%d" % n for n in range(50)], "section 2: heartbeats are one sequence")


@scenario
def stats():
    c, room = Client(), new_room()
    c.join(room)
    first = c.ask("stats", "stats")
    c.send(frame(0x0F))
    c.error("unknown_tag")
    c.send(frame(DATA, b"x" * 5000))
    c.data(b"x" * 5000)
    second = c.ask("stats", "stats")
    for key in ("bytes_in", "bytes_out", "frames_in", "frames_out", "errors", "uptime_ms"):
        check(is_int(first.get(key)) and is_int(second.get(key)), f"section 3: stats.{key}, got {first}")
        check(second[key] >= first[key], f"section 3: stats.{key} does not fall")
    check(second["bytes_in"] >= first["bytes_in"] + 5000 and second["frames_in"] >= first["frames_in"] + 2
          and second["bytes_out"] >= first["bytes_out"] + 5000 and second["errors"] == first["errors"] + 1,
          f"section 3: stats count, {first} then {second}")
    for key, names in (("rtt_us", ("last", "min", "smoothed")), ("handle_us", ("p50", "p99"))):
        value = second.get(key, "missing")
        check(value is None or isinstance(value, dict) and all(
            name in value and (value[name] is None or isinstance(value[name], (int, float))) for name in names),
            f"section 3: stats.{key} has {names}, got {second}")


@scenario
def call_without_handler():
    c = Client()
    for call_id, tag in ((0, 0x7F), (2**32 - 1, 0xFE), (7, 0x0F)):
        c.send(call(call_id, tag, b"payload"))
        answer = c.frame(ANSWER)
        same((answer.call_id, answer.status, answer.body), (call_id, 3, b""), f"section 10: CALL to tag {tag:#x} without a handler")
    c.alive("after a CALL without a handler")
    check(not any(e.op == "error" for e in c.inbox), "section 2: an error that answers a CALL is an ANSWER instead")


@scenario
def call_echo():
    if options.echo_tag is None:
        raise Skip
    tag, c = options.echo_tag, Client()
    limit = c.hello()["max_frame"]
    for call_id, body in ((1, b"hello"), (0, b""), (2**32 - 1, bytes(range(256))), (9, os.urandom(limit - 5))):
        c.send(call(call_id, tag, body))
        answer = c.frame(ANSWER)
        check((answer.call_id, answer.status) == (call_id, 0) and answer.body == body, f"section 10: {answer}")
    c.send(b"".join(call(n, tag, b"%d" % n) for n in range(16)))
    got = [c.frame(ANSWER) for _ in range(16)]
    check(all(a.status in (0, 4) for a in got), f"section 10: status 0, or busy, got {got}")
    same(sorted(a.call_id for a in got), list(range(16)), "section 10: exactly one ANSWER for each")
    for body in (b"bare", os.urandom(70_000)):
        c.send(frame(tag, body))
        check(c.frame(tag).payload == body, "section 10: a bare frame is answered under its own tag")
    c.send(b"".join(frame(tag, b"%d" % n) for n in range(8)))
    same([c.frame(tag).payload for _ in range(8)], [b"%d" % n for n in range(8)], "section 2: a tag is one sequence")


@scenario
def slow_call():
    if options.slow_tag is None:
        raise Skip
    c, room = Client(), new_room()
    c.join(room)
    started = time.monotonic()
    c.send(call(5, options.slow_tag, b"slow") + frame(DATA, b"quick") + frame(HEARTBEAT, b"\0quick"))
    c.data(b"quick", "section 2: a slow handler does not hold up DATA")
    same(c.frame(HEARTBEAT).payload, b"\1quick", "section 2: nor heartbeats")
    c.ask("stats", "stats")
    c.send(call(6, 0x7F))
    answers = [c.frame(ANSWER)]
    check(time.monotonic() - started < 1.5, "section 2: a slow handler holds up neither heartbeats nor data")
    answers.append(c.frame(ANSWER))
    same([(a.call_id, a.status, a.body) for a in answers], [(6, 3, b""), (5, 0, b"slow")], "section 10: in any order between tags")


@scenario
def cut_everywhere():
    def session(cuts):
        room, c = new_room(), Client()
        c.answers_pings = False
        data = control("join", id=1, room_id=room, user_id="u") + frame(DATA, b"ab") + frame(HEARTBEAT, b"\0zz")
        for start, end in zip([0, *cuts], [*cuts, len(data)]):
            c.send(data[start:end])
            time.sleep(0.002 if cuts else 0)
        joined = c.op_with_id(1, "join")
        shown = (joined["op"], joined["last_seq"], joined["members"], c.frame(DATA).payload, c.frame(HEARTBEAT).payload,
                 c.op("member_joined")["user_id"], len(c.inbox))
        c.close()
        return shown, len(data)
    whole, length = session([])
    for cut in range(1, length):
        same(session([cut])[0], whole, f"section 2: the session cut at byte {cut}")
    same(session(list(range(1, length)))[0], whole, "section 2: byte by byte")


@scenario
def frames_in_one_record():
    room, c = new_room(), Client()
    c.send(control("hello", id=1, user_id="ann") + control("join", id=2, room_id=room) + frame(DATA, b"one")
           + frame(DATA) + frame(0x0E, b"skip") + control("members", id=3, room_id=room) + frame(HEARTBEAT)
           + control("leave", id=4, room_id=room) + control("join", id=5, room_id=room) + frame(DATA, b"two"))
    same([c.take(lambda e: e.json and "id" in e.json, "section 3: a reply").op for _ in range(5)],
         ["welcome", "joined", "members", "left", "joined"], "section 2: several frames in one TLS record")
    c.error("unknown_tag")
    # The room's records up to the leave may or may not be there: only the last is certain.
    c.take(lambda e: e.tag == DATA and e.payload == b"two", "section 4: DATA after the second join")
    same(c.frame(HEARTBEAT).payload, b"\1", "section 5: pong")


@scenario
def large_data():
    room = new_room()
    a, b = member(room, "ann"), member(room, "bob", deliver="message")
    limit = a.hello()["max_frame"]
    body = os.urandom(limit)
    a.send(frame(DATA, body))
    for c in (a, b):
        event = c.record("section 2: a frame of max_frame is delivered")
        got = event.payload if event.tag == DATA else event.body
        same((len(got), hashlib.sha256(got).digest()), (limit, hashlib.sha256(body).digest()), "section 2: max_frame bytes intact")
    b.send(record(b.channels[room], 1, body[:limit - 30]))
    check(b.record().body == body[:limit - 30], "section 2: a frame from the server may be up to 1 KiB longer")
    b.ack(room, 1)
    check(a.record().payload == body[:limit - 30], "section 6: a large MESSAGE as DATA")
    a.send(struct.pack(">BI", DATA, limit + 1) + body[:1000])
    a.error("frame_too_large", fatal=True, max_frame=limit)


@scenario
def incomplete_frame():
    room = new_room()
    watcher = member(room, "watcher")
    for number, end in enumerate(("finish", "abort", "finish", "abort")):
        c = member(room, f"u{number}")
        c.answers_pings = False
        half = frame(DATA, b"never") if number < 2 else record(c.channels[room], 1, b"never")
        c.send(frame(DATA, b"whole") + half[:-1])
        watcher.data(b"whole", "section 4: the frame before the incomplete one")
        getattr(c, end)()
        watcher.op("member_left", "section 3: a closed connection leaves", user_id=f"u{number}")
        watcher.send(frame(DATA, b"mark"))
        watcher.data(b"mark", "section 2: nothing is published from an incomplete frame")


@scenario
def lines():
    room = new_room("0")
    ann = Lines(f"/join {room} ann")
    ann.line("ann joined the room")
    bob = Lines(json.dumps({"user_id": "bob", "room_id": room}))
    bob.line("bob joined the room", "section 7: a JSON join")
    ann.line("bob joined the room")
    cid = member(room, "cid", deliver="message")
    ann.line("cid joined the room")
    ann.say("hello")
    bob.line("ann: hello")
    rec = cid.body(b"hello", "section 7: a line is published without its newline")
    same(rec.user, "ann", "section 7: under the name joined with")
    bob.say('{"message":"gr\u00fc\u00dfe \u2713"}')
    ann.line("bob: gr\u00fc\u00dfe \u2713")
    cid.body("gr\u00fc\u00dfe \u2713".encode(), "section 7: a JSON message")
    cid.send(frame(DATA, b"from a program"))
    ann.line("cid: from a program")
    taken = Lines(f"/join {room} ann")
    taken.line("User ID already taken")
    bob.say("/leave")
    ann.line("bob left the room")
    cid.op("member_left", user_id="bob")
    dan = Lines(f"/join {room}")
    check(ann.line(lambda t: t.endswith(" joined the room")).startswith("guest-"), "section 3: without a name a guest")
    dan.say("/quit")
    dan.expect_end("section 7: /quit")
    ann.line(lambda t: t.startswith("guest-") and t.endswith(" left the room"))


@scenario
def lines_commands():
    room = new_room("0")
    cid = member(room, "cid-the-member")
    ann = Lines(f"/join {room} ann")
    ann.line("ann joined the room")
    ann.say("/who")
    ann.line(lambda t: "cid-the-member" in t, "section 7: /who")
    ann.say("/rooms")
    ann.line(lambda t: room in t, "section 7: /rooms")
    ann.say("/ping")
    ann.line(lambda t: re.search(r"\d", t) and room not in t, "section 7: /ping answers with a time")
    ann.say("/help")
    ann.line(lambda t: "/join" in t, "section 7: /help")
    for bad in ("/nonsense", "{not json", "/join a/b ann", "{}"):
        ann.say(bad)
        ann.line(lambda t: t.startswith("error: "), f"section 7: error for {bad!r}")
    ann.say("still here")
    cid.data(b"still here", "section 7: commands are not published")


@scenario
def lines_two_rooms():
    one, two = new_room("one"), new_room("two")
    bob = {room: member(room, "bob") for room in (one, two)}
    ann = Lines(f"/join {one} ann")
    ann.line("ann joined the room")
    bob[one].send(frame(DATA, b"x"))
    ann.line("bob: x", "section 7: no prefix with one room")
    ann.say(f"/join {two} ann")
    ann.line(lambda t: t.endswith("ann joined the room"))
    for room in (one, two):
        bob[room].send(frame(DATA, b"y"))
        ann.line(f"[{room}] bob: y", "section 7: with more than one room a line begins with [ROOM]")
    ann.say("to two")
    bob[two].take(lambda e: e.payload == b"to two", "section 7: the room joined last is current")
    ann.say(f"/leave {two}")
    bob[two].op("member_left", user_id="ann")
    bob[one].send(frame(DATA, b"z"))
    ann.line("bob: z", "section 7: one room again")
    ann.say("to one")
    bob[one].take(lambda e: e.payload == b"to one", "section 7: after leaving, the room joined before")


@scenario
def lines_escapes():
    room = new_room()
    bob, ann = member(room, "bob"), Lines(f"/join {room} ann")
    ann.line("ann joined the room")
    for raw in (b"a\x1b[2J\x07b", b"a\nbob: forged", b"a\r\x08\x00", b"a\xff\xfe\x80", b"a\x7f", b"a\xc2\x9b2J"):
        bob.send(frame(DATA, raw))
        line = ann.line(lambda t: True, f"section 7: {raw!r}")
        check(line.startswith("bob: a") and line != "bob: a" and not re.search("[\x00-\x1f\x7f-\x9f\ufffd]", line),
              f"section 7: control characters are shown escaped, {raw!r} gave {line!r}")
    eve = Lines(f"/join {room} eve")
    ann.line("eve joined the room")
    eve.say(b"red \x1b[31m \xff")
    line = ann.line(lambda t: t.startswith("eve: red "), "section 7: a line with control characters")
    check("\x1b" not in line and len(line) > len("eve: red  "), f"section 7: shown escaped, got {line!r}")


@scenario
def first_byte_frames():
    c = Client(alpn=None)
    c.hello(user_id="ann")
    c.send(frame(0x80, b"x"))
    c.error("unknown_tag")
    for tag, code in ((0x07, "unknown_tag"), (0x0F, "unknown_tag"), (HEARTBEAT, "bad_heartbeat"), (MESSAGE, "bad_message")):
        c = Client(alpn=None)
        c.send(frame(tag, b"\x09"))
        c.error(code)
    c = Client(alpn=None)
    c.send(frame(HEARTBEAT, b"\0x"))
    same(c.frame(HEARTBEAT).payload, b"\1x", "section 1: frames by the first byte")
    c = Client(alpn=None)
    c.send(call(1, 0x7F))
    same(c.frame(ANSWER).status, 3, "section 1: frames by the first byte")


@scenario
def first_byte_wrong():
    for byte in (0x00, 0x10, 0x20, 0x61, 0x40, 0x5B, 0x7C, 0x80, 0xFF):
        c = Connection(alpn=None)
        c.send(bytes([byte]))
        c.expect_end(f"section 1: first byte {byte:#04x} closes the connection")
        check(c.text == b"" or byte == 0 and b"invalid_tag" in c.text, f"section 1: first byte {byte:#04x} speaks nothing, got {c.text!r}")


@scenario
def alpn():
    for offer, want in ((("tagwire/1",), "tagwire/1"), (("http/1.1", "tagwire/1"), "tagwire/1"),
                        (("foo", "http/1.1"), "http/1.1"), (None, None)):
        c = Connection(alpn=offer)
        same(c.tls.selected_alpn_protocol(), want, f"section 1: ALPN of {offer}")
    for offer in (("foo",), ("tagwire/2", "h2")):
        try:
            Connection(alpn=offer)
        except Refused as refused:
            same(refused.alert, 120, f"section 1: {offer} is refused with no_application_protocol (120): {refused}")
        else:
            raise AssertionError(f"section 1: ALPN {offer} must be refused")
    c = Client()  # ALPN wins over the first byte
    c.send(frame(ord("G"), b"ET / HTTP/1.1"))
    same(tag_of(c.error("unknown_tag")), ord("G"), "section 1: ALPN wins where both are there")


@scenario
def http():
    for offer in (("http/1.1",), None):
        for path in ("/", "/no/such/path", "/v1/rooms"):
            c = Connection(alpn=offer)
            c.send(f"GET {path} HTTP/1.1\r\nHost: {options.addr}\r\nConnection: close\r\n\r\n".encode())
            c.expect_end(f"section 8: GET {path} with Connection: close", notify=False)
            check(re.match(rb"HTTP/1\.[01] [1-5]\d\d ", c.text), f"section 8: an HTTP response, got {c.text[:80]!r}")


@scenario
def tls12():
    c = Client(tls12=True)
    same(c.tls.version(), "TLSv1.2", "section 1: TLS 1.2")
    suite = c.tls.cipher()[0]
    check("ECDHE" in suite and ("GCM" in suite or "POLY1305" in suite), f"section 1: AEAD and ECDHE only, got {suite}")
    c.hello()


def run(names):
    passed = failed = 0
    for name in names:
        try:
            scenarios[name]()
        except Skip:
            print(f"skip {name}", flush=True)
        except Exception as error:
            failed += 1
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            print(f"FAILED {name}: {kind}{' '.join(str(error).split())}", flush=True)
        else:
            passed += 1
            print(f"ok {name}", flush=True)
        while Connection.opened:
            Connection.opened.pop().close()
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def main():
    global options
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--addr", default="127.0.0.1:4433")
    parser.add_argument("--ca", default="certs/ca.pem")
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--echo-tag", type=lambda text: int(text, 0))
    parser.add_argument("--slow-tag", type=lambda text: int(text, 0))
    parser.add_argument("--max-rooms", type=int, default=64)
    options = parser.parse_args()
    if options.list:
        print("\n".join(scenarios))
        return 0
    host, port = options.addr.rsplit(":", 1)
    Connection.address, Connection.ca = (host.strip("[]"), int(port)), options.ca
    for name in options.only or ():
        if name not in scenarios:
            parser.error(f"no scenario {name}")
    return run(options.only or list(scenarios))


if __name__ == "__main__":
    sys.exit(main())
