//! Events whose values differ from release to release, as a careless upgrade makes them, or a careful one.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use everport::Cluster;
use everport::messages::{CallError, Message, Messages, Peer, SendError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::messages::{Notes, outcome, send};

/// Which types a release has for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Trade {
    #[default]
    Old,
    New,
}

/// The value of `sold` in the old release.
#[derive(Debug, Serialize, Deserialize)]
struct Sold {
    article: u64,
    count: u32,
}

/// The same event in the new one, which has changed altogether.
#[derive(Debug, Serialize, Deserialize)]
struct SoldAnew {
    article: String,
    count: u32,
}

/// The value of `moved` in the old release.
#[derive(Debug, Serialize, Deserialize)]
struct Moved {
    article: u64,
}

/// The same event in the new one, which has got a field that has a default.
#[derive(Debug, Serialize, Deserialize)]
struct MovedAnew {
    article: u64,
    #[serde(default)]
    shelf: u32,
}

impl Trade {
    /// Notes what is sold and moved, and answers what can be asked, in the types of its release.
    pub(super) fn take_part(
        self,
        cluster: &Cluster,
        notes: &Arc<Notes>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        match self {
            Self::Old => {
                note(notes, cluster.messages::<Sold>("sold")?);
                note(notes, cluster.messages::<Moved>("moved")?);
                cluster.answer("order", async |asked: Message<Sold>| asked.value.count)?;
                cluster.answer("price", async |_: Message<u64>| 100)?;
            }
            Self::New => {
                note(notes, cluster.messages::<SoldAnew>("sold")?);
                note(notes, cluster.messages::<MovedAnew>("moved")?);
                cluster.answer("order", async |asked: Message<SoldAnew>| asked.value.count)?;
                cluster.answer("price", async |_: Message<u64>| "100 EUR")?;
            }
        }
        Ok(())
    }

    /// Tells somebody that two of an article were sold.
    pub(super) async fn sell(self, cluster: &Cluster, to: Peer) -> Value {
        outcome(send(cluster, to, "sold", &self.two_sold()).await)
    }

    /// Tells all others so.
    pub(super) async fn sell_to_all(self, cluster: &Cluster) -> Result<(), SendError> {
        cluster.broadcast("sold", &self.two_sold()).await
    }

    /// Tells somebody that an article was moved.
    pub(super) async fn move_one(self, cluster: &Cluster, to: Peer) -> Value {
        let moved = match self {
            Self::Old => json!(Moved { article: 7 }),
            Self::New => json!(MovedAnew {
                article: 7,
                shelf: 3
            }),
        };
        outcome(send(cluster, to, "moved", &moved).await)
    }

    /// Orders two of an article.
    pub(super) async fn order(self, cluster: &Cluster, to: Peer) -> Value {
        answer(
            cluster
                .call::<_, u32>(to, "order", &self.two_sold(), LONG)
                .await,
        )
    }

    /// Asks for the price of an article.
    pub(super) async fn ask_for_a_price(self, cluster: &Cluster, to: Peer) -> Value {
        match self {
            Self::Old => answer(cluster.call::<_, u64>(to, "price", &7, LONG).await),
            Self::New => answer(cluster.call::<_, String>(to, "price", &7, LONG).await),
        }
    }

    fn two_sold(self) -> Value {
        match self {
            Self::Old => json!(Sold {
                article: 7,
                count: 2
            }),
            Self::New => json!(SoldAnew {
                article: "A-7".to_owned(),
                count: 2
            }),
        }
    }
}

/// A deadline that no call reaches unless something is wrong.
const LONG: Duration = Duration::from_secs(60);

fn note<T>(notes: &Arc<Notes>, messages: Messages<T>)
where
    T: Serialize + DeserializeOwned + Send + 'static,
{
    tokio::spawn(Arc::clone(notes).collect(messages));
}

fn answer<A: Display>(called: Result<A, CallError>) -> Value {
    match called {
        Ok(answer) => json!(answer.to_string()),
        Err(error) => json!({ "error": error.to_string() }),
    }
}
