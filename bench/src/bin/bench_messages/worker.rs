//! A worker's part: the first one sends, the second one answers and receives.

use std::error::Error;
use std::time::{Duration, Instant};

use everport::messages::{Message, Peer};
use everport::{Cluster, SlotId, WorkerId};

use crate::Options;
use crate::application::{next, receive};
use crate::report::{BEGIN, ECHO, RECEIVED, SENT, STREAM, Sent};
use crate::value::Value;

/// Longer than any round trip on a machine that works.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) async fn work(options: &Options) -> Result<(), Box<dyn Error>> {
    let cluster = Cluster::join().await?;
    if cluster.slot() == Some(SlotId(0)) {
        let begin = cluster.messages::<Option<u64>>(BEGIN)?;
        cluster.ready();
        tokio::select! {
            measured = measure(&cluster, options, next(begin)) => measured?,
            () = cluster.terminated() => {}
        }
    } else {
        cluster.answer(ECHO, async |request: Message<Value>| request.value)?;
        let stream = cluster.messages(STREAM)?;
        cluster.ready();
        tokio::select! {
            received = receive(stream) => cluster.send(RECEIVED, &received?).await?,
            () = cluster.terminated() => {}
        }
    }
    cluster.terminated().await;
    cluster.leave().await?;
    Ok(())
}

async fn measure(
    cluster: &Cluster,
    options: &Options,
    begin: impl Future<Output = Result<Option<u64>, Box<dyn Error>>>,
) -> Result<(), Box<dyn Error>> {
    let partner = begin.await?.map_or(Peer::Watcher, |id| WorkerId(id).into());
    let mut value = Value::of_size(options.size);
    // What has to be warmed up, here and there, is warm then.
    round_trips(cluster, partner, &mut value, options.time() / 5).await?;
    let round_trips = round_trips(cluster, partner, &mut value, options.time()).await?;
    let messages = stream(cluster, partner, value, options.time()).await?;
    let sent = Sent::new(round_trips, messages);
    Ok(cluster.send(SENT, &sent).await?)
}

/// Requests, one after the other.
async fn round_trips(
    cluster: &Cluster,
    partner: Peer,
    value: &mut Value,
    time: Duration,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let end = Instant::now() + time;
    let mut taken = Vec::new();
    while taken.is_empty() || Instant::now() < end {
        value.number += 1;
        let begin = Instant::now();
        let answer: Value = cluster.call(partner, ECHO, value, DEADLINE).await?;
        taken.push(begin.elapsed());
        if answer.number != value.number {
            return Err("somebody else's answer".into());
        }
    }
    Ok(taken)
}

/// Messages, as fast as they are taken. How many.
async fn stream(
    cluster: &Cluster,
    partner: Peer,
    mut value: Value,
    time: Duration,
) -> Result<u64, Box<dyn Error>> {
    let end = Instant::now() + time;
    let mut messages = 0;
    while !value.last {
        value.number += 1;
        value.last = Instant::now() >= end;
        match partner {
            Peer::Watcher => cluster.send(STREAM, &value).await?,
            Peer::Worker(worker) => cluster.send_to(worker, STREAM, &value).await?,
        }
        messages += 1;
    }
    Ok(messages)
}
