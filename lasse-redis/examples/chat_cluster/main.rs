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
#[path = "../../../lasse/examples/support/shutdown.rs"]
mod shutdown;
#[path = "../support/start.rs"]
mod start;

use std::error::Error;
use std::time::Duration;

use lasse::{Run, RunId, RunOutcome, RunsConfig};
use lasse_redis::{Backplane, BackplaneConfig, RedisRuns, RedisRunsConfig, RedisRunsError};

use api::{Refusal, Store};
use completion::Completion;
use model::Model;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (listener, server, _own_redis) = start::start().await?;
    let backplane = Backplane::start(server, &BackplaneConfig::new());
    let limits = RunsConfig::new().with_last_event(completion::last_event);
    let runs = RedisRuns::open(&backplane, "lasse:example:chat", RedisRunsConfig::new(limits))?;
    Ok(api::serve(listener, runs).await?)
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

    async fn shut_down(&self, grace: Duration) {
        self.shut_down(grace).await;
    }
}

fn refusal(error: RedisRunsError) -> Refusal {
    match error {
        RedisRunsError::Start(error) => error.into(),
        error => Refusal::Unavailable(error.to_string()),
    }
}
