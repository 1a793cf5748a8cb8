//! The test worker: serves, and misbehaves when told to, as a process or as a thread.

mod behaviour;
mod end;
mod log;
mod messages;
mod orphan;
mod process;
mod refusal;
mod rude;
mod rude_channel;
mod rude_messages;
mod rude_ring;
mod serial;
mod service;
mod spoiled_ring;
mod streams;
mod trade;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use behaviour::Behaviour;
use clap::Parser;
use end::{Crash, fail, is_thread};
use everport::cli::ServerArgs;
use everport::{Cluster, ListenOptions, Sharing, TcpListener};

/// What the tests can ask a worker for.
#[derive(Parser, Debug)]
struct Options {
    /// Listens there; may be repeated.
    #[arg(long)]
    listen: Vec<String>,
    /// Listens on a Unix socket.
    #[arg(long)]
    unix: Option<PathBuf>,
    /// Asks for this way of sharing.
    #[arg(long)]
    transfer: bool,
    /// Lets this many connections wait.
    #[arg(long)]
    backlog: Option<u32>,
    /// The file that holds the release: a name, then words from [`Behaviour`].
    #[arg(long)]
    release: Option<PathBuf>,
    /// Listens there, too, in releases that say `second-port`.
    #[arg(long)]
    second_port: Option<String>,
    /// Speaks the link's protocol badly instead: a word from [`rude::misbehave`].
    #[arg(long)]
    rude: Option<String>,
    /// Plays a part in leaving an orphan behind instead: a word from [`orphan::play`].
    #[arg(long)]
    orphan: Option<String>,
    /// Serves by `everport::http` instead of plain axum.
    #[arg(long)]
    http: bool,
    /// Makes the kernel refuse to steer connections away from its port.
    #[arg(long)]
    refuse_steering: bool,
    /// Logs through the cluster.
    #[arg(long)]
    logging: bool,
    /// Goes on logging from its start on.
    #[arg(long, requires = "logging")]
    chatty: bool,
    /// Exchanges messages, as it is told to by messages.
    #[arg(long)]
    messages: bool,
    /// Tries what can be sent without knowing anybody, and prints what comes of it.
    #[arg(long)]
    try_messages: bool,
    /// Runs on a multi-threaded runtime.
    #[arg(long)]
    multi_threaded: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What the program `test-worker` does.
///
/// # Errors
/// When it cannot be what it was told to be.
pub fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse();
    if let Some(part) = &options.orphan {
        orphan::play(part)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(word) = &options.rude {
        rude::misbehave(word)?;
        return Ok(ExitCode::SUCCESS);
    }
    if std::env::var_os("EVERPORT_LINK").is_some() {
        Behaviour::of_release(options.release.as_deref())?.before_it_joins();
    }
    if options.multi_threaded {
        return serve_on_several_threads(&options);
    }
    let server = options.server.clone();
    Ok(server.run(async move |cluster| serve(cluster, &options).await))
}

/// What a thread does that is such a worker, as these arguments of the program say.
///
/// # Errors
/// When the arguments make no sense, and when the worker fails.
pub async fn serve_as_told(cluster: Cluster, arguments: &str) -> Result<(), Box<dyn Error>> {
    let words = ["test-worker"]
        .into_iter()
        .chain(arguments.split_whitespace());
    serve(cluster, &Options::try_parse_from(words)?).await
}

fn serve_on_several_threads(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().build()?;
    runtime.block_on(async { serve(Cluster::join().await?, options).await })?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(cluster: Cluster, options: &Options) -> Result<(), Box<dyn Error>> {
    let behaviour = Behaviour::of_release(options.release.as_deref())?;
    if is_thread() {
        behaviour.at_start().await?;
    }
    if options.logging {
        everport::logging::init(&cluster)?;
    }
    if options.chatty {
        log::chatter(&cluster);
    }
    let crash = Crash::default();
    if options.messages {
        messages::take_part(&cluster, &crash, behaviour.trade)?;
    }
    if options.try_messages {
        messages::try_all(&cluster).await;
    }
    tokio::select! {
        served = serve_all(&cluster, options, &behaviour, &crash) => served?,
        () = crash.was_asked_for() => panic!("this worker was asked to crash"),
    }
    if behaviour.ignores_drain {
        std::future::pending::<()>().await;
    }
    cluster.leave().await?;
    match behaviour.fails_when_leaving {
        true => Err(fail(7, "this worker fails when it leaves")),
        false => Ok(()),
    }
}

/// Serves on everything that was asked for until the drain.
async fn serve_all(
    cluster: &Cluster,
    options: &Options,
    behaviour: &Behaviour,
    crash: &Crash,
) -> Result<(), Box<dyn Error>> {
    let service = service::router(cluster, behaviour, crash, options.logging);
    let mut listeners = listen(cluster, options, behaviour).await?;
    if behaviour.crashes_in_slot_2 && cluster.slot() == Some(everport::SlotId(2)) {
        serial::serve_some_and_die(&listeners[0], &behaviour.name).await?;
    }
    if behaviour.gives_second_port_back {
        drop(listeners.pop());
    }
    // All of them are there before any is accepted from: that is what being ready means.
    let mut servers = tokio::task::JoinSet::new();
    for listener in listeners {
        if options.http {
            servers.spawn(everport::http::serve(cluster, listener, service.clone()));
        } else {
            servers.spawn(serve_on(listener, service.clone(), cluster.clone()));
        }
    }
    if let Some(path) = &options.unix {
        let listener = cluster.listen_unix(path).await?;
        let serving =
            axum::serve(listener, service.clone()).with_graceful_shutdown(cluster.terminated());
        servers.spawn(async move { serving.await });
    }
    behaviour.once_serving(cluster);
    while let Some(served) = servers.join_next().await {
        served??;
    }
    Ok(())
}

/// Listens on every address that was asked for.
async fn listen(
    cluster: &Cluster,
    options: &Options,
    behaviour: &Behaviour,
) -> Result<Vec<TcpListener>, Box<dyn Error>> {
    let mut listen_options = ListenOptions::new();
    if let Some(connections) = options.backlog {
        listen_options = listen_options.backlog(connections);
    }
    if options.transfer {
        listen_options = listen_options.sharing(Sharing::Transfer);
    }
    let second = behaviour.second_port(options.second_port.as_ref());
    let mut listeners = Vec::new();
    for address in options.listen.iter().chain(second) {
        let listener = match cluster.listen_with(address, listen_options.clone()).await {
            Ok(listener) => listener,
            Err(error) => return Err(fail(9, &format!("test-worker: {error}"))),
        };
        if options.refuse_steering {
            refusal::lock_filters()?;
        }
        println!("listening on {}", listener.local_addr()?);
        listeners.push(listener);
    }
    Ok(listeners)
}

async fn serve_on(
    listener: everport::TcpListener,
    service: axum::Router,
    cluster: Cluster,
) -> std::io::Result<()> {
    axum::serve(listener, service)
        .with_graceful_shutdown(cluster.terminated())
        .await
}

/// A wait that no test outlives.
const FOR_EVER: Duration = Duration::from_secs(3600);
