//! hyper's server, and hyper-util's pooled client: app-async without the
//! rest.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime;

use super::{CALLS, url};

type Pooled = Client<HttpConnector, Empty<Bytes>>;

pub(super) fn serve(listener: TcpListener, backend: SocketAddr) -> Result<()> {
    let uri: Uri = url(backend).parse()?;
    let client: Pooled = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .build(HttpConnector::new());
    listener.set_nonblocking(true)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let (client, uri) = (client.clone(), uri.clone());
            let service = service_fn(move |_| {
                let (client, uri) = (client.clone(), uri.clone());
                async move { Ok::<_, Infallible>(answer(&client, &uri).await) }
            });
            tokio::spawn(async move {
                let stream = TokioIo::new(stream);
                let served =
                    http1::Builder::new().serve_connection(stream, service);
                served.await.ok();
            });
        }
    })
}

async fn answer(client: &Pooled, uri: &Uri) -> Response<Full<Bytes>> {
    let start = Instant::now();
    let calls = (0..CALLS).map(|_| call(client, uri));
    let all_well = join_all(calls).await.into_iter().all(|well| well);
    let seconds = start.elapsed().as_secs_f64();
    let line = format!("This lasted {seconds:.3} seconds with hyper.\n");
    let mut response = Response::new(Full::from(line));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    if !all_well {
        *response.status_mut() = StatusCode::BAD_GATEWAY;
    }
    response
}

async fn call(client: &Pooled, uri: &Uri) -> bool {
    let Ok(answer) = client.get(uri.clone()).await else {
        return false;
    };
    let well = answer.status() == StatusCode::OK;
    well && answer.into_body().collect().await.is_ok()
}
