//! What the connections of one thread have received.

/// Counts and latencies.
#[derive(Debug)]
pub(crate) struct Tally {
    /// How many events make a connection complete.
    wanted: u64,
    pub(crate) keeps_ids: bool,
    /// The time of the read that is under way, in nanoseconds.
    pub(crate) now: u64,
    pub(crate) delivered: u64,
    /// Events that were published before their connection was opened.
    pub(crate) replayed: u64,
    /// Connections that have an event.
    pub(crate) begun: u64,
    /// Connections that have as many events as are wanted.
    pub(crate) complete: u64,
    pub(crate) gaps: u64,
    pub(crate) repeats: u64,
    pub(crate) unreadable: u64,
    pub(crate) protocol_errors: u64,
    pub(crate) comments: u64,
    pub(crate) bytes: u64,
    /// When the first event was published, and when the last one came.
    pub(crate) first_published: u64,
    pub(crate) last_delivered: u64,
    /// From publication to delivery, without replayed events.
    pub(crate) latencies: Histogram,
}

impl Tally {
    pub(crate) fn new(wanted: u64) -> Self {
        Self {
            wanted,
            keeps_ids: false,
            now: 0,
            delivered: 0,
            replayed: 0,
            begun: 0,
            complete: 0,
            gaps: 0,
            repeats: 0,
            unreadable: 0,
            protocol_errors: 0,
            comments: 0,
            bytes: 0,
            first_published: u64::MAX,
            last_delivered: 0,
            latencies: Histogram::new(),
        }
    }

    /// Sets whether connections keep the `id` field to reconnect with.
    pub(crate) fn with_ids(self, keeps_ids: bool) -> Self {
        Self { keeps_ids, ..self }
    }

    /// Counts an event of a connection that has now received `events`.
    pub(crate) fn count(&mut self, published: u64, is_replayed: bool, events: u64) {
        self.delivered += 1;
        self.begun += u64::from(events == 1);
        self.complete += u64::from(events == self.wanted);
        if is_replayed {
            self.replayed += 1;
        } else {
            self.latencies.record(self.now.saturating_sub(published));
        }
        self.first_published = self.first_published.min(published);
        self.last_delivered = self.now;
    }

    /// How much was wrong with the events.
    pub(crate) fn faults(&self) -> u64 {
        self.gaps + self.repeats + self.unreadable + self.protocol_errors
    }

    /// Adds what another thread has received.
    pub(crate) fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.replayed += other.replayed;
        self.begun += other.begun;
        self.complete += other.complete;
        self.gaps += other.gaps;
        self.repeats += other.repeats;
        self.unreadable += other.unreadable;
        self.protocol_errors += other.protocol_errors;
        self.comments += other.comments;
        self.bytes += other.bytes;
        self.first_published = self.first_published.min(other.first_published);
        self.last_delivered = self.last_delivered.max(other.last_delivered);
        self.latencies.add(&other.latencies);
    }
}

/// A histogram of times in nanoseconds, exact to one part in 512.
#[derive(Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    len: u64,
    max: u64,
}

impl Histogram {
    fn new() -> Self {
        Self { counts: vec![0; bucket(u64::MAX) + 1], len: 0, max: 0 }
    }

    fn record(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.len += 1;
        self.max = self.max.max(nanos);
    }

    fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.len += other.len;
        self.max = self.max.max(other.max);
    }

    /// The largest time of each bucket that is not empty, and how many times are in it.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let counts = self.counts.iter().copied().enumerate();
        counts
            .filter(|(_, count)| *count > 0)
            .map(|(nth, count)| (upper_bound(nth).min(self.max), count))
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// The time within which the `share` of all lie, such as 0.99.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let rank = (share * self.len as f64).ceil().max(1.0) as u64;
        let mut below = 0;
        let found = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        found.map_or(0, |bucket| upper_bound(bucket).min(self.max))
    }
}

/// Buckets of one nanosecond up to 1,024, then 512 for each power of two.
fn bucket(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(BITS);
    (nanos >> shift) as usize + (shift as usize) * (1 << (BITS - 1))
}

/// The largest time of a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let half = 1 << (BITS - 1);
    let shift = (bucket / half).saturating_sub(1);
    let first = (bucket - shift * half) as u64;
    ((first + 1) << shift).wrapping_sub(1)
}

const BITS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_a_bucket_that_is_narrow() {
        let times = (0..64).flat_map(|bit| [1 << bit, (1 << bit) - 1, (1 << bit) / 3 * 4]);
        for time in times.chain([0, u64::MAX]) {
            let bound = upper_bound(bucket(time));
            assert!(bound >= time && bound - time <= time / 512, "{time} is in {bound}");
            assert!(
                time == 0 || upper_bound(bucket(time) - 1) < time || bucket(time) == 0,
                "{time}"
            );
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let mut times = Histogram::new();
        assert_eq!((times.quantile(0.5), times.max()), (0, 0));
        (1..=1000).for_each(|nanos| times.record(nanos));
        assert_eq!([0.001, 0.5, 0.99, 1.0].map(|share| times.quantile(share)), [1, 500, 990, 1000]);
        let mut both = Histogram::new();
        both.record(1 << 40);
        both.add(&times);
        assert_eq!((both.quantile(0.5), both.max()), (501, 1 << 40));
        assert_eq!(both.buckets().last(), Some((1 << 40, 1)));
        assert_eq!(both.buckets().map(|(_, count)| count).sum::<u64>(), 1001);
    }
}
