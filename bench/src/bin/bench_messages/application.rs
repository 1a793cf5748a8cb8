//! The application's part: it answers, receives, and puts the report together.

use std::error::Error;

use everport::messages::{Message, Messages};
use everport::watcher::{Handle, Program};
use everport::{SlotId, Watcher, WorkerId};

use crate::report::{BEGIN, Counter, ECHO, RECEIVED, Received, Report, SENT, STREAM, Sent};
use crate::value::Value;
use crate::{Options, Partner};

/// Runs a cluster of two for one measurement.
pub(crate) async fn measure(options: &Options) -> Result<Report, Box<dyn Error>> {
    let program = Program::current()?.args(options.arguments());
    let watcher = Watcher::builder(program).workers(2).build()?;
    let handle = watcher.handle();
    handle.answer(ECHO, async |request: Message<Value>| request.value)?;
    let stream = handle.messages(STREAM)?;
    let sent = handle.messages::<Sent>(SENT)?;
    let received = handle.messages::<Received>(RECEIVED)?;
    let running = tokio::spawn(watcher.run());
    handle.ready().await?;
    begin(&handle, options.with).await?;
    let received = match options.with {
        Partner::Watcher => receive(stream).await?,
        Partner::Worker => next(received).await?,
    };
    let sent = next(sent).await?;
    handle.stop();
    running.await??;
    Ok(Report { sent, received })
}

/// Tells the first worker with whom to talk: nobody, if that is us.
async fn begin(handle: &Handle, with: Partner) -> Result<(), Box<dyn Error>> {
    let status = handle.status().await?;
    let worker = |slot| -> Result<WorkerId, Box<dyn Error>> {
        let worker = status.serving(SlotId(slot)).ok_or("a worker is gone")?;
        Ok(worker.id)
    };
    let partner = match with {
        Partner::Watcher => None,
        Partner::Worker => Some(worker(1)?.0),
    };
    Ok(handle.send_to(worker(0)?, BEGIN, &partner).await?)
}

/// Takes a stream of messages up to its last one.
pub(crate) async fn receive(mut stream: Messages<Value>) -> Result<Received, Box<dyn Error>> {
    let mut counter = Counter::default();
    while let Some(message) = stream.next().await {
        counter.count();
        if message?.value.last {
            return Ok(counter.finish());
        }
    }
    Err("the stream has ended".into())
}

pub(crate) async fn next<T: serde::de::DeserializeOwned>(
    mut messages: Messages<T>,
) -> Result<T, Box<dyn Error>> {
    let message = messages.next().await.ok_or("nobody said it")?;
    Ok(message?.value)
}
