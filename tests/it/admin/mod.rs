//! Goal: whoever watches a server sees what is so, only who may act does, and none of it slows the server.
//! Method: the real binary, asked over TCP and its Unix socket by bytes.

mod acting;
mod metrics;
mod picture;
mod reading;
mod tap;
mod terminal;
mod top;
