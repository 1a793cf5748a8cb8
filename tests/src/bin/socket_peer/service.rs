//! Uses what it receives, and sends what is never received.

use std::error::Error;
use std::io::Write;

use everport::transfer::{Received, Receiver, Sender, Socket, SocketKind};

use crate::patience::poll_times;

/// Uses every socket that comes, once, and says so.
pub(crate) async fn serve(mut receiver: Receiver) -> Result<(), Box<dyn Error>> {
    loop {
        match receiver.receive().await {
            Ok(Some(Received { socket, data })) => {
                println!("{} with {}", socket.kind(), String::from_utf8_lossy(&data));
                use_once(socket, &data)?;
            }
            Ok(None) => {
                println!("the end");
                return Ok(());
            }
            Err(error) => println!("{error}"),
        }
    }
}

/// Takes sockets as fast as they come, and says so before the first one.
pub(crate) async fn take(mut receiver: Receiver) -> Result<(), Box<dyn Error>> {
    println!("takes what comes");
    while receiver.receive().await?.is_some() {}
    Ok(())
}

/// Sends the data back through the socket, whatever it is. Blocks.
fn use_once(socket: Socket, data: &[u8]) -> Result<(), Box<dyn Error>> {
    match socket.kind() {
        SocketKind::TcpListener => {
            std::net::TcpListener::try_from(socket)?
                .accept()?
                .0
                .write_all(data)?;
        }
        SocketKind::TcpStream => {
            std::net::TcpStream::try_from(socket)?.write_all(data)?;
        }
        SocketKind::UdpSocket => {
            let socket = std::net::UdpSocket::try_from(socket)?;
            let (_, client) = socket.recv_from(&mut [0; 9])?;
            socket.send_to(data, client)?;
        }
        SocketKind::UnixListener => {
            std::os::unix::net::UnixListener::try_from(socket)?
                .accept()?
                .0
                .write_all(data)?;
        }
        SocketKind::UnixStream => {
            std::os::unix::net::UnixStream::try_from(socket)?.write_all(data)?;
        }
        SocketKind::UnixDatagram => {
            std::os::unix::net::UnixDatagram::try_from(socket)?.send(data)?;
        }
        kind => return Err(format!("{kind} came, which nobody uses here").into()),
    }
    Ok(())
}

/// Sends one socket with the beginning of its data, says so, and then waits for ever.
pub(crate) async fn stop_midway(sender: Sender) -> Result<(), Box<dyn Error>> {
    let mut sender = sender.limit(1 << 20);
    let (socket, _kept) = std::os::unix::net::UnixStream::pair()?;
    let data = vec![0; 1 << 20];
    if poll_times(10, sender.send(&socket, &data)).await.is_some() {
        return Err("there was room for everything".into());
    }
    println!("{} sent", sender.sent());
    std::future::pending().await
}
