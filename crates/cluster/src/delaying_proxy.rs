//! A server that is far away: a TCP proxy on loopback that holds every byte back for a while.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::wait;

/// A TCP proxy on a free port of loopback that passes each byte on half a round trip after it came, in both
/// directions, at any bandwidth. It stands in for distance, and for no other trouble of a network: connecting takes no
/// time, nothing is lost. Dropping it ends it; open connections end with their peers.
#[derive(Debug)]
pub struct DelayingProxy {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl DelayingProxy {
    /// Starts one in front of `server`; a question and its answer take `round_trip` longer.
    pub fn start(server: SocketAddr, round_trip: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("delaying proxy: bind a port")?;
        let address = listener.local_addr().context("delaying proxy: its port")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let accepting = thread::spawn(move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                // A client that is refused sees its connection end, as it would far away.
                if let Ok(client) = client
                    && let Ok(server) = TcpStream::connect(server)
                {
                    drop(join(&client, &server, round_trip / 2));
                }
            }
        });
        Ok(Self { address, stop, accepting: Some(accepting) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for DelayingProxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
    }
}

fn join(client: &TcpStream, server: &TcpStream, delay: Duration) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    carry(client.try_clone()?, server.try_clone()?, delay);
    carry(server.try_clone()?, client.try_clone()?, delay);
    Ok(())
}

/// One direction: a thread that reads and notes when each piece is due, and one that waits and writes.
fn carry(mut from: TcpStream, to: TcpStream, delay: Duration) {
    let (queue, due) = channel();
    thread::spawn(move || read(&mut from, &queue, delay));
    thread::spawn(move || write(to, &due));
}

fn read(from: &mut TcpStream, queue: &Sender<(Instant, Vec<u8>)>, delay: Duration) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if queue.send((Instant::now() + delay, buffer[..length].to_vec())).is_err() {
            return;
        }
    }
}

fn write(mut to: TcpStream, due: &Receiver<(Instant, Vec<u8>)>) {
    for (at, bytes) in due {
        wait::pause(at.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // The other side ended, or this one did: either way its reader shall see it.
    drop(to.shutdown(Shutdown::Write));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_whole_in_order_and_not_before_they_are_due() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut question = Vec::new();
            client.read_to_end(&mut question).unwrap();
            question.reverse();
            client.write_all(&question).unwrap();
        });
        let round_trip = Duration::from_millis(80);
        let proxy = DelayingProxy::start(server, round_trip).unwrap();
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        let began = Instant::now();
        let question: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
        client.write_all(&question).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert!(began.elapsed() >= round_trip);
        answer.reverse();
        assert_eq!(answer, question);
        let address = proxy.address();
        drop(proxy);
        assert!(TcpStream::connect(address).is_err(), "dropping it ends it");
    }
}
