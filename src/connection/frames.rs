//! The framed protocol: frames to handlers, and their answers back (docs/protocol.md, sections 2 to 6
//! and 10).

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::connection::Protocol;
use crate::connection::lanes::Lanes;
use crate::handler::Context;
use crate::limits::FRAME_EXTRA;
use crate::peer::Parcel;
use crate::router::{Ask, Kind, Request, Router};
use crate::session::{Problem, Session};
use crate::sync::now as clock;
use crate::wire::{
    Admit, Answer, Call, Code, DecodeError, Decoded, Decoder, Event, Header, Heartbeat,
    HeartbeatKind, Status, Tag,
};

/// The framed protocol of one connection.
#[derive(Debug)]
pub struct Frames {
    decoder: Decoder,
    desk: Desk,
}

/// Where whole frames go; apart from the decoder, which lends them.
#[derive(Debug)]
struct Desk {
    router: Arc<Router>,
    lanes: Lanes,
}

impl Frames {
    /// The protocol of a connection whose frames `router` handles.
    pub fn new(router: Arc<Router>, max_frame: u32) -> Self {
        Self { decoder: Decoder::new(max_frame), desk: Desk { router, lanes: Lanes::default() } }
    }
}

impl Protocol for Frames {
    const PINGS: bool = true;

    fn receive(
        &mut self,
        session: &mut Session,
        input: &mut &[u8],
        now: Instant,
        until: u64,
    ) -> Result<(), Problem> {
        let mut since = now;
        while session.traffic.frames_in < until && !self.is_waiting(session) {
            let mut refusal = None;
            let admit = |header| match self.desk.check(header) {
                Ok(()) => Admit::Take,
                Err(problem) => {
                    refusal = Some(problem);
                    Admit::Skip
                }
            };
            match self.decoder.decode(input, admit).map_err(fatal)? {
                None => break,
                Some(Decoded::Refused(header)) => {
                    // Its payload is thrown away as it comes, or never does.
                    session.handle_received(header.tag, Header::LEN);
                    session.tap_received(header.tag, header.length as usize, &[]);
                    if let Some(problem) = refusal {
                        complain(session, &problem, since)?;
                    }
                }
                Some(Decoded::Frame(frame)) => {
                    let tag = frame.tag;
                    session.handle_received(tag, Header::LEN + frame.payload.len());
                    session.tap_received(tag, frame.payload.len(), frame.payload);
                    if self.desk.handle(session, tag, frame.payload, since)? {
                        // One reading of the clock per frame: one ends where the next begins.
                        let done = clock();
                        session.handle_handled(tag, done.saturating_duration_since(since));
                        since = done;
                    }
                }
            }
        }
        Ok(())
    }

    fn begun(&self) -> Option<u64> {
        self.decoder.pending().map(|(received, _)| received)
    }

    fn held(&self) -> usize {
        self.decoder.held()
    }

    fn is_waiting(&self, session: &Session) -> bool {
        let limits = &session.node().settings().limits;
        let (count, bytes) = self.desk.lanes.load();
        session.is_waiting() || count >= limits.in_flight || bytes >= limits.frame as usize
    }

    fn in_flight(&self) -> usize {
        self.desk.lanes.load().0
    }

    fn handle_answer(
        &mut self,
        session: &mut Session,
        parcel: Parcel,
        now: Instant,
    ) -> Result<(), Problem> {
        let tag = parcel.tag;
        self.desk.lanes.handle_done(tag);
        session.handle_handled(tag, parcel.took);
        session.meter().handle_result(tag, parcel.status);
        answer(session, parcel);
        self.desk.advance(session, tag, now)
    }

    fn resume(&mut self, session: &mut Session, now: Instant) -> Result<(), Problem> {
        for key in self.desk.lanes.keys() {
            self.desk.advance(session, key, now)?;
        }
        Ok(())
    }

    fn say(&mut self, session: &mut Session, event: &Event<'_>) {
        session.say(None, event);
    }

    fn refuse(&mut self, session: &mut Session, problem: &Problem) {
        tell(session, problem);
    }

    fn ping(&mut self, session: &mut Session, number: u64) {
        let opaque = number.to_be_bytes();
        session.put(Tag::HEARTBEAT, |outbox| {
            Heartbeat { kind: HeartbeatKind::Ping, opaque: &opaque }.encode(outbox);
        });
    }

    fn render(&mut self, _session: &Session, _frames: &mut Vec<Bytes>) {}
}

impl Desk {
    /// Looks at a header: whether its payload is wanted at all.
    fn check(&self, header: Header) -> Result<(), Problem> {
        let Header { tag, length } = header;
        if tag == Tag::CALL {
            return match length >= 5 {
                true => Ok(()),
                false => {
                    let problem = Problem::new(Code::BadMessage, "a CALL has at least 5 bytes");
                    Err(problem.with_tag(tag))
                }
            };
        }
        match self.router.get(tag).map(|route| &route.kind) {
            Some(Kind::InPlace(handler)) => handler.admit(header),
            Some(Kind::Async(_)) => Ok(()),
            None => {
                let problem = Problem::new(Code::UnknownTag, "no handler has that tag");
                Err(problem.with_tag(tag))
            }
        }
    }

    /// Acts on a whole frame, or hands it over; whether it is done.
    fn handle(
        &mut self,
        session: &mut Session,
        tag: Tag,
        payload: &[u8],
        since: Instant,
    ) -> Result<bool, Problem> {
        if tag == Tag::CALL {
            return self.call(session, payload, since);
        }
        let router = self.router.clone();
        match router.get(tag).map(|route| &route.kind) {
            Some(Kind::InPlace(handler)) if !self.lanes.is_busy(tag) => {
                let handled = handler.handle(session, payload, since);
                handled.or_else(|problem| complain(session, &problem, since)).map(|()| true)
            }
            _ => {
                let payload = Bytes::copy_from_slice(payload);
                self.lanes.push(Ask { tag, call_id: None, payload, since });
                self.advance(session, tag, since).map(|()| false)
            }
        }
    }

    fn call(
        &mut self,
        session: &mut Session,
        payload: &[u8],
        since: Instant,
    ) -> Result<bool, Problem> {
        let Ok(Call { call_id, tag, payload }) = Call::parse(payload) else { return Ok(true) };
        let handler = self.router.get(tag).filter(|_| tag.is_application());
        if handler.is_none() {
            session.meter().handle_result(tag, Status::NoHandler);
            let answer = Answer { call_id, status: Status::NoHandler, payload: &[] };
            session.put(Tag::ANSWER, |outbox| answer.encode(outbox));
            return Ok(true);
        }
        let payload = Bytes::copy_from_slice(payload);
        self.lanes.push(Ask { tag, call_id: Some(call_id), payload, since });
        self.advance(session, tag, since).map(|()| false)
    }

    /// Starts what may start in a tag's lane.
    fn advance(&mut self, session: &mut Session, tag: Tag, now: Instant) -> Result<(), Problem> {
        let router = self.router.clone();
        let at_once = |tag| router.get(tag).map_or(1, |route| route.at_once());
        // Replies that pile up unread hold up the handlers that would add to them; a publish that waits for
        // its room holds up all that came after it.
        while !session.is_piled() && !session.is_paused() {
            let Some(ask) = self.lanes.next(tag, at_once) else { break };
            let Some(route) = router.get(ask.tag) else {
                self.lanes.handle_done(tag);
                continue;
            };
            match &route.kind {
                Kind::InPlace(handler) => {
                    let handled = handler.handle(session, &ask.payload, now);
                    self.lanes.handle_done(tag);
                    handled.or_else(|problem| complain(session, &problem, now))?;
                }
                Kind::Async(_) => {
                    let cx = context(session, ask.tag);
                    let within = session.node().settings().timeouts.handler;
                    Request::start(&router, ask, cx, session.mailbox(), within);
                }
            }
        }
        Ok(())
    }
}

fn context(session: &Session, tag: Tag) -> Context {
    let rooms = session.rooms().cloned().collect();
    let (node, mailbox) = (session.node().clone(), session.mailbox().clone());
    Context::new(node, mailbox, session.info().clone(), session.user_id(), rooms, tag)
}

/// Tells the peer what is wrong.
///
/// # Errors
///
/// Returns the problem that ends the connection: the code is fatal, or it is one error too many.
fn complain(session: &mut Session, problem: &Problem, now: Instant) -> Result<(), Problem> {
    let too_many = session.handle_error(now);
    if problem.code.is_fatal() {
        return Err(problem.clone());
    }
    tell(session, problem);
    match too_many {
        true => Err(Problem::new(Code::TooManyErrors, "too many errors within 10 s")),
        false => Ok(()),
    }
}

fn fatal(error: DecodeError) -> Problem {
    match error {
        DecodeError::FrameTooLarge { length, max_frame } => {
            let message = format!("a frame of {length} bytes, {max_frame} at most");
            let problem = Problem::new(Code::FrameTooLarge, message);
            Problem { max_frame: Some(max_frame), ..problem }
        }
        _ => Problem::new(Code::InvalidTag, "tag 0x00 is never valid"),
    }
}

/// Sends a handler's reply, or what went wrong with it.
fn answer(session: &mut Session, parcel: Parcel) {
    let Parcel { tag, call_id, mut status, reply, .. } = parcel;
    let mut reply = reply.unwrap_or_default();
    let max = session.node().settings().limits.frame as usize + FRAME_EXTRA as usize - 5;
    if reply.len() > max {
        (status, reply) = (Status::Failed, Bytes::from_static(b"the reply is larger than a frame"));
    }
    if let Some(call_id) = call_id {
        let answer = Answer { call_id, status, payload: &reply };
        session.put(Tag::ANSWER, |outbox| answer.encode(outbox));
        return;
    }
    let problem = |code, message: String| Problem::new(code, message).with_tag(tag);
    let text = || String::from_utf8_lossy(&reply).into_owned();
    let problem = match status {
        Status::Done if reply.is_empty() => return,
        Status::Done => {
            session.send(tag, &reply);
            return;
        }
        Status::Forbidden => problem(Code::Forbidden, "the handler refuses".into()),
        Status::TimedOut => problem(Code::HandlerFailed, "the handler took too long".into()),
        Status::Busy => problem(Code::HandlerFailed, "the handler is busy".into()),
        Status::Failed | Status::NoHandler => problem(Code::HandlerFailed, text()),
    };
    session.traffic.errors += 1;
    tell(session, &problem);
}

/// Says what is wrong.
fn tell(session: &mut Session, problem: &Problem) {
    session.handle_told(problem.code);
    session.say(problem.id.as_ref(), &Event::Error(problem.event()));
}
