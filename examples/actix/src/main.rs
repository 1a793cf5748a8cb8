//! Says hello by actix-web, and loses no request when it is replaced: in a cluster or standalone.

mod drain;

use actix_web::{App, HttpResponse, HttpServer, middleware, rt, web};
use everport::Cluster;

use crate::drain::{Connections, KEEP_ALIVE, end_after_answer, stop_when_idle};

fn main() -> anyhow::Result<()> {
    rt::System::new().block_on(serve())
}

async fn serve() -> anyhow::Result<()> {
    let address = std::env::args().nth(1);
    let cluster = Cluster::join().await?;
    let listener = cluster
        .listen_std(address.as_deref().unwrap_or("0.0.0.0:8080"))
        .await?;
    println!("listening on {}", listener.local_addr()?);

    let connections = Connections::default();
    let counted = connections.clone();
    let member = cluster.clone();
    let server = HttpServer::new(move || {
        let member = member.clone();
        App::new()
            .wrap(middleware::from_fn(move |request, next| {
                end_after_answer(member.clone(), request, next)
            }))
            .route("/", web::get().to(hello))
    })
    .on_connect(move |_, extensions| _ = extensions.insert(counted.count()))
    .keep_alive(KEEP_ALIVE)
    .workers(1)
    .disable_signals()
    .listen(listener)?
    .run();
    rt::spawn(stop_when_idle(
        cluster.clone(),
        server.handle(),
        connections,
    ));
    cluster.ready();
    server.await?;
    cluster.leave().await?;
    Ok(())
}

async fn hello() -> HttpResponse {
    HttpResponse::Ok().body("Hello, World!")
}
