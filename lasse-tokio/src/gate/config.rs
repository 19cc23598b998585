//! The configuration of a gate: limits, delays, and the plan of a drain.

use std::fmt;
use std::hash::Hash;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use lasse_core::RequestHead;

use super::DrainPlan;
use super::per_key::{Key, KeyLimitPolicy, PerKey, TooMany};
use super::registry::Entry;
use crate::random::{point_in, random};

/// How many streams a [`Gate`](crate::Gate) admits, and how it ends them.
///
/// | setting | default |
/// |---|---|
/// | streams in all | no limit |
/// | streams per key | no limit; beyond one, the newest is refused |
/// | tags of a stream | none |
/// | a client tries again if the server is full | after 5 to 15 seconds |
/// | a client returns if its own limit is reached, or its stream was replaced or revoked | after 60 to 75 seconds |
/// | plan of a drain | [the default one](DrainPlan) |
///
/// # Examples
///
/// At most six streams for each IP address. Behind a proxy, take the address from the header
/// that the proxy sets, because all connections come from the proxy:
///
/// ```
/// use lasse_tokio::{Gate, GateConfig, PeerAddr};
///
/// let config = GateConfig::new()
///     .with_limit(10_000)
///     .with_limit_per_key(6, |request| {
///         PeerAddr::from_extensions(request.extensions()).map(|PeerAddr(peer)| peer.ip())
///     });
/// let gate = Gate::new(config);
/// ```
#[doc(alias = "rate limit")]
pub struct GateConfig {
    limit: usize,
    per_key: Option<PerKey>,
    key_limit_policy: KeyLimitPolicy,
    tags: Option<Box<TagsOf>>,
    retry: RangeInclusive<Duration>,
    client_retry: RangeInclusive<Duration>,
    drain_plan: DrainPlan,
    random: Box<dyn Fn() -> u64 + Send + Sync>,
}

type TagsOf = dyn Fn(&RequestHead<'_>) -> Vec<String> + Send + Sync;

impl GateConfig {
    /// The defaults: all streams are admitted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many streams can be open at a time. With zero, all are rejected.
    #[must_use]
    pub fn with_limit(self, streams: usize) -> Self {
        Self { limit: streams, ..self }
    }

    /// Sets how many streams with the same key can be open at a time. The key can be a user,
    /// a tenant or an [address](crate::PeerAddr). A stream without a key has no limit.
    #[must_use]
    pub fn with_limit_per_key<K: Hash>(
        self,
        streams: usize,
        key: impl Fn(&RequestHead<'_>) -> Option<K> + Send + Sync + 'static,
    ) -> Self {
        Self { per_key: Some(PerKey::new(streams, key)), ..self }
    }

    /// Sets which stream yields if a client opens more than its limit allows.
    #[must_use]
    pub fn with_key_limit_policy(self, policy: KeyLimitPolicy) -> Self {
        Self { key_limit_policy: policy, ..self }
    }

    /// Sets the tags of each stream, such as its user, session or tenant. By its tags, a stream is
    /// [listed](crate::Gate::streams) and [ended](crate::Gate::end_where). A tag takes some tens of
    /// bytes for each stream.
    #[must_use]
    pub fn with_tags<T, I>(
        self,
        tags: impl Fn(&RequestHead<'_>) -> I + Send + Sync + 'static,
    ) -> Self
    where
        I: IntoIterator<Item = T>,
        T: Into<String>,
    {
        let tags =
            move |request: &RequestHead<'_>| tags(request).into_iter().map(Into::into).collect();
        Self { tags: Some(Box::new(tags)), ..self }
    }

    /// Sets the span of the random time after which a client returns if the limit of its key is
    /// reached, or if its stream was replaced or revoked. Nothing will change soon, so it should be
    /// long.
    #[must_use]
    pub fn with_client_retry(self, span: RangeInclusive<Duration>) -> Self {
        Self { client_retry: span, ..self }
    }

    /// Sets the span of the random time after which a client tries again if the server is full.
    /// With zero it tries again at once.
    #[must_use]
    pub fn with_retry(self, span: RangeInclusive<Duration>) -> Self {
        Self { retry: span, ..self }
    }

    /// Sets the plan of the drain that [`Gate::shut_on`](crate::Gate::shut_on) starts, and
    /// with it a server with a graceful shutdown.
    #[must_use]
    pub fn with_drain_plan(self, plan: DrainPlan) -> Self {
        Self { drain_plan: plan, ..self }
    }

    /// Sets the source of the random numbers from which the gate draws its delays. Each
    /// number must be any `u64` with equal probability. A simulation that must repeat passes
    /// a seeded generator.
    #[must_use]
    pub fn with_random(self, random: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { random: Box::new(random), ..self }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn drain_plan(&self) -> &DrainPlan {
        &self.drain_plan
    }

    /// After how long a client tries again, if the server is full.
    pub(super) fn retry(&self) -> Duration {
        self.draw(self.retry.clone())
    }

    /// A random point of `span`.
    pub(super) fn draw(&self, span: RangeInclusive<Duration>) -> Duration {
        point_in(span, (self.random)())
    }

    /// A random time after which a client returns if the limit of its key has refused it, or if its
    /// stream was revoked.
    pub(super) fn draw_client_retry(&self) -> Duration {
        self.draw(self.client_retry.clone())
    }

    /// The key of a request.
    pub(super) fn key(&self, request: &RequestHead<'_>) -> Option<Key> {
        self.per_key.as_ref()?.key(request)
    }

    /// The tags of a request.
    pub(super) fn tags(&self, request: &RequestHead<'_>) -> Vec<String> {
        self.tags.as_ref().map_or_else(Vec::new, |tags| tags(request))
    }

    /// Whether new streams replace old ones of the same key.
    pub(super) fn replaces_oldest(&self) -> bool {
        self.key_limit_policy == KeyLimitPolicy::ReplaceOldest
    }

    /// Counts one more stream with this key, unless there are too many.
    pub(super) fn take_key(&self, key: Key, entry: Option<&Arc<Entry>>) -> Result<(), TooMany> {
        let entry = entry.filter(|_| self.replaces_oldest());
        self.per_key.as_ref().map_or(Ok(()), |per_key| per_key.add(key, entry))
    }

    /// The stream that a new one with this key replaces.
    pub(super) fn take_oldest(&self, key: Key) -> Option<Arc<Entry>> {
        let per_key = self.per_key.as_ref().filter(|_| self.replaces_oldest())?;
        per_key.take_oldest(key)
    }

    /// Counts one stream less with this key.
    pub(super) fn return_key(&self, key: Key, entry: Option<&Entry>) {
        let entry = entry.filter(|_| self.replaces_oldest());
        if let Some(per_key) = &self.per_key {
            per_key.remove(key, entry);
        }
    }
}

impl Default for GateConfig {
    fn default() -> Self {
        let retry = Duration::from_secs(5)..=Duration::from_secs(15);
        Self {
            limit: usize::MAX,
            per_key: None,
            key_limit_policy: KeyLimitPolicy::default(),
            tags: None,
            retry,
            client_retry: CLIENT_RETRY,
            drain_plan: DrainPlan::default(),
            random: Box::new(random),
        }
    }
}

impl fmt::Debug for GateConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateConfig")
            .field("limit", &self.limit)
            .field("limit_per_key", &self.per_key.as_ref().map(|per_key| per_key.limit))
            .field("key_limit_policy", &self.key_limit_policy)
            .field("retry", &self.retry)
            .field("client_retry", &self.client_retry)
            .field("drain_plan", &self.drain_plan)
            .finish_non_exhaustive()
    }
}

/// When a client returns if nothing will change soon.
pub(crate) const CLIENT_RETRY: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(75);
