//! Hands each connection to the process that owns what its first line asks for.
//!
//! Run `target/release/first_line`, which listens on port 8082, and ask for one of two services:
//! `printf 'upper\nhello\n' | nc -N localhost 8082` answers `HELLO`, `reverse` instead of `upper` answers `olleh`.
//!
//! The parent reads the first line, and no child sees a connection that is not its own. What the parent has read goes along
//! with the connection. Kill a child (`pkill -9 -f 'first_line serve upper'`): it loses what it was serving. What it had not
//! taken yet, and what comes until its successor is there, is served by that.

mod child;
mod front;
mod owner;

use std::collections::HashMap;

use owner::Owner;
use tokio::net::TcpListener;

/// What can be asked for. Each of them has a process of its own.
const SERVICES: [&str; 2] = ["reverse", "upper"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => lead("127.0.0.1:8082").await,
        ["serve", service] => child::serve(service).await,
        [address] => lead(address).await,
        _ => anyhow::bail!("usage: first_line [ADDRESS]"),
    }
}

/// The parent: accepts, reads first lines, and keeps a child for each service.
async fn lead(address: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let owners = SERVICES.map(|service| (service, Owner::of(service)));
    front::accept(listener, HashMap::from(owners)).await
}
