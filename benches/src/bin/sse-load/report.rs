//! What a measurement found, in words or as JSON.

use std::time::Duration;

use crate::options::{Mode, Options};
use crate::run::Outcome;

/// Prints one line of JSON, or one line for each figure.
pub(crate) fn print(options: &Options, outcome: &Outcome) {
    let figures = figures(options, outcome);
    if options.is_json {
        let pairs: Vec<_> =
            figures.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        println!("{{{}}}", pairs.join(","));
    } else {
        figures.iter().for_each(|(key, value)| println!("{key:28} {value}"));
    }
}

type Figure = (&'static str, String);

fn figures(options: &Options, outcome: &Outcome) -> Vec<Figure> {
    let mut figures = vec![
        ("mode", text(mode_name(options.mode))),
        ("ok", outcome.is_ok(options).to_string()),
        ("note", text(&outcome.problem)),
        ("conns", options.connections.to_string()),
        ("stuck", options.stuck.to_string()),
        ("events", options.events.to_string()),
        ("size", options.size.to_string()),
        ("rate", options.rate.to_string()),
    ];
    figures.extend(connects(options, outcome));
    figures.extend(deliveries(outcome));
    figures.extend(costs(options, outcome));
    if options.has_latencies {
        let buckets = outcome.tally.latencies.buckets();
        let buckets = buckets.map(|(nanos, count)| format!("[{nanos},{count}]"));
        figures.push(("latencies", format!("[{}]", buckets.collect::<Vec<_>>().join(","))));
    }
    figures
}

fn connects(options: &Options, outcome: &Outcome) -> [Figure; 5] {
    let Outcome { before, connected, .. } = outcome;
    let nanos = connected.run_nanos.saturating_sub(before.run_nanos) as f64;
    let reconnects: Vec<_> = outcome.reconnect_times.iter().map(seconds).collect();
    [
        ("connect_s", seconds(&outcome.connect_time)),
        ("connects_per_s", whole(ratio(outcome.ready as f64, outcome.connect_time.as_secs_f64()))),
        ("connect_retries", outcome.retries.to_string()),
        ("connect_cpu_us", format!("{:.2}", nanos / 1e3 / options.connections as f64)),
        ("reconnect_s", format!("[{}]", reconnects.join(","))),
    ]
}

fn deliveries(outcome: &Outcome) -> [Figure; 17] {
    let tally = &outcome.tally;
    let span = tally.last_delivered.saturating_sub(tally.first_published) as f64 / 1e9;
    let delivered = tally.delivered as f64;
    let micros = |nanos: u64| format!("{:.1}", nanos as f64 / 1e3);
    [
        ("delivered", tally.delivered.to_string()),
        ("replayed", tally.replayed.to_string()),
        ("complete_conns", tally.complete.to_string()),
        ("gaps", tally.gaps.to_string()),
        ("repeats", tally.repeats.to_string()),
        ("unreadable", tally.unreadable.to_string()),
        ("protocol_errors", tally.protocol_errors.to_string()),
        ("ended_by_server", outcome.ended.to_string()),
        ("comments", tally.comments.to_string()),
        ("span_s", format!("{span:.4}")),
        ("deliveries_per_s", whole(ratio(delivered, span))),
        ("wire_bytes_per_delivery", format!("{:.1}", ratio(tally.bytes as f64, delivered))),
        ("p50_us", micros(tally.latencies.quantile(0.5))),
        ("p90_us", micros(tally.latencies.quantile(0.9))),
        ("p99_us", micros(tally.latencies.quantile(0.99))),
        ("p999_us", micros(tally.latencies.quantile(0.999))),
        ("max_us", micros(tally.latencies.max())),
    ]
}

/// Processor time and memory.
fn costs(options: &Options, outcome: &Outcome) -> [Figure; 10] {
    let Outcome { tally, before, settled, end, .. } = outcome;
    let nanos = end.run_nanos.saturating_sub(settled.run_nanos) as f64;
    let per_delivery = ratio(nanos / 1e3, tally.delivered as f64);
    let growth = |after: u64, before: u64| {
        format!("{:.1}", (after as f64 - before as f64) / options.connections as f64)
    };
    [
        ("server_cpu_s", format!("{:.4}", nanos / 1e9)),
        ("server_cpu_us_per_delivery", format!("{per_delivery:.3}")),
        ("server_cpu_busy_s", format!("{:.2}", outcome.busy_ticks as f64 / 100.0)),
        ("client_cpu_s", format!("{:.4}", outcome.own_run_nanos as f64 / 1e9)),
        ("server_rss_before", before.resident.to_string()),
        ("server_rss_connected", settled.resident.to_string()),
        ("server_rss_peak", outcome.resident_peak.to_string()),
        ("server_rss_end", end.resident.to_string()),
        ("server_rss_per_conn", growth(settled.resident, before.resident)),
        ("server_pss_per_conn", growth(settled.proportional, before.proportional)),
    ]
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Fanout => "fanout",
        Mode::Stream => "stream",
        Mode::Idle => "idle",
        Mode::Storm => "storm",
    }
}

fn ratio(amount: f64, of: f64) -> f64 {
    if of > 0.0 { amount / of } else { 0.0 }
}

fn whole(number: f64) -> String {
    format!("{number:.0}")
}

fn seconds(time: &Duration) -> String {
    format!("{:.4}", time.as_secs_f64())
}

/// A string of JSON.
fn text(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => " ".into(),
        c => c.into(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
