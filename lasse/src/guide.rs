//! Pages on the use of these crates, and on how they work.

/// What clients of other projects do, in each dialect.
pub mod clients {
    #![doc = include_str!("../docs/clients.md")]
}

/// Compiler, versions, and public dependencies.
pub mod compatibility {
    #![doc = include_str!("../docs/compatibility.md")]
}

/// Proxies, timeouts, HTTP/2, shutdown, metrics.
pub mod deployment {
    #![doc = include_str!("../docs/deployment.md")]
}

/// Structures, locks and limits of a channel.
pub mod log_and_channel {
    #![doc = include_str!("../docs/log-and-channel.md")]
}

/// Sign-in and CORS, limits per user, ending the streams of a user, presence.
pub mod recipes {
    #![doc = include_str!("../docs/recipes.md")]
}

/// Channels on several nodes: failures, settings, metrics.
pub mod redis {
    #![doc = include_str!("../docs/redis.md")]
}

/// One stream for many rooms or several channels, the newest event of each key, and what combines.
pub mod topics_and_keys {
    #![doc = include_str!("../docs/topics-and-keys.md")]
}

/// The types, in the order in which they meet the data.
pub mod tour {
    #![doc = include_str!("../docs/tour.md")]
}
