//! What is told over plain HTTP: whether the process lives, how the server stands, and its metrics.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use tokio::sync::Mutex;

use crate::{
    model::readiness::{Readiness, Standing},
    telemetry,
};

const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// The text format of Prometheus.
const EXPOSITION: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// Methods that every page answers. hyper leaves the body of an answer to HEAD out.
const ALLOWED: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// What the answers are made of.
pub(super) struct Answers {
    readiness: Readiness,
    /// Metrics are gathered for one peer at a time, so that many who ask at once do not take the threads from the calls.
    gathering: Mutex<()>,
}

impl Answers {
    pub(super) fn new(readiness: Readiness) -> Self {
        Self { readiness, gathering: Mutex::default() }
    }

    /// The answer to a request, of which nothing but method and path counts.
    pub(super) async fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if !matches!(path, "/healthz" | "/readyz" | "/metrics") {
            return plain(StatusCode::NOT_FOUND, "nothing is here; there are /healthz, /readyz and /metrics\n");
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
            answer.headers_mut().insert(header::ALLOW, ALLOWED);
            return answer;
        }
        match path {
            // That it is told at all says that the runtime is at work.
            "/healthz" => plain(StatusCode::OK, "alive\n"),
            "/readyz" => self.ready(),
            _ => self.metrics().await,
        }
    }

    /// The same that the health service of gRPC tells of the server as a whole, with the reason.
    fn ready(&self) -> Response<Full<Bytes>> {
        let unready = |reason| plain(StatusCode::SERVICE_UNAVAILABLE, reason);
        match self.readiness.standing() {
            Standing::Serving => plain(StatusCode::OK, "ready\n"),
            Standing::Starting => unready("starting: work of an earlier run is taken up\n"),
            Standing::Sealed => unready("sealed: the server waits for its master key\n"),
            Standing::Stopping => unready("stopping: calls under way are finished, new ones belong elsewhere\n"),
        }
    }

    async fn metrics(&self) -> Response<Full<Bytes>> {
        let gathered = {
            let _turn = self.gathering.lock().await;
            telemetry::exposition()
        };
        match gathered {
            Ok(text) => answer(StatusCode::OK, EXPOSITION, text),
            Err(error) => {
                tracing::error!(cause = %telemetry::chain(&error), "metrics not gathered");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be gathered; the log tells why\n")
            }
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    answer(status, PLAIN_TEXT, text)
}

fn answer(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    // Each answer is of its moment.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests {
    use http::Method;
    use http_body_util::BodyExt;

    use super::{Answers, Readiness};

    async fn told(answers: &Answers, path: &str) -> (u16, String) {
        let answer = answers.answer(&Method::GET, path).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn only_a_server_that_serves_is_ready_and_the_others_say_why() {
        let readiness = Readiness::default();
        let answers = Answers::new(readiness.clone());
        let steps: [(&dyn Fn(), u16, &str); 4] = [
            (&|| {}, 503, "starting: "),
            (&|| readiness.seal(), 503, "sealed: "),
            (&|| readiness.open(), 200, "ready\n"),
            (&|| readiness.stop(), 503, "stopping: "),
        ];
        for (step, status, reason) in steps {
            step();
            let ready = told(&answers, "/readyz").await;
            assert!(ready.0 == status && ready.1.starts_with(reason), "{reason}: {ready:?}");
            assert_eq!(told(&answers, "/healthz").await, (200, "alive\n".to_owned()));
        }
    }
}
