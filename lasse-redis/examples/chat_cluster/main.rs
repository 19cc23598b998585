//! The chat of `lasse/examples/chat` on several nodes: an answer is started, resumed and stopped on any
//! of them.
//!
//! ```text
//! cargo run --release -p lasse-redis --example chat_cluster -- --port 4000
//! cargo run --release -p lasse-redis --example chat_cluster -- --port 4001 --redis URL
//! curl -N http://127.0.0.1:4000/v1/chat/completions -H 'content-type: application/json' \
//!     -H 'idempotency-key: tea-1' \
//!     -d '{"model":"parrot","messages":[{"role":"user","content":"tea"}],"stream":true}'
//! curl -N http://127.0.0.1:4001/runs/tea-1
//! curl -X DELETE http://127.0.0.1:4001/runs/tea-1
//! ```
//!
//! The first node starts a `redis-server` of its own, if that is installed, and prints its URL for
//! the others. The requests are those of `chat`: see its `api.rs`.

#[path = "../../../lasse/examples/chat/api.rs"]
mod api;
#[path = "../../../lasse/examples/chat/completion.rs"]
mod completion;
#[path = "../../../lasse/examples/chat/model.rs"]
mod model;
#[path = "../cluster/options.rs"]
mod options;
#[path = "../cluster/own_redis.rs"]
mod own_redis;
#[path = "../../../lasse/examples/support/shutdown.rs"]
mod shutdown;

use std::error::Error;
use std::time::Duration;

use lasse::{DrainPlan, Gate, Listener, Run, RunId, RunOutcome, RunsConfig};
use lasse_redis::{
    Backplane, BackplaneConfig, RedisRuns, RedisRunsConfig, RedisRunsError, RedisServer,
};

use api::{Chat, Refusal, Store};
use completion::Completion;
use model::Model;
use options::Options;
use own_redis::OwnRedis;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let listener = Listener::bind(("127.0.0.1", options.port)).await?;
    let address = listener.local_addr()?;
    let own_redis = match &options.redis {
        Some(_) => None,
        None => Some(OwnRedis::start()?),
    };
    let url = options.redis.as_deref().or_else(|| own_redis.as_ref().map(OwnRedis::url));
    let server = RedisServer::new(url.unwrap_or_default())?;
    println!("http://{address}/");
    if let Some(redis) = &own_redis {
        println!("another node: --port {} --redis {}", address.port() + 1, redis.url());
    }

    let backplane = Backplane::start(server, &BackplaneConfig::new());
    let limits = RunsConfig::new().with_last_event(completion::last_event);
    let runs = RedisRuns::open(&backplane, "lasse:example:chat", RedisRunsConfig::new(limits))?;
    let gate = Gate::default();
    let chat = Chat::new(runs.clone(), Model::start().await?, &gate);
    axum::serve(listener, chat.into_router())
        .with_graceful_shutdown(async move {
            drop(shutdown::signalled().await);
            gate.drain(&DrainPlan::new().with_notice(Duration::ZERO));
            // Readers move to another node; the model may finish what it has begun.
            runs.shut_down(Duration::from_secs(10)).await;
        })
        .await?;
    Ok(())
}

impl Store for RedisRuns {
    async fn start(
        &self,
        completion: Completion,
        model: Model,
        user: &str,
    ) -> Result<Run, Refusal> {
        let id = completion.id().clone();
        let producer = async move |writer| completion.stream(&model, &writer).await;
        self.start(id, user, producer).await.map_err(refusal)
    }

    async fn get(&self, id: &str, user: &str) -> Result<Option<Run>, Refusal> {
        self.get(id, user).await.map_err(refusal)
    }

    async fn stop(&self, id: &str, user: &str) -> Result<bool, Refusal> {
        self.stop(id, user).await.map_err(refusal)
    }

    async fn list(&self, user: &str) -> Result<Vec<(RunId, Option<RunOutcome>)>, Refusal> {
        let runs = self.list(user).await.map_err(refusal)?;
        Ok(runs.into_iter().map(|run| (run.id, run.outcome)).collect())
    }
}

fn refusal(error: RedisRunsError) -> Refusal {
    match error {
        RedisRunsError::Start(error) => error.into(),
        error => Refusal::Unavailable(error.to_string()),
    }
}
