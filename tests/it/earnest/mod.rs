//! Goal: what the server promises holds in earnest: with as many peers, for as long, and by as bad a network
//! as in production (docs/reliability.md).
//! Method: the real program over real TLS, watched from outside: its metrics, its memory, its log. Each long
//! test has a short one beside it that does the same with few peers and asserts no times.

mod clients;
mod crowd;
mod handshakes;
mod idle;
mod network;
mod table;
mod together;
