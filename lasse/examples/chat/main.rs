//! A chat with a language model, for the clients of OpenAI's API. An answer is a run: it continues
//! when the connection is lost, and a client resumes it.
//!
//! ```text
//! cargo run --release --example chat        # then open http://127.0.0.1:4000/ in a browser
//! curl -N http://127.0.0.1:4000/v1/chat/completions -H 'content-type: application/json' \
//!     -d '{"model":"parrot","messages":[{"role":"user","content":"tea"}],"stream":true}'
//! ```
//!
//! The requests are in `api.rs`. The model is simulated: `model.rs`. On several nodes, with Redis:
//! `cargo run --release -p lasse-redis --example chat_cluster`.

mod api;
mod completion;
mod model;
#[path = "../support/shutdown.rs"]
mod shutdown;

use std::error::Error;
use std::time::Duration;

use lasse::{Listener, Run, RunId, RunOutcome, Runs, RunsConfig};

use api::{Refusal, Store};
use completion::Completion;
use model::Model;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);
    let runs = Runs::new(RunsConfig::new().with_last_event(completion::last_event));
    Ok(api::serve(listener, runs).await?)
}

impl Store for Runs {
    async fn start(
        &self,
        completion: Completion,
        model: Model,
        user: &str,
    ) -> Result<Run, Refusal> {
        let id = completion.id().clone();
        let run =
            self.start(id, user, async move |writer| completion.stream(&model, &writer).await);
        Ok(run?)
    }

    async fn get(&self, id: &str, user: &str) -> Result<Option<Run>, Refusal> {
        Ok(self.get(id, user))
    }

    async fn stop(&self, id: &str, user: &str) -> Result<bool, Refusal> {
        let run = self.get(id, user);
        run.iter().for_each(Run::stop);
        Ok(run.is_some())
    }

    async fn list(&self, user: &str) -> Result<Vec<(RunId, Option<RunOutcome>)>, Refusal> {
        Ok(self.list(user).iter().map(|run| (run.id().clone(), run.outcome())).collect())
    }

    async fn shut_down(&self, grace: Duration) {
        self.shut_down(grace).await;
    }
}
