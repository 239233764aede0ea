//! A chat server inside another program, which takes part: a clock that ticks in the room `lobby`.
//!
//! A person joins by typing, DATA sends: two terminals with this line hear the clock and each other.
//!
//! ```text
//! scripts/dev-certs
//! cargo run --example embedded_chat
//! openssl s_client -quiet -connect 127.0.0.1:4433 -CAfile certs/ca.pem
//! /join lobby
//! ```

use std::env;
use std::error::Error;
use std::future::pending;
use std::time::Duration;

use tagwire::Server;
use tagwire::tls::ServerTls;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The default port, or what was given, as in `cargo run --example embedded_chat -- 127.0.0.1:0`.
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4433".to_owned());
    let server = Server::builder()
        .tls(ServerTls::from_files("certs/server.pem", "certs/server.key")?)
        .bind(address)
        .await?;
    println!("listening on {}", server.local_addr());

    let handle = server.handle();
    tokio::spawn(async move {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        for tick in 1_u64.. {
            second.tick().await;
            if let Err(error) = handle.publish("lobby", "clock", format!("tick {tick}").as_bytes())
            {
                eprintln!("tick {tick}: {error}");
            }
        }
    });

    server.run(pending()).await?;
    Ok(())
}
