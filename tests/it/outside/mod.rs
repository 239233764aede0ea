//! The view from outside: the real binary and the real examples, with clients that know nothing of our
//! code: Python, Node.js, `openssl s_client`, the shell.

mod conformance;
mod examples;
mod generated;
mod lines;
mod readme;
mod stranger;
mod wireshark;

mod support;
