// A small client for the tagwire protocol, version 1, for tests. Node 20, standard library only.
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { isDeepStrictEqual } from 'node:util';

export const [CONTROL, DATA, HEARTBEAT, MESSAGE, CALL, ANSWER] = [1, 2, 3, 4, 5, 6];
const DEADLINE = 5000, HEADER = 30;

export class Failure extends Error {}
export const short = (value, limit = 160) => {
  const text = (Buffer.isBuffer(value) ? value.toString('latin1') : JSON.stringify(value)) ?? 'undefined';
  return text.length > limit ? `${text.slice(0, limit)}...` : text;
};
export function check(condition, why) { if (!condition) throw new Failure(why); }
export function same(got, want, why) {
  const equal = Buffer.isBuffer(got) && Buffer.isBuffer(want) ? got.equals(want) : isDeepStrictEqual(got, want);
  check(equal, `${why}: expected ${short(want)}, got ${short(got)}`);
}
export const isInt = (value) => Number.isSafeInteger(value) && value >= 0;
export const bytes = (value) => (Buffer.isBuffer(value) ? value : Buffer.from(value));
export const range = (from, to) => Array.from({ length: to - from }, (_, n) => from + n);

// --- codec --------------------------------------------------------------------------------------------------------

export function header(tag, length) {
  const head = Buffer.alloc(5);
  head[0] = tag;
  head.writeUInt32BE(length, 1);
  return head;
}
export const frame = (tag, payload = '') => Buffer.concat([header(tag, bytes(payload).length), bytes(payload)]);
export const control = (fields) => frame(CONTROL, JSON.stringify(fields));
export const ping = (opaque) => frame(HEARTBEAT, Buffer.concat([Buffer.from([0]), bytes(opaque)]));

export function record(channel, number, body, flags = 0) {
  const head = Buffer.alloc(HEADER);
  head.writeUInt32BE(channel, 0);
  head[4] = flags;
  head.writeBigUInt64BE(BigInt(number), 5);
  return frame(MESSAGE, Buffer.concat([head, bytes(body)]));
}

export function call(id, tag, payload = '') {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 0);
  head[4] = tag;
  return frame(CALL, Buffer.concat([head, bytes(payload)]));
}

/** One frame from the server, taken apart. */
function parse(tag, payload) {
  const event = { tag, payload };
  if (tag === CONTROL) {
    event.json = JSON.parse(payload.toString());
    event.op = event.json?.op;
    check(typeof event.op === 'string', `section 2: CONTROL is one JSON object with an op, got ${short(payload)}`);
  } else if (tag === MESSAGE) {
    const end = HEADER + payload[29];
    check(payload.length >= HEADER && payload.length >= end, 'section 6: MESSAGE shorter than its header and user_len');
    const u64 = (at) => Number(payload.readBigUInt64BE(at));
    Object.assign(event, {
      channel: payload.readUInt32BE(0), flags: payload[4], seq: u64(5), prev: u64(13), timeMs: u64(21),
      user: payload.subarray(HEADER, end).toString(), body: payload.subarray(end),
    });
  } else if (tag === ANSWER) {
    check(payload.length >= 5, 'section 2: ANSWER shorter than its header');
    Object.assign(event, { callId: payload.readUInt32BE(0), status: payload[4], body: payload.subarray(5) });
  }
  return event;
}
export const show = (event) => short(event.json ?? [event.tag, event.payload.subarray(0, 60).toString('latin1')], 120);

class Decoder {
  chunks = [];
  size = 0;

  feed(data) {
    this.chunks.push(data);
    this.size += data.length;
    const events = [];
    while (this.size >= 5) {
      if (this.chunks[0].length < 5) this.chunks = [Buffer.concat(this.chunks)];
      const end = 5 + this.chunks[0].readUInt32BE(1);
      if (this.size < end) break;
      const whole = this.chunks.length > 1 ? Buffer.concat(this.chunks) : this.chunks[0];
      events.push(parse(whole[0], whole.subarray(5, end)));
      this.chunks = [whole.subarray(end)];
      this.size = whole.length - end;
    }
    return events;
  }
}

// --- connection ---------------------------------------------------------------------------------------------------

/** Between TLS and TCP: sees alerts, which node:tls does not tell apart from a bare FIN. */
class Tap extends Duplex {
  pending = Buffer.alloc(0);
  notified = false; // the last record was an alert: plain, TLS 1.2, or as long as a TLS 1.3 alert
  alert = null;

  constructor(raw) {
    super();
    this.raw = raw;
    raw.on('data', (data) => {
      this.inspect(data);
      if (!this.destroyed && !this.push(data)) raw.pause();
    });
    raw.on('end', () => this.destroyed || this.push(null));
  }

  inspect(data) {
    this.pending = Buffer.concat([this.pending, data]);
    while (this.pending.length >= 5) {
      const [type, length] = [this.pending[0], this.pending.readUInt16BE(3)];
      if (this.pending.length < 5 + length) return;
      this.notified = type === 21 || (type === 23 && length === 19);
      if (type === 21 && length === 2) this.alert = this.pending[6];
      this.pending = this.pending.subarray(5 + length);
    }
  }

  _read() { this.raw.resume(); }
  _write(chunk, _, done) { this.raw.write(chunk, done); }
  _final(done) { this.raw.end(done); }
  _destroy(_, done) { this.raw.resume(); done(null); }
}

/** Where to connect to, and all that was connected. */
export const target = { host: '127.0.0.1', port: 4433, ca: '' };
export const connections = [];

export class Connection {
  ended = null;
  failure = null;
  waiters = new Set();
  text = Buffer.alloc(0);

  static async open({ alpn = ['tagwire/1'], tls12 = false } = {}) {
    const self = new this();
    connections.push(self);
    self.raw = net.connect({ host: target.host, port: target.port, noDelay: true });
    self.tap = new Tap(self.raw);
    self.tls = tls.connect({
      socket: self.tap, host: target.host, ca: target.ca, ALPNProtocols: alpn ?? undefined,
      ...(net.isIP(target.host) ? {} : { servername: target.host }), ...(tls12 ? { maxVersion: 'TLSv1.2' } : {}),
    });
    let [closed, drained, error] = [false, false, null];
    const done = (after) => {
      if (!closed || (!drained && !after)) return;
      self.ended ??= self.tap.notified ? 'close_notify' : error ? `reset (${error.code})` : 'fin';
      self.changed();
    };
    self.raw.on('error', (e) => { error = e; });
    self.raw.on('close', () => { closed = true; done(); setTimeout(() => done(true), 300).unref(); });
    self.tap.on('error', () => {});
    self.tls.on('error', (e) => { error ??= e; drained = true; done(); self.changed(); });
    self.tls.on('close', () => { drained = true; done(); });
    self.tls.on('end', () => { drained = true; done(); });
    self.tls.on('data', (data) => {
      try { self.onBytes(data); } catch (e) { self.failure ??= e; } // the next wait reports it
      self.changed();
    });
    let secure = false;
    self.tls.on('secureConnect', () => { secure = true; self.changed(); });
    await self.wait(() => secure || error || undefined, 'section 1: TLS handshake').catch((e) => { error ??= e; });
    if (!secure) {
      // An alert after ServerHello comes encrypted: only the TLS library can say which it was.
      const told = /SSL alert number (\d+)/.exec(error?.message);
      const alert = self.tap.alert ?? (told ? Number(told[1]) : undefined);
      throw Object.assign(new Failure(`handshake: ${error?.message}`), { alert });
    }
    return self;
  }

  onBytes(data) { this.text = Buffer.concat([this.text, data]); }
  unread() { return short(this.text); }
  changed() { for (const waiter of [...this.waiters]) waiter(); }

  /** One call is one TLS write: as few records as it takes. */
  send(data) {
    this.sent = new Promise((done) => { this.tls.write(data, () => done()); });
    return this.sent;
  }

  /** Waits until found() is not undefined, at most DEADLINE; not longer than the connection lives. */
  wait(found, why) {
    return new Promise((resolve, reject) => {
      const settle = (act, value) => { clearTimeout(timer); this.waiters.delete(look); act(value); };
      const fail = (end) => settle(reject, new Failure(`${why}: ${end}; unread: ${this.unread()}`));
      const look = () => {
        if (this.failure) return settle(reject, this.failure);
        let result;
        try { result = found(); } catch (e) { return settle(reject, e); }
        if (result !== undefined) return settle(resolve, result);
        if (this.ended) fail(`the connection ended (${this.ended})`);
      };
      const timer = setTimeout(() => fail('nothing for 5 s'), DEADLINE);
      this.waiters.add(look);
      look();
    });
  }

  async expectEnd(why = 'section 1: the server closes', notify = true) {
    await this.wait(() => this.ended ?? undefined, why);
    check(!notify || this.tap.notified, `section 1: close_notify comes before FIN, the end was ${this.ended}`);
  }

  /** close_notify, then FIN. */
  async finish() { await this.sent; this.tls.end(); }
  /** FIN without close_notify. */
  async abort() { await this.sent; this.raw.end(); }
  close() { this.tls.end(); setTimeout(() => this.raw.destroy(), 50); }
}

/** Section 7: a person at openssl s_client. */
export class Lines extends Connection {
  static async start(first) {
    const self = await this.open({ alpn: null });
    self.say(first);
    return self;
  }

  say(line) { return this.send(Buffer.concat([bytes(line), Buffer.from('\n')])); }

  /** The first line for which wanted (a string, or a function) holds; those before it are dropped. */
  line(wanted, why = 'section 7: line') {
    const test = typeof wanted === 'function' ? wanted : (text) => text === wanted;
    const seen = [], what = typeof wanted === 'function' ? why : `${why} ${short(wanted)}`;
    return this.wait(() => {
      for (let end; (end = this.text.indexOf(10)) >= 0;) {
        const line = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.text.subarray(0, end));
        this.text = this.text.subarray(end + 1);
        if (test(line)) return line;
        seen.push(line);
      }
    }, what).catch((e) => { throw seen.length ? new Failure(`${e.message}; saw ${short(seen)}`) : e; });
  }
}

/** Section 2: frames. Answers pings, matches replies by id, keeps everything else in order in this.inbox. */
export class Client extends Connection {
  decoder = new Decoder();
  inbox = [];
  channels = {};
  lastId = 0;
  answersPings = true; // off while a frame of one's own is half sent

  onBytes(data) {
    for (const event of this.decoder.feed(data)) {
      if (event.tag === HEARTBEAT && !event.payload[0]) {
        if (this.answersPings) this.send(frame(HEARTBEAT, Buffer.concat([Buffer.from([1]), event.payload.subarray(1)])));
      } else this.inbox.push(event);
    }
  }

  unread() { return this.inbox.slice(0, 6).map(show).join(' '); }

  /** Takes the first event of the inbox that is wanted, and leaves the others. */
  take(wanted, why) {
    return this.wait(() => {
      const at = this.inbox.findIndex(wanted);
      return at < 0 ? undefined : this.inbox.splice(at, 1)[0];
    }, why);
  }

  frame(tag, why = `section 2: a frame with tag ${tag}`) { return this.take((e) => e.tag === tag, why); }
  async op(op, fields = {}, why = `section 3: ${op} ${short(fields)}`) {
    const fits = (e) => e.op === op && Object.entries(fields).every(([k, v]) => e.json[k] === v);
    return (await this.take(fits, why)).json;
  }

  /** The next of what a room sends: records, presence, gaps, in order. */
  roomEvent(why) {
    return this.take((e) => isRecord(e) || ['member_joined', 'member_left', 'gap'].includes(e.op), why);
  }

  record(why = 'section 6: a record') { return this.take(isRecord, why); }
  async data(want, why = 'section 4: DATA reaches every member') {
    const event = await this.record(why);
    check(event.tag === DATA, `${why}: expected DATA, got ${show(event)}`);
    same(event.payload, bytes(want), why);
  }

  async body(want, why = 'section 6: MESSAGE reaches every member') {
    const event = await this.record(why);
    check(event.tag === MESSAGE, `${why}: expected MESSAGE, got ${show(event)}`);
    same(event.body, bytes(want), why);
    return event;
  }

  async error(code, fields = {}, fatal = false) {
    const section = `section 2: error ${code}`, error = await this.op('error', {}, section);
    same(error.code, code, section);
    check(typeof error.message === 'string', `${section}: message is a string, got ${short(error)}`);
    for (const [key, value] of Object.entries(fields)) same(error[key], value, `${section}: ${key}`);
    if (!fatal) check(!error.fatal, `${section} is not fatal, got ${short(error)}`);
    else {
      same(error.fatal, true, `${section}: fatal`);
      await this.expectEnd(`${section}: the server closes after a fatal error`);
      check(!this.inbox.some((e) => e.op === 'error'), `${section}: nothing after the fatal error, got ${this.unread()}`);
    }
    return error;
  }

  request(op, fields = {}) {
    const id = `r${++this.lastId}`;
    this.send(control({ op, id, ...fields }));
    return this.reply(id, op);
  }

  async reply(id, op = '') {
    return (await this.take((e) => e.json?.id === id, `section 3: a reply to ${op} with id ${id}`)).json;
  }

  async ask(op, reply, fields = {}) {
    const answer = await this.request(op, fields);
    same(answer.op, reply, `section 3: the reply to ${op} (${short(answer)})`);
    return answer;
  }

  async fails(code, op, fields = {}) {
    const answer = await this.request(op, fields);
    same([answer.op, answer.code, answer.fatal ?? false], ['error', code, false], `section 2: ${op} ${short(fields)}`);
  }

  async hello(fields = {}) {
    const welcome = await this.ask('hello', 'welcome', fields);
    [this.session, this.name] = [welcome.session, welcome.user_id];
    return welcome;
  }

  async join(room_id, fields = {}) {
    const joined = await this.ask('join', 'joined', { room_id, ...fields });
    this.channels[room_id] = joined.channel;
    return joined;
  }

  publish(room, body, number = 0) { return this.send(record(this.channels[room], number, body)); }

  /** Waits for the ack that covers number; what comes before it must rise. */
  async ack(room_id, number) {
    let last = 0, ack;
    while (last < number) {
      ack = await this.op('ack', { room_id }, `section 6: ack for ${number}`);
      check(isInt(ack.publish_id) && ack.publish_id >= last && isInt(ack.seq),
        `section 6: acks are cumulative and rise, got ${short(ack)} after ${last}`);
      last = ack.publish_id;
    }
    same(last, number, 'section 6: an ack is never for more than was published');
    return ack;
  }

  async ping(opaque, why = 'section 5: a ping is answered with a pong of the same bytes') {
    this.send(ping(opaque));
    same((await this.frame(HEARTBEAT, why)).payload, Buffer.concat([Buffer.from([1]), bytes(opaque)]), why);
  }

  alive(why = 'the connection goes on') { return this.ping(randomBytes(8), `section 2: ${why}`); }
}
export const isRecord = (e) => e.tag === DATA || e.tag === MESSAGE;
