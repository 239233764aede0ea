#!/usr/bin/env node
// Conformance client for the tagwire protocol, version 1. Node 20, standard library only.
//
//     node conformance.mjs --addr 127.0.0.1:4433 --ca ca.pem [--only NAME] [--list]
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  ANSWER, CONTROL, DATA, HEARTBEAT, MESSAGE, Client, Connection, Failure, Lines, bytes, call, check, connections, control,
  frame, header, isInt, isRecord, ping, range, record, same, short, show, target,
} from './tagwire_client.mjs';

class Skip extends Error {}

let options;
const scenarios = {};
const newRoom = (prefix = 'r') => `${prefix}-${randomBytes(6).toString('hex')}`;
const client = async (user_id, room, fields = {}) => {
  const c = await Client.open();
  await c.hello({ user_id, ...fields });
  if (room) await c.join(room);
  return c;
};

/** A fresh connection that has joined room and seen its own announcement. */
async function member(room_id, user_id, fields = {}) {
  const c = await Client.open();
  c.joined = await c.join(room_id, { user_id, ...fields });
  if (fields.deliver !== 'none') {
    await c.op('member_joined', { user_id, room_id }, 'section 3: the new member is announced to itself too');
  }
  return c;
}

function checkJoined(joined, room) {
  const section = 'section 3: joined';
  same(joined.room_id, room, `${section}.room_id`);
  for (const key of ['channel', 'next_seq', 'last_seq', 'last_time_ms', 'members', 'last_publish_id']) {
    check(isInt(joined[key]), `${section}.${key} is an unsigned integer, got ${short(joined)}`);
  }
  check(joined.channel < 2 ** 32, `${section}.channel is a u32`);
  check(typeof joined.epoch === 'string' && joined.epoch, `${section}.epoch is a short string, got ${short(joined)}`);
  check(typeof joined.resumed === 'boolean', `${section}.resumed is a boolean, got ${short(joined)}`);
  check(joined.next_seq > joined.last_seq, `${section}.next_seq is above last_seq, got ${short(joined)}`);
}

/** A member of room (deliver message) and the records of the bodies that it published. */
async function filled(room, bodies, user = 'writer') {
  const writer = await member(room, user, { deliver: 'message' }), records = [];
  bodies.forEach((body, n) => writer.publish(room, body, n + 1));
  for (const body of bodies) records.push(await writer.body(body));
  await writer.ack(room, bodies.length);
  return [writer, records];
}
const position = (joined, rec) => ({ epoch: joined.epoch, seq: rec.seq, time_ms: rec.timeMs });
const tagOf = (error) => (typeof error.tag === 'string' ? parseInt(error.tag, 16) : error.tag);

scenarios.hello_welcome = async () => {
  const c = await Client.open();
  const w = await c.hello({ user_id: 'ann', client_id: newRoom(), features: ['no-such-extension'], unknown: { x: [] } });
  check(typeof w.session === 'string' && w.session && bytes(w.session).length <= 32,
    `section 3: session is a string of at most 32 bytes, got ${short(w)}`);
  same(w.user_id, 'ann', 'section 3: welcome.user_id is that of hello');
  check(['string', 'object'].includes(typeof w.server) && w.server, `section 3: welcome.server, got ${short(w)}`);
  check(isInt(w.max_frame) && w.max_frame > 0, `section 3: welcome.max_frame, got ${short(w)}`);
  check(isInt(w.heartbeat_ms), `section 3: welcome.heartbeat_ms, got ${short(w)}`);
  check(w.default_room === null || typeof w.default_room === 'string', `section 3: welcome.default_room, got ${short(w)}`);
  same(w.features, [], 'section 3: features both sides know, none in version 1');
  same((await c.request('hello')).op, 'error', 'section 3: hello may come once');
  await c.alive('after a second hello');
  const g = await (await Client.open()).hello();
  same(g.user_id, `guest-${g.session}`, 'section 3: without a name one is guest-SESSION');
  check(g.session !== w.session, 'section 3: a session is never used twice');
};

scenarios.request_ids = async () => {
  const c = await Client.open();
  c.send(control({ op: 'stats' }));
  check(!('id' in await c.op('stats')), 'section 3: no id in the request, none in the reply');
  for (const id of ['x'.repeat(64), '', 0, 7, 2 ** 31]) {
    c.send(control({ op: 'stats', id }));
    same((await c.op('stats')).id, id, 'section 3: the reply repeats the id');
  }
  c.send(control({ op: 'nonsense', id: 41 }));
  await c.error('unknown_op', { id: 41 });
  c.send(Buffer.concat(range(0, 20).map((id) => control({ op: 'stats', id }))));
  for (const id of range(0, 20)) same((await c.op('stats')).id, id, 'section 2: CONTROL is acted on in order');
};

scenarios.join_joined = async () => {
  const room = newRoom(), c = await Client.open();
  const j = await c.join(room, { user_id: 'ann', unknown: 'ignored' });
  checkJoined(j, room);
  same([j.last_seq, j.last_time_ms, j.last_publish_id], [0, 0, 0], 'section 3: joined of an empty room');
  check([0, 1].includes(j.members), `section 3: members of a new room, got ${short(j)}`);
  c.send(frame(DATA, 'one'));
  await c.data('one');
  const d = await client('bob'), k = await d.join(room, { deliver: 'message' });
  checkJoined(k, room);
  check(k.last_seq >= 1 && k.last_time_ms > 0, `section 3: last_seq and last_time_ms of the last record, got ${short(k)}`);
  same(k.epoch, j.epoch, 'section 3: the epoch of a room is the same for all');
  same(k.members - j.members, 1, 'section 3: members counts');
  check((await d.join(newRoom())).channel !== k.channel, 'section 3: another room has another channel');
  await d.op('member_joined', { room_id: room, user_id: 'bob', session: d.session });
};

scenarios.invalid_tag = async () => {
  const c = await Client.open();
  c.send(frame(0));
  await c.error('invalid_tag', {}, true);
};

scenarios.unknown_tag = async () => {
  for (const tag of [...range(0x07, 0x10), 0x47, 0x7f, 0xfe]) {
    const c = await Client.open(); // a fresh one each: on tagwire/1 the first frame may have any tag
    c.send(Buffer.concat([frame(tag, 'xxx'), frame(tag)]));
    for (let n = 0; n < 2; n++) same(tagOf(await c.error('unknown_tag')), tag, 'section 2: unknown_tag carries tag');
    await c.alive('an unknown tag is skipped');
    c.close();
  }
  const c = await Client.open();
  c.send(frame(0x7e, Buffer.alloc(100_000, 1)));
  same(tagOf(await c.error('unknown_tag')), 0x7e, 'section 2: unknown_tag carries tag');
  await c.alive('the payload of an unknown tag is skipped');
};

scenarios.frame_too_large = async () => {
  const max_frame = (await (await Client.open()).hello()).max_frame;
  for (const [tag, length] of [[DATA, max_frame + 1], [DATA, 2 ** 32 - 1], [CONTROL, max_frame + 1], [MESSAGE, 2 ** 31]]) {
    const c = await Client.open();
    c.send(header(tag, length));
    await c.error('frame_too_large', { max_frame }, true);
  }
};

scenarios.bad_control = async () => {
  const nested = (n) => '['.repeat(n) + ']'.repeat(n), deep = (n) => `${'{"a":'.repeat(n)}1${'}'.repeat(n)}`;
  const stats = (x) => `{"op":"stats","x":${x}}`, join = (rest) => `{"op":"join","room_id":"a",${rest}}`;
  const variants = [
    '', ' ', 'x', 'null', '1', '"stats"', '[]', '[{"op":"stats"}]', '{', '{"op":"stats"}{"op":"stats"}',
    '{"op":"stats"} x', '{}', '{"id":"q"}', '{"op":7}', '{"op":null}', '{"op":"stats","op":"stats"}',
    join('"room_id":"a"'), join('"deliver":"data","deliver":"data"'), '{"op":"join","room_id":5}',
    '{"op":"join","room_id":["a"]}', '{"op":"join"}', '{"op":"hello","user_id":{}}', '{"op":"hello","client_id":5}',
    join('"echo":"no"'), '{"op":"rooms","limit":"many"}', join('"deliver":1'), join('"after":7'), join('"group":"g"'),
    '{"op":"stats","id":1.5}', '{"op":"stats","id":{}}', stats(nested(17)), stats(deep(17)), stats(nested(4000)),
    stats(`"${'x'.repeat(16384)}"`), Buffer.from(stats('"\xff"'), 'latin1'),
  ];
  const c = await Client.open();
  for (const variant of variants) {
    c.send(frame(CONTROL, variant));
    await c.error('bad_control').catch((e) => { throw new Failure(`${short(variant, 60)}: ${e.message}`); });
  }
  for (const fields of [{ op: 'join', room_id: 5 }, { op: 'join', room_id: 'a', group: 'g' }, { nothing: 1 }]) {
    c.send(control({ id: 'q', ...fields }));
    await c.error('bad_control', { id: 'q' });
  }
  c.send(frame(CONTROL, stats(`"${'x'.repeat(16384 - stats('""').length)}"`)));
  await c.op('stats', {}, 'section 2: a CONTROL of exactly 16 KiB is fine');
  for (const text of [nested(15), deep(15)]) {
    c.send(frame(CONTROL, stats(text)));
    await c.op('stats', {}, 'section 2: nested 16 deep is fine');
  }
  await c.alive();
};

scenarios.unknown_op = async () => {
  const c = await Client.open();
  await c.fails('unknown_op', 'dance');
  await c.fails('unknown_op', 'JOIN');
  await c.alive();
};

scenarios.bad_heartbeat = async () => {
  const c = await Client.open();
  for (const payload of [Buffer.alloc(66), '\x02', Buffer.from([255]), Buffer.alloc(16384), Buffer.alloc(16384, 1)]) {
    c.send(frame(HEARTBEAT, payload));
    await c.error('bad_heartbeat');
    await c.alive('a bad heartbeat is skipped');
  }
};

scenarios.bad_message = async () => {
  const room = newRoom(), c = await Client.open();
  const { channel } = await c.join(room, { user_id: 'ann', deliver: 'message' });
  const whole = record(channel, 7, '').subarray(5), beyond = Buffer.concat([whole.subarray(0, 29), Buffer.from('\x05abc')]);
  for (const payload of [...[0, 1, 4, 13, 29].map((size) => whole.subarray(0, size)), beyond]) {
    c.send(frame(MESSAGE, payload));
    await c.error('bad_message');
  }
  for (const flags of [1, 0x80]) {
    c.send(record(channel, 7, 'flags', flags));
    const error = await c.error('bad_message', { publish_id: 7, channel });
    check([room, undefined, null].includes(error.room_id), `section 2: room_id where known, got ${short(error)}`);
  }
  const nowhere = (channel + 7777) % 2 ** 32;
  c.send(record(nowhere, 8, 'nowhere'));
  await c.error('bad_message', { publish_id: 8, channel: nowhere });
  c.publish(room, 'good', 9);
  await c.body('good', 'section 6: nothing of a bad MESSAGE was published');
};

scenarios.bad_room = async () => {
  const c = await Client.open();
  for (const room_id of ['', 'x'.repeat(65), 'a b', 'a/b', 'r\u00fcm', 'a\n', '#a', '*']) await c.fails('bad_room', 'join', { room_id });
  for (const room of ['x'.repeat(52) + newRoom('').slice(0, 12), newRoom('Az09._-:')]) checkJoined(await c.join(room), room);
};

scenarios.bad_user = async () => {
  const c = await Client.open(), room_id = newRoom();
  for (const user_id of ['', 'u'.repeat(65), '\u00fc'.repeat(33), 'a\0b', 'a\nb', '\x1b[2J', '\x7f']) {
    await c.fails('bad_user', 'join', { room_id, user_id });
  }
  await (await Client.open()).fails('bad_user', 'hello', { user_id: 'a\rb' });
  for (const user of ['u'.repeat(64), '\u00fc'.repeat(32), 'J\u00f6rg \u2713']) await member(newRoom(), user);
};

scenarios.user_taken = async () => {
  const room_id = newRoom(), user_id = 'ann', a = await member(room_id, user_id), b = await Client.open();
  await b.fails('user_taken', 'join', { room_id, user_id });
  await b.join(newRoom(), { user_id });
  await a.join(room_id, { user_id }); // a join of a room that one is in replaces
  await a.ask('leave', 'left', { room_id });
  await b.join(room_id, { user_id });
};

scenarios.not_joined = async () => {
  const room_id = newRoom(), c = await Client.open();
  await c.fails('not_joined', 'leave', { room_id });
  await c.join(room_id);
  same((await c.ask('leave', 'left', { room_id })).room_id, room_id, 'section 3: left.room_id');
  await c.fails('not_joined', 'leave', { room_id });
  c.send(frame(DATA, 'nowhere'));
  // Either it has no current room now, or the default room takes it.
  const event = await c.take((e) => e.tag === DATA || e.op === 'error', 'section 2: not_joined');
  check(event.tag === DATA || event.json.code === 'not_joined', `section 2: not_joined, got ${show(event)}`);
  await c.alive();
};

scenarios.too_many_rooms = async () => {
  const c = await Client.open(), prefix = newRoom();
  for (const n of range(0, options.maxRooms)) await c.join(`${prefix}-${n}`);
  await c.fails('too_many_rooms', 'join', { room_id: `${prefix}-more` });
  await c.join(`${prefix}-0`); // in it already
  await c.ask('leave', 'left', { room_id: `${prefix}-0` });
  await c.join(`${prefix}-more`);
};

scenarios.too_many_errors = async () => {
  const c = await Client.open();
  c.send(Buffer.concat(range(0, 150).map(() => frame(0x0f))));
  let count = 0, error;
  while ((error = await c.op('error', {}, 'section 2: too_many_errors')).code === 'unknown_tag') count++;
  same([error.code, error.fatal], ['too_many_errors', true], 'section 2: too_many_errors is fatal');
  check(count >= 98 && count <= 101, `section 2: a hundred errors within 10 s, it were ${count}`);
  await c.expectEnd();
};

scenarios.session_taken = async () => {
  const room_id = newRoom(), hello = { op: 'hello', user_id: 'ann', client_id: newRoom() };
  const watcher = await member(room_id, 'watcher');
  const a = await client('ann', room_id, hello);
  await watcher.op('member_joined', { user_id: 'ann', session: a.session });
  const b = await Client.open();
  b.send(Buffer.concat([control({ ...hello, id: 1 }), control({ op: 'join', id: 2, room_id })]));
  same((await b.reply(1, 'hello')).op, 'welcome', 'section 3: hello with a client_id in use');
  const answer = await b.reply(2, 'join');
  same(answer.op, 'joined', `section 3: the user ids are free before welcome (${short(answer)})`);
  await a.error('session_taken', {}, true);
  await watcher.op('member_left', { user_id: 'ann', session: a.session });
  await watcher.op('member_joined', { user_id: 'ann' });
};

scenarios.broadcast_data = async () => {
  const room = newRoom(), members = [];
  for (const name of ['ann', 'bob', 'cid']) members.push(await member(room, name));
  for (const [index, sender] of members.entries()) {
    for (const body of [`from ${index}`, '', Buffer.from(range(0, 256))]) {
      sender.send(frame(DATA, body));
      for (const receiver of members) await receiver.data(body);
    }
  }
};

scenarios.default_room = async () => {
  const room_id = (await (await Client.open()).hello()).default_room;
  if (!room_id) throw new Skip();
  const a = await Client.open(), b = await Client.open({ alpn: null }), mark = range(0, 3).map(() => randomBytes(12));
  const gets = (c, n, why) => c.take((e) => e.tag === DATA && e.payload.equals(mark[n]), why);
  for (const [n, c] of [a, b].entries()) {
    c.send(frame(DATA, mark[n]));
    await gets(c, n, 'section 4: the first DATA joins the default room');
  }
  await gets(a, 1, 'section 4: and reaches who is there');
  check(![...a.inbox, ...b.inbox].some((e) => e.op === 'joined'), 'section 4: no joined is sent for the default room');
  const c = await client(newRoom('u'));
  c.send(frame(DATA, mark[2]));
  await gets(b, 2, 'section 4: the default room');
  await a.op('member_joined', { room_id, user_id: c.name, session: c.session });
};

scenarios.echo_false = async () => {
  const room = newRoom(), a = await member(room, 'ann', { echo: false }), b = await member(room, 'bob');
  a.send(frame(DATA, 'mine'));
  await b.data('mine');
  b.send(frame(DATA, 'yours'));
  await a.data('yours', "section 4: echo:false keeps one's own DATA from coming back");
  await a.join(room, { user_id: 'ann', echo: true });
  a.send(frame(DATA, 'again'));
  await a.data('again', 'section 3: a second join replaces echo');
  const answer = await b.request('join', { room_id: room, user_id: 'bob', deliver: 'message', echo: false });
  check(['joined', 'error'].includes(answer.op), 'section 3: echo:false with message is refused or means nothing');
  await b.alive();
};

scenarios.deliver_mix = async () => {
  const room = newRoom(), d = await member(room, 'dan'), m = await member(room, 'mia', { deliver: 'message' });
  await d.op('member_joined', { user_id: 'mia' });
  const n = await member(room, 'nil', { deliver: 'none' });
  same(n.joined.members, 2, 'section 3: deliver none is not counted');
  d.send(frame(DATA, '1'));
  await m.body('1');
  m.publish(room, '2', 1);
  await d.data('1');
  await d.data('2');
  n.send(frame(DATA, '3'));
  await d.data('3');
  n.publish(room, '4', 1);
  await d.data('4');
  await n.ack(room, 1);
  const users = [];
  for (const body of ['2', '3', '4']) users.push((await m.body(body)).user);
  same(users, ['mia', 'nil', 'nil'], 'section 6: user_id is who sent it');
  await n.ask('leave', 'left', { room_id: room });
  d.send(frame(DATA, '5'));
  same((await d.roomEvent('section 3')).payload.toString(), '5', 'section 3: deliver none is neither announced nor missed');
  check(!n.inbox.some((e) => isRecord(e) || e.op?.startsWith('member_')),
    `section 3: deliver none receives neither records nor presence, got ${n.unread()}`);
  const answer = await d.request('join', { room_id: room, user_id: 'dan', deliver: 'sideways' });
  same(answer.op, 'error', 'section 3: deliver is data, message or none');
};

scenarios.message_fields = async () => {
  const room = newRoom(), before = Date.now(), name = 'J\u00f6rg';
  const [writer, records] = await filled(room, ['one', '', 'three'], name);
  writer.send(frame(DATA, 'four'));
  records.push(await writer.body('four', 'section 6: DATA and MESSAGE are two views of one log'));
  let last = 0;
  for (const rec of records) {
    same([rec.channel, rec.flags, rec.user], [writer.channels[room], 0, name], 'section 6: channel, flags, user_id');
    same(rec.prev, last, 'section 6: prev is the seq of the record before, 0 for the first');
    check(last < rec.seq && isInt(rec.seq), `section 6: seq rises strictly, ${rec.seq} after ${last}`);
    check(Math.abs(rec.timeMs - before) < 60_000, `section 6: time_ms is the time of day, got ${rec.timeMs}`);
    last = rec.seq;
  }
  const { joined } = await member(room, 'late');
  same([joined.last_seq, joined.last_time_ms], [last, records.at(-1).timeMs], 'section 3: last_seq, last_time_ms');
  const guest = await client(undefined, room);
  guest.send(frame(DATA, 'five'));
  const rec = await writer.body('five');
  same([rec.user, rec.prev], [`guest-${guest.session}`, last], 'section 3: a guest is guest-SESSION');
};

scenarios.one_order = async () => {
  const room = newRoom(), count = 100, readers = [], logs = [], bodies = [], numbers = range(1, count + 1);
  for (const name of ['w0', 'w1', 'reader']) readers.push(await member(room, name, { deliver: 'message' }));
  const plain = await member(room, 'plain'), writers = readers.slice(0, 2);
  await Promise.all(writers.map(async (writer, w) => { for (const n of numbers) await writer.publish(room, `${'ab'[w]} ${n}`, n); }));
  for (const reader of readers) {
    const log = [];
    while (log.length < 2 * count) log.push(await reader.frame(MESSAGE));
    logs.push(log.map((e) => [e.seq, e.prev, e.timeMs, e.user, e.body.toString()]));
  }
  while (bodies.length < 2 * count) bodies.push((await plain.frame(DATA)).payload.toString());
  for (const log of logs) same(log, logs[0], 'section 6: every member sees the same records in the same order');
  same(bodies, logs[0].map((e) => e[4]), 'section 6: DATA is the same log');
  logs[0].slice(1).forEach(([seq, prev], n) => {
    check(prev === logs[0][n][0] && prev < seq, `section 6: prev chain, ${logs[0][n][0]} then prev ${prev} seq ${seq}`);
  });
  for (const name of 'ab') {
    same(bodies.filter((b) => b[0] === name), numbers.map((n) => `${name} ${n}`), 'section 6: publishes do not overtake');
  }
  for (const writer of writers) await writer.ack(room, count);
};

scenarios.ack = async () => {
  const room = newRoom(), c = await member(room, 'ann', { deliver: 'message' });
  c.publish(room, 'unasked', 0);
  c.publish(room, 'asked', 3);
  await c.body('unasked');
  let rec = await c.body('asked');
  const got = await c.op('ack');
  same([got.room_id, got.publish_id, got.seq], [room, 3, rec.seq], 'section 6: publish_id 0 has no ack');
  c.send(Buffer.concat(range(10, 60).map((n) => record(c.channels[room], n, `${n}`))));
  for (const n of range(10, 60)) rec = await c.body(`${n}`);
  same((await c.ack(room, 59)).seq, rec.seq, 'section 6: ack.seq of the last');
  c.publish(room, '59', 59);
  c.publish(room, '60', 60);
  await c.body('60', 'section 6: a duplicate within the connection is dropped');
  await c.ack(room, 60);
  const second = newRoom();
  await c.join(second, { deliver: 'message' });
  c.publish(second, 's', 61);
  await c.ack(second, 61);
};

scenarios.duplicates = async () => {
  const room = newRoom(), client_id = newRoom(), watcher = await member(room, 'watcher', { deliver: 'message' });
  const connect = async (fields = {}) => {
    const c = await client('ann', null, { client_id });
    return [c, await c.join(room, { deliver: 'message', ...fields })];
  };
  const [a, first] = await connect(), records = [];
  same(first.last_publish_id, 0, 'section 6: last_publish_id of a new client_id');
  for (const n of [1, 2, 3]) a.publish(room, `${n}`, n);
  await a.ack(room, 3);
  for (const n of [1, 2, 3]) records.push(await a.body(`${n}`));
  await a.abort();
  const [b, second] = await connect({ after: position(first, records[2]) });
  same([second.last_publish_id, second.resumed], [3, true], 'section 6: after a reconnect');
  b.publish(room, '3', 3);
  same((await b.op('ack')).publish_id, 3, 'section 6: a duplicate is acknowledged');
  b.publish(room, '4', 4);
  await b.body('4', 'section 6: what the server has already is dropped');
  await b.ack(room, 4);
  b.publish(room, '5', 5);
  await b.finish(); // without waiting for the ack
  const [c, third] = await connect();
  check([4, 5].includes(third.last_publish_id), `section 6: last_publish_id, got ${short(third)}`);
  c.publish(room, '5', 5);
  c.publish(room, '6', 6);
  await c.ack(room, 6);
  for (const n of range(1, 7)) await watcher.body(`${n}`, 'section 6: every publish is stored once');
  const stranger = await member(room, 'stranger');
  same(stranger.joined.last_publish_id, 0, "section 6: last_publish_id is that of one's own client_id");
};

scenarios.presence = async () => {
  const room = newRoom(), a = await client('ann', room), b = await client('bob', room);
  b.send(frame(DATA, 'hi'));
  await b.ask('leave', 'left', { room_id: room });
  await b.join(room, { user_id: 'ben' });
  await b.join(room, { user_id: 'ben', deliver: 'message' }); // announces nothing
  b.send(frame(DATA, 'ho'));
  await b.finish();
  const seen = (e) => (e.tag === DATA ? `${e.payload}` : [e.op, e.json.room_id, e.json.user_id, e.json.session]);
  const [come, gone] = ['member_joined', 'member_left'].map((op) => (c, name) => [op, room, name, c.session]);
  const want = [come(a, 'ann'), come(b, 'bob'), 'hi', gone(b, 'bob'), come(b, 'ben'), 'ho', gone(b, 'ben')];
  for (const step of want) same(seen(await a.roomEvent(`section 3: ${step}`)), step, 'section 3: presence is in order with the messages');
  same(seen(await b.roomEvent('section 3: presence')), come(b, 'bob'), 'section 3: the new member sees itself, and none before');
};

scenarios.members_paging = async () => {
  const room_id = newRoom(), clients = [];
  for (const name of ['eve', 'dan', 'cid', 'bob', 'ann']) clients.unshift(await client(name, room_id));
  const want = clients.map((c) => ({ user_id: c.name, session: c.session }));
  const pages = [[{}, want, false], [{ limit: 2 }, want.slice(0, 2), true], [{ limit: 2, after: 'bob' }, want.slice(2, 4), true],
    [{ limit: 2, after: 'dan' }, want.slice(4), false], [{ limit: 5 }, want, false], [{ after: 'eve' }, [], false]];
  for (const [fields, members, more] of pages) {
    const page = await clients[0].ask('members', 'members', { room_id, ...fields });
    same([page.room_id, page.members, page.more], [room_id, members, more], `section 3: members ${short(fields)}`);
  }
};

scenarios.rooms_paging = async () => {
  const prefix = newRoom('rooms'), c = await Client.open(), names = range(0, 4).map((n) => `${prefix}-${n}`);
  for (const name of [...names].reverse()) await c.join(name, { user_id: 'ann' });
  c.send(frame(DATA, 'x')); // to names[0], joined last
  await c.data('x');
  const list = async (fields) => {
    const page = await c.ask('rooms', 'rooms', fields);
    check(typeof page.more === 'boolean', 'section 3: rooms, more is a boolean');
    return [page.rooms.map((r) => r.room_id), page.more, page.rooms];
  };
  const [first, more, entries] = await list({ limit: 2, after: names[0] });
  same([first, more], [names.slice(1, 3), true], 'section 3: rooms, limit 2');
  for (const entry of entries) check(isInt(entry.next_seq) && entry.members === 1, `section 3: rooms entry, got ${short(entry)}`);
  same((await list({ limit: 1, after: names[2] }))[0], names.slice(3), 'section 3: rooms, the next page');
  const [every] = await list({});
  same(every, [...every].sort(), 'section 3: rooms are sorted');
  check(every.length <= 1000, 'section 3: at most 1,000');
};

scenarios.current_room = async () => {
  const [a, b, c] = 'abc'.split('').map(newRoom), watchers = {}, m = await Client.open();
  for (const room of [a, b, c]) watchers[room] = await member(room, 'watcher');
  const lands = async (room, why) => {
    const body = randomBytes(6);
    m.send(frame(DATA, body));
    for (const receiver of [watchers[room], m]) await receiver.data(body, `section 4: ${why}`);
  };
  const join = async (room) => { await m.join(room, { user_id: 'm' }); await lands(room, 'the room joined last, or again, is current'); };
  const leave = async (room_id, then, why) => { await m.ask('leave', 'left', { room_id }); await lands(then, why); };
  for (const room of [a, b, c]) await join(room);
  await leave(b, c, 'leaving another room changes nothing');
  await leave(c, a, 'after leaving, the one joined before it');
  await join(b);
  await join(a);
  await leave(a, b, 'after leaving, the one joined before it');
};

scenarios.join_from = async () => {
  const room = newRoom(), bodies = range(0, 6).map(String);
  const [writer, records] = await filled(room, bodies);
  const reads = async (from, want, deliver = 'message') => {
    const c = await member(room, newRoom('u'), { deliver, from }), mark = newRoom(), got = [];
    checkJoined(c.joined, room);
    writer.send(frame(DATA, mark));
    bodies.push(mark);
    while (got.at(-1) !== mark) {
      const event = await c.record(`section 3: from ${short(from)}`);
      got.push(`${event.tag === MESSAGE ? event.body : event.payload}`);
    }
    same(got.slice(0, -1), want, `section 3: from ${short(from)}`);
    check(!c.inbox.some((e) => e.op === 'gap'), `section 3: no gap for from ${short(from)}`);
    c.close();
  };
  await reads(undefined, []);
  await reads(records[2].seq, bodies.slice(2));
  await reads('earliest', [...bodies]);
  await reads({ last: 3 }, bodies.slice(-3));
  await reads({ last: 0 }, []);
  await reads({ last: 900 }, [...bodies]);
  await reads('earliest', [...bodies], 'data');
  const twice = await Client.open();
  await twice.join(room, { user_id: 'twice', deliver: 'message' });
  await twice.join(room, { user_id: 'twice', deliver: 'message', from: 'earliest' });
  for (const body of bodies) await twice.body(body, 'section 3: a join of a room that one is in replaces the position');
};

scenarios.resume = async () => {
  const room = newRoom(), bodies = ['1', '2', '3'], { joined } = await member(room, 'ann', { deliver: 'message' });
  const start = { epoch: joined.epoch, seq: joined.last_seq, time_ms: joined.last_time_ms };
  const [writer, records] = await filled(room, bodies), end = position(joined, records[2]);
  const resumes = async (after, want, why) => {
    const c = await member(room, newRoom('u'), { deliver: 'message', after }), mark = newRoom();
    same(c.joined.resumed, true, `section 3: resumed, ${why}`);
    writer.publish(room, mark);
    let last;
    for (const body of [...want, mark]) last = await c.body(body, `section 3: ${why}`);
    check(!c.inbox.some((e) => e.op === 'gap'), `section 3: no gap, ${why}`);
    bodies.push(mark);
    c.close();
    return last;
  };
  const last = await resumes(end, [], 'nothing was missed');
  await resumes(position(joined, records[0]), bodies.slice(1), 'some were missed');
  await resumes(start, [...bodies], 'from an empty log on');
  await resumes({ ...start, seq: 0, time_ms: 0 }, [...bodies], 'seq 0 is from the first record on');
  await resumes(position(joined, last), bodies.slice(4), 'the last known record was a later one');
  const plain = await member(room, 'plain', { after: end });
  for (const body of bodies.slice(3)) await plain.data(body, 'section 3: after goes with data too');
};

scenarios.resume_gap = async () => {
  const room = newRoom(), [writer, records] = await filled(room, ['1', '2', '3']), seqs = records.map((r) => r.seq);
  const { epoch } = writer.joined, tail = position(writer.joined, records[2]), first = position(writer.joined, records[0]);
  const cases = [
    [{ ...tail, epoch: 'no-such-epoch' }, ['epoch']],
    [{ epoch: 'no-such-epoch', seq: 0, time_ms: 0 }, ['epoch']],
    [{ ...tail, time_ms: tail.time_ms + 1 }, ['regressed']],
    [{ ...first, time_ms: first.time_ms - 1 }, ['regressed']],
    [{ ...tail, seq: tail.seq + 1000 }, ['regressed', 'epoch']],
  ];
  for (const [after, reasons] of cases) {
    const c = await Client.open(), mark = newRoom();
    c.send(control({ op: 'join', id: 1, room_id: room, user_id: newRoom('u'), deliver: 'message', after }));
    const joined = await c.take((e) => e.tag === MESSAGE || ['joined', 'gap', 'error'].includes(e.op), 'section 3: joined');
    same([joined.op, joined.json?.resumed], ['joined', false], `section 3: resumed is never guessed, after ${short(after)}`);
    const { op, json: gap } = await c.take((e) => e.tag === MESSAGE || e.op === 'gap', 'section 3: gap');
    same(op, 'gap', 'section 3: the order is joined, gap, records');
    same([gap.room_id, gap.epoch], [room, epoch], 'section 3: gap.room_id, gap.epoch');
    check(reasons.includes(gap.reason), `section 3: gap.reason is one of ${reasons}, got ${short(gap)}`);
    check(isInt(gap.next_seq) && isInt(gap.after_seq), `section 3: after_seq, next_seq, got ${short(gap)}`);
    check(gap.missed === null || isInt(gap.missed), `section 3: missed is a count or null, got ${short(gap)}`);
    writer.publish(room, mark);
    seqs.push((await writer.body(mark)).seq);
    let next = await c.record('section 3: delivery goes on');
    same(next.seq, seqs.find((s) => s >= gap.next_seq), 'section 3: delivery goes on with next_seq');
    check([seqs[0], seqs.at(-1)].includes(next.seq), 'section 3: with the oldest kept, or the next to come');
    while (`${next.body}` !== mark) next = await c.record('section 3: and with what follows it');
  }
};

scenarios.heartbeat = async () => {
  const c = await Client.open(), pong = (n) => frame(HEARTBEAT, `\x01${n}`);
  for (const opaque of ['', 'x', Buffer.from(range(0, 64)), Buffer.alloc(64, 255)]) await c.ping(opaque);
  c.send(frame(HEARTBEAT));
  same((await c.frame(HEARTBEAT)).payload, bytes('\x01'), 'section 5: an empty payload is a ping without opaque bytes');
  c.send(Buffer.concat([pong(''), pong('y'.repeat(64))]));
  await c.ping('after', 'section 5: a pong that nobody asked for is ignored');
  check(!c.inbox.length, `section 5: no answer to a pong, got ${c.unread()}`);
  c.send(Buffer.concat(range(0, 50).map((n) => ping(`${n}`))));
  for (const n of range(0, 50)) same((await c.frame(HEARTBEAT)).payload, bytes(`\x01${n}`), 'section 2: heartbeats are one sequence');
};

scenarios.stats = async () => {
  const c = await client(undefined, newRoom()), one = await c.ask('stats', 'stats');
  c.send(frame(0x0f));
  await c.error('unknown_tag');
  c.send(frame(DATA, 'x'.repeat(5000)));
  await c.data('x'.repeat(5000));
  const two = await c.ask('stats', 'stats');
  for (const key of ['bytes_in', 'bytes_out', 'frames_in', 'frames_out', 'errors', 'uptime_ms']) {
    check(isInt(one[key]) && isInt(two[key]) && two[key] >= one[key], `section 3: stats.${key}, got ${one[key]} then ${two[key]}`);
  }
  check(two.bytes_in >= one.bytes_in + 5000 && two.bytes_out >= one.bytes_out + 5000 && two.frames_in >= one.frames_in + 2
    && two.errors === one.errors + 1, `section 3: stats count, ${short(one)} then ${short(two)}`);
  for (const [key, names] of [['rtt_us', ['last', 'min', 'smoothed']], ['handle_us', ['p50', 'p99']]]) {
    const fits = (name) => two[key][name] === null || typeof two[key][name] === 'number';
    check(two[key] === null || (typeof two[key] === 'object' && names.every(fits)), `section 3: stats.${key} has ${names}, got ${short(two, 400)}`);
  }
};

scenarios.call_without_handler = async () => {
  const c = await Client.open();
  for (const [id, tag] of [[0, 0x7f], [2 ** 32 - 1, 0xfe], [7, 0x0f]]) {
    c.send(call(id, tag, 'payload'));
    const answer = await c.frame(ANSWER);
    same([answer.callId, answer.status, answer.body.length], [id, 3, 0], `section 10: CALL to tag ${tag} without a handler`);
  }
  await c.alive('after a CALL without a handler');
  check(!c.inbox.some((e) => e.op === 'error'), 'section 2: an error that answers a CALL is an ANSWER instead');
};

scenarios.call_echo = async () => {
  const tag = options.echoTag;
  if (tag === undefined) throw new Skip();
  const c = await Client.open(), { max_frame } = await c.hello(), all = Buffer.from(range(0, 256));
  for (const [id, body] of [[1, 'hello'], [0, ''], [2 ** 32 - 1, all], [9, randomBytes(max_frame - 5)]]) {
    c.send(call(id, tag, body));
    const answer = await c.frame(ANSWER);
    same([answer.callId, answer.status], [id, 0], 'section 10: ANSWER');
    same(answer.body, bytes(body), 'section 10: the reply of the echo handler');
  }
  c.send(Buffer.concat(range(0, 16).map((n) => call(n, tag, `${n}`))));
  const got = [];
  while (got.length < 16) got.push(await c.frame(ANSWER));
  check(got.every((e) => [0, 4].includes(e.status)), 'section 10: status 0, or busy');
  same(got.map((e) => e.callId).sort((x, y) => x - y), range(0, 16), 'section 10: exactly one ANSWER for each');
  for (const body of [bytes('bare'), randomBytes(70_000)]) {
    c.send(frame(tag, body));
    same((await c.frame(tag)).payload, body, 'section 10: a bare frame is answered under its own tag');
  }
  c.send(Buffer.concat(range(0, 8).map((n) => frame(tag, `${n}`))));
  for (const n of range(0, 8)) same(`${(await c.frame(tag)).payload}`, `${n}`, 'section 2: a tag is one sequence');
};

scenarios.slow_call = async () => {
  if (options.slowTag === undefined) throw new Skip();
  const c = await client(undefined, newRoom()), started = performance.now();
  c.send(Buffer.concat([call(5, options.slowTag, 'slow'), frame(DATA, 'quick'), ping('quick')]));
  await c.data('quick', 'section 2: a slow handler does not hold up DATA');
  same(`${(await c.frame(HEARTBEAT)).payload}`, '\x01quick', 'section 2: nor heartbeats');
  await c.ask('stats', 'stats');
  c.send(call(6, 0x7f));
  const answers = [await c.frame(ANSWER)];
  check(performance.now() - started < 1500, 'section 2: a slow handler holds up neither heartbeats nor data');
  answers.push(await c.frame(ANSWER));
  same(answers.map((e) => [e.callId, e.status, `${e.body}`]), [[6, 3, ''], [5, 0, 'slow']], 'section 10: in any order between tags');
};

scenarios.cut_everywhere = async () => {
  const session = async (cuts) => {
    const room = newRoom(), c = await Client.open();
    c.answersPings = false;
    const data = Buffer.concat([control({ op: 'join', id: 1, room_id: room, user_id: 'u' }), frame(DATA, 'ab'), ping('zz')]);
    for (const [n, end] of [...cuts, data.length].entries()) {
      await c.send(data.subarray(n ? cuts[n - 1] : 0, end));
      if (cuts.length) await sleep(2);
    }
    const joined = await c.reply(1, 'join');
    const shown = [joined.op, joined.last_seq, joined.members, `${(await c.frame(DATA)).payload}`,
      `${(await c.frame(HEARTBEAT)).payload}`, (await c.op('member_joined')).user_id, c.inbox.length];
    c.close();
    return [shown, data.length];
  };
  const [whole, length] = await session([]);
  for (const cut of range(1, length)) same((await session([cut]))[0], whole, `section 2: the session cut at byte ${cut}`);
  same((await session(range(1, length)))[0], whole, 'section 2: byte by byte');
};

scenarios.frames_in_one_record = async () => {
  const room_id = newRoom(), c = await Client.open();
  c.send(Buffer.concat([control({ op: 'hello', id: 1, user_id: 'ann' }), control({ op: 'join', id: 2, room_id }),
    frame(DATA, 'one'), frame(DATA), frame(0x0e, 'skip'), control({ op: 'members', id: 3, room_id }), frame(HEARTBEAT),
    control({ op: 'leave', id: 4, room_id }), control({ op: 'join', id: 5, room_id }), frame(DATA, 'two')]));
  for (const op of ['welcome', 'joined', 'members', 'left', 'joined']) {
    same((await c.take((e) => e.json && 'id' in e.json, 'section 3: a reply')).op, op, 'section 2: several frames in one TLS record');
  }
  await c.error('unknown_tag');
  // The room's records up to the leave may or may not be there: only the last is certain.
  await c.take((e) => e.tag === DATA && `${e.payload}` === 'two', 'section 4: DATA after the second join');
  same(`${(await c.frame(HEARTBEAT)).payload}`, '\x01', 'section 5: pong');
};

scenarios.large_data = async () => {
  const room = newRoom(), a = await member(room, 'ann'), b = await member(room, 'bob', { deliver: 'message' });
  const { max_frame } = await a.hello(), body = randomBytes(max_frame);
  const hash = (data) => createHash('sha256').update(data).digest('hex');
  a.send(frame(DATA, body));
  for (const c of [a, b]) {
    const event = await c.record('section 2: a frame of max_frame is delivered');
    same(hash(event.body ?? event.payload), hash(body), 'section 2: max_frame bytes intact');
  }
  b.publish(room, body.subarray(30), 1);
  check((await b.record()).body.equals(body.subarray(30)), 'section 2: a frame from the server may be up to 1 KiB longer');
  await b.ack(room, 1);
  check((await a.record()).payload.equals(body.subarray(30)), 'section 6: a large MESSAGE as DATA');
  a.send(Buffer.concat([header(DATA, max_frame + 1), body.subarray(0, 1000)]));
  await a.error('frame_too_large', { max_frame }, true);
};

scenarios.incomplete_frame = async () => {
  const room = newRoom(), watcher = await member(room, 'watcher');
  for (const [n, end] of ['finish', 'abort', 'finish', 'abort'].entries()) {
    const c = await member(room, `u${n}`), half = n < 2 ? frame(DATA, 'never') : record(c.channels[room], 1, 'never');
    c.answersPings = false;
    c.send(Buffer.concat([frame(DATA, 'whole'), half.subarray(0, -1)]));
    await watcher.data('whole', 'section 4: the frame before the incomplete one');
    await c[end]();
    await watcher.op('member_left', { user_id: `u${n}` }, 'section 3: a closed connection leaves');
    watcher.send(frame(DATA, 'mark'));
    await watcher.data('mark', 'section 2: nothing is published from an incomplete frame');
  }
};

scenarios.lines = async () => {
  const room = newRoom('0'), text = 'gr\u00fc\u00dfe \u2713', ann = await Lines.start(`/join ${room} ann`);
  await ann.line('ann joined the room');
  const bob = await Lines.start(JSON.stringify({ user_id: 'bob', room_id: room }));
  await bob.line('bob joined the room');
  await ann.line('bob joined the room');
  const cid = await member(room, 'cid', { deliver: 'message' });
  await ann.line('cid joined the room');
  ann.say('hello');
  await bob.line('ann: hello');
  same((await cid.body('hello', 'section 7: a line is published without its newline')).user, 'ann', 'section 7: the name joined with');
  bob.say(JSON.stringify({ message: text }));
  await ann.line(`bob: ${text}`);
  await cid.body(text, 'section 7: a JSON message');
  cid.send(frame(DATA, 'from a program'));
  await ann.line('cid: from a program');
  await (await Lines.start(`/join ${room} ann`)).line('User ID already taken');
  bob.say('/leave');
  await ann.line('bob left the room');
  await cid.op('member_left', { user_id: 'bob' });
  const dan = await Lines.start(`/join ${room}`);
  await ann.line((t) => t.startsWith('guest-') && t.endsWith(' joined the room'), 'section 3: without a name a guest');
  dan.say('/quit');
  await dan.expectEnd('section 7: /quit');
  await ann.line((t) => t.startsWith('guest-') && t.endsWith(' left the room'), 'section 7: a guest leaves');
};

scenarios.lines_commands = async () => {
  const room = newRoom('0'), cid = await member(room, 'cid-the-member'), ann = await Lines.start(`/join ${room} ann`);
  await ann.line('ann joined the room');
  const tests = { '/who': /cid-the-member/, '/rooms': new RegExp(room), '/ping': /^(?!.*0-[0-9a-f]{12}).*\d/, '/help': /\/join/ };
  for (const [command, wanted] of Object.entries(tests)) {
    ann.say(command);
    await ann.line((t) => wanted.test(t), `section 7: ${command}`);
  }
  for (const bad of ['/nonsense', '{not json', '/join a/b ann', '{}']) {
    ann.say(bad);
    await ann.line((t) => t.startsWith('error: '), `section 7: error for ${bad}`);
  }
  ann.say('still here');
  await cid.data('still here', 'section 7: commands are not published');
};

scenarios.lines_two_rooms = async () => {
  const one = newRoom('one'), two = newRoom('two'), bob = { [one]: await member(one, 'bob'), [two]: await member(two, 'bob') };
  const gets = (room, text, why) => bob[room].take((e) => e.tag === DATA && `${e.payload}` === text, why);
  const ann = await Lines.start(`/join ${one} ann`);
  await ann.line('ann joined the room');
  bob[one].send(frame(DATA, 'x'));
  await ann.line('bob: x', 'section 7: no prefix with one room');
  ann.say(`/join ${two} ann`);
  await ann.line((t) => t.endsWith('ann joined the room'), 'section 7: the second room');
  for (const room of [one, two]) {
    bob[room].send(frame(DATA, 'y'));
    await ann.line(`[${room}] bob: y`, 'section 7: with more than one room a line begins with [ROOM]');
  }
  ann.say('to two');
  await gets(two, 'to two', 'section 7: the room joined last is current');
  ann.say(`/leave ${two}`);
  await bob[two].op('member_left', { user_id: 'ann' });
  bob[one].send(frame(DATA, 'z'));
  await ann.line('bob: z', 'section 7: one room again');
  ann.say('to one');
  await gets(one, 'to one', 'section 7: after leaving, the room joined before');
};

scenarios.lines_escapes = async () => {
  const room = newRoom(), bob = await member(room, 'bob'), ann = await Lines.start(`/join ${room} ann`);
  await ann.line('ann joined the room');
  for (const text of ['a\x1b[2J\x07b', 'a\nbob: forged', 'a\r\x08\0', 'a\xff\xfe\x80', 'a\x7f', 'a\xc2\x9b2J']) {
    bob.send(frame(DATA, Buffer.from(text, 'latin1')));
    const line = await ann.line(() => true, `section 7: ${short(text)}`);
    check(line.startsWith('bob: a') && line !== 'bob: a' && !/[\x00-\x1f\x7f-\x9f\ufffd]/.test(line),
      `section 7: control characters are shown escaped, ${short(text)} gave ${short(line)}`);
  }
  const eve = await Lines.start(`/join ${room} eve`);
  await ann.line('eve joined the room');
  eve.say(Buffer.from('red \x1b[31m \xff', 'latin1'));
  const line = await ann.line((t) => t.startsWith('eve: red '), 'section 7: a line with control characters');
  check(!line.includes('\x1b') && line.length > 'eve: red  '.length, `section 7: shown escaped, got ${short(line)}`);
};

scenarios.first_byte_frames = async () => {
  const open = () => Client.open({ alpn: null }), c = await open();
  await c.hello({ user_id: 'ann' });
  c.send(frame(0x80, 'x'));
  await c.error('unknown_tag');
  for (const [tag, code] of [[0x07, 'unknown_tag'], [0x0f, 'unknown_tag'], [HEARTBEAT, 'bad_heartbeat'], [MESSAGE, 'bad_message']]) {
    const d = await open();
    d.send(frame(tag, '\x09'));
    await d.error(code);
  }
  await (await open()).ping('x', 'section 1: frames by the first byte');
  const d = await open();
  d.send(call(1, 0x7f));
  same((await d.frame(ANSWER)).status, 3, 'section 1: frames by the first byte');
};

scenarios.first_byte_wrong = async () => {
  for (const byte of [0x00, 0x10, 0x20, 0x61, 0x40, 0x5b, 0x7c, 0x80, 0xff]) {
    const c = await Connection.open({ alpn: null });
    c.send(Buffer.from([byte]));
    await c.expectEnd(`section 1: first byte ${byte} closes the connection`);
    check(!c.text.length || (!byte && c.text.includes('invalid_tag')), `section 1: first byte ${byte} speaks nothing, got ${short(c.text)}`);
  }
};

scenarios.alpn = async () => {
  const T = 'tagwire/1', H = 'http/1.1';
  for (const [offer, want] of [[[T], T], [[H, T], T], [['foo', H], H], [null, false]]) {
    same((await Connection.open({ alpn: offer })).tls.alpnProtocol, want, `section 1: ALPN of ${offer}`);
  }
  for (const offer of [['foo'], ['tagwire/2', 'h2']]) {
    const refused = await Connection.open({ alpn: offer }).then(() => null, (e) => e);
    check(refused, `section 1: ALPN ${offer} must be refused`);
    same(refused.alert, 120, `section 1: ${offer} is refused with no_application_protocol (${refused.message})`);
  }
  const c = await Client.open(); // ALPN wins over the first byte
  c.send(frame(0x47, 'ET / HTTP/1.1'));
  same(tagOf(await c.error('unknown_tag')), 0x47, 'section 1: ALPN wins where both are there');
};

scenarios.http = async () => {
  for (const alpn of [['http/1.1'], null]) {
    for (const path of ['/', '/no/such/path', '/v1/rooms']) {
      const c = await Connection.open({ alpn });
      c.send(`GET ${path} HTTP/1.1\r\nHost: ${options.addr}\r\nConnection: close\r\n\r\n`);
      await c.expectEnd(`section 8: GET ${path} with Connection: close`, false);
      check(/^HTTP\/1\.[01] [1-5]\d\d /.test(c.text.toString('latin1')), `section 8: an HTTP response, got ${short(c.text, 80)}`);
    }
  }
};

scenarios.tls12 = async () => {
  const c = await Client.open({ tls12: true }), suite = c.tls.getCipher().name;
  same(c.tls.getProtocol(), 'TLSv1.2', 'section 1: TLS 1.2');
  check(/ECDHE.*(GCM|POLY1305)/.test(suite), `section 1: AEAD and ECDHE only, got ${suite}`);
  await c.hello();
};

async function run(names) {
  let [passed, failed] = [0, 0];
  for (const name of names) {
    try {
      await scenarios[name]();
      passed += 1;
      console.log(`ok ${name}`);
    } catch (error) {
      if (error instanceof Skip) console.log(`skip ${name}`);
      else {
        failed += 1;
        const text = error instanceof Failure ? error.message : `${error}`;
        console.log(`FAILED ${name}: ${text.replace(/\s+/g, ' ')}`);
      }
    }
    for (const connection of connections.splice(0)) connection.close();
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

const text = (fallback) => ({ type: 'string', ...(fallback === undefined ? {} : { default: fallback }) });
const { values } = parseArgs({ options: {
  addr: text('127.0.0.1:4433'), ca: text('certs/ca.pem'), only: { type: 'string', multiple: true }, list: { type: 'boolean' },
  'echo-tag': text(), 'slow-tag': text(), 'max-rooms': text('64'),
} });
const number = (value) => (value === undefined ? undefined : Number(value));
if (values.list) console.log(Object.keys(scenarios).join('\n'));
else {
  const cut = values.addr.lastIndexOf(':'), unknown = values.only?.find((name) => !scenarios[name]);
  Object.assign(target, {
    host: values.addr.slice(0, cut).replace(/[[\]]/g, ''), port: Number(values.addr.slice(cut + 1)), ca: readFileSync(values.ca),
  });
  options = {
    addr: values.addr, echoTag: number(values['echo-tag']), slowTag: number(values['slow-tag']),
    maxRooms: Number(values['max-rooms']),
  };
  if (unknown) {
    console.error(`no scenario ${unknown}`);
    process.exitCode = 2;
  } else await run(values.only ?? Object.keys(scenarios));
}
