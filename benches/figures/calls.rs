//! GetConnection, authenticated, against a bare tonic echo of the same message in a process of its own.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use dbkeeper::grpc::{client::Client, proto::v1};
use prost::Message;

use crate::{
    report::{Figure, Target},
    server::{Server, client, processor_time},
};

/// TCP connections to each of the two.
const CHANNELS: usize = 4;
/// Calls that are open at one time.
const CALLERS: usize = 32;
/// An odd number, so that one of them lies in the middle.
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);

/// Calls of one round.
#[derive(Clone, Copy)]
struct Rate {
    calls: u64,
    elapsed: Duration,
    processor: Duration,
}

impl Rate {
    fn per_second(self) -> f64 {
        self.calls as f64 / self.elapsed.as_secs_f64()
    }

    fn processor_micros(self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / self.calls as f64
    }
}

pub(crate) async fn measure() -> Vec<Figure> {
    let server = Server::start().await;
    let connection = server.register("orders", "orders").await;
    let echo = Echo::start(&connection);
    let subjects: Vec<Client> = (0..CHANNELS).map(|_| server.client()).collect();
    let peers: Vec<Client> =
        (0..CHANNELS).map(|_| client(&echo.url, "a key that is as long as one of dbkeeper")).collect();
    let (mut subject, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        peer.push(call(&peers, &connection.name, || processor_time(echo.process.id())).await);
        subject.push(call(&subjects, &connection.name, || server.processor_time()).await);
    }
    let (subject, peer) = (median("dbkeeper", &subject), median("bare tonic echo", &peer));
    vec![Figure {
        name: "GetConnection, calls/s of a bare echo",
        subject: format!("{subject:.0}/s"),
        peer: format!("{peer:.0}/s"),
        value: subject / peer,
        unit: "",
        target: Target::AtLeast(0.6),
    }]
}

/// The round in the middle. The best one tells little: where the callers happen to fall into step, many calls share a wake of the
/// server, and a round of the echo is a third faster than all others.
fn median(name: &str, rates: &[Rate]) -> f64 {
    let rounds: Vec<String> = rates
        .iter()
        .map(|rate| format!("{:.0}/s ({:.0} us of processor a call)", rate.per_second(), rate.processor_micros()))
        .collect();
    println!("  {name:<28} {}", rounds.join("  "));
    let mut rates: Vec<f64> = rates.iter().map(|rate| rate.per_second()).collect();
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

async fn call(clients: &[Client], name: &str, processor: impl Fn() -> Duration) -> Rate {
    let before = processor();
    let began = Instant::now();
    let callers = (0..CALLERS).map(|caller| {
        let mut client = clients[caller % clients.len()].connections();
        let name = name.to_owned();
        tokio::spawn(async move {
            let mut calls = 0;
            while began.elapsed() < ROUND {
                let request = v1::GetConnectionRequest { name: name.clone(), ..Default::default() };
                client.get_connection(request).await.expect("the call is answered");
                calls += 1;
            }
            calls
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.expect("the caller ends");
    }
    Rate { calls, elapsed: began.elapsed(), processor: processor() - before }
}

/// The peer.
struct Echo {
    process: Child,
    url: String,
}

impl Echo {
    fn start(answer: &v1::Connection) -> Self {
        let mut process = Command::new(env::current_exe().expect("the path of this program"))
            .args(["--echo", &hex::encode(answer.encode_to_vec())])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the echo starts");
        let mut port = String::new();
        let output = process.stdout.take().expect("the echo has an output");
        BufReader::new(output).read_line(&mut port).expect("the echo tells its port");
        Self { process, url: format!("http://127.0.0.1:{}", port.trim()) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
