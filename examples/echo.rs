//! The smallest handler: what arrives with the tag 0x20 goes back as it came.
//!
//! ```text
//! scripts/dev-certs
//! cargo run --example echo
//! printf '\x20\x00\x00\x00\x05hello' |
//!     openssl s_client -quiet -alpn tagwire/1 -connect 127.0.0.1:4433 -CAfile certs/ca.pem
//! ```

use std::env;
use std::error::Error;
use std::future::pending;

use bytes::Bytes;
use tagwire::Server;
use tagwire::handler::{Context, HandlerError};
use tagwire::tls::ServerTls;

async fn echo(_cx: Context, payload: Bytes) -> Result<Option<Bytes>, HandlerError> {
    Ok(Some(payload))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The default port, or what was given, as in `cargo run --example echo -- 127.0.0.1:0`.
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4433".to_owned());
    let server = Server::builder()
        .tls(ServerTls::from_files("certs/server.pem", "certs/server.key")?)
        .route(0x20, echo)
        .bind(address)
        .await?;
    println!("listening on {}", server.local_addr());
    // Until Ctrl-C; a future that ends drains the server.
    server.run(pending()).await?;
    Ok(())
}
