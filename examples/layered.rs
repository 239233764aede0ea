//! A handler in layers: a tower service with a timeout and a rate limit around it.
//!
//! 0x22 looks a word up, which takes as many tenths of a second as the word has letters: a word of more
//! than ten takes too long. Five look-ups a second are made, whoever asks; the others wait their turn.
//!
//! ```text
//! scripts/dev-certs
//! cargo run --example layered
//! printf '\x22\x00\x00\x00\x03cat\x22\x00\x00\x00\x0chippopotamus' |
//!     openssl s_client -quiet -alpn tagwire/1 -connect 127.0.0.1:4433 -CAfile certs/ca.pem
//! ```

use std::env;
use std::error::Error;
use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use tagwire::Server;
use tagwire::handler::{HandlerError, Service, ServiceRequest};
use tagwire::tls::ServerTls;
use tower::ServiceBuilder;
use tower::timeout::error::Elapsed;

async fn look_up(request: ServiceRequest) -> Result<Option<Bytes>, HandlerError> {
    let letters = u32::try_from(request.payload.len()).map_err(HandlerError::failed)?;
    tokio::time::sleep(Duration::from_millis(100).saturating_mul(letters)).await;
    Ok(Some(format!("a word of {letters} letters").into()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let second = Duration::from_secs(1);
    let layers = ServiceBuilder::new().timeout(second).rate_limit(5, second).service_fn(look_up);
    // A layer's errors are tower's; this says what they are here.
    let handler =
        Service::new(layers).map_error(|e| e.is::<Elapsed>().then_some(HandlerError::TimedOut));

    // The default port, or what was given, as in `cargo run --example layered -- 127.0.0.1:0`.
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4433".to_owned());
    let server = Server::builder()
        .tls(ServerTls::from_files("certs/server.pem", "certs/server.key")?)
        .route(0x22, handler)
        .bind(address)
        .await?;
    println!("listening on {}", server.local_addr());
    server.run(pending()).await?;
    Ok(())
}
