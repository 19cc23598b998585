//! Makes a failing scenario small.

use super::channel_settings::ChannelSettings;
use super::run::run;
use super::scenario::{Action, Scenario};
use super::settings::{ClientSettings, NodeSettings, Settings};
use super::{Breach, Report};

/// Shrinks the scenario of a seed that breaks the law: to fewer actions, and to settings that are less
/// unusual. Returns the breach of the smallest scenario found.
///
/// # Errors
///
/// If the seed does not break the law, its report.
pub fn shrink(seed: u64) -> Result<Breach, Report> {
    let mut scenario = Scenario::from_seed(seed);
    if let Ok(report) = run(&scenario, false) {
        return Err(report);
    }
    loop {
        let before = format!("{scenario:?}");
        shrink_actions(&mut scenario);
        shrink_settings(&mut scenario);
        if format!("{scenario:?}") == before {
            break;
        }
    }
    match run(&scenario, true) {
        Err(breach) => Ok(*breach),
        Ok(report) => Err(report),
    }
}

fn fails(scenario: &Scenario) -> bool {
    run(scenario, false).is_err()
}

/// Leaves out as many actions as can be, from long stretches to single ones.
fn shrink_actions(scenario: &mut Scenario) {
    let mut stretch = scenario.actions.len();
    while stretch > 0 {
        let mut at = 0;
        while at < scenario.actions.len() {
            let end = (at + stretch).min(scenario.actions.len());
            let mut fewer = scenario.clone();
            fewer.actions.drain(at..end);
            if fails(&fewer) {
                *scenario = fewer;
            } else {
                at = end;
            }
        }
        stretch /= 2;
    }
    for at in 0..scenario.actions.len() {
        let Some(smaller) = smaller(&scenario.actions[at]) else { continue };
        let mut simpler = scenario.clone();
        simpler.actions[at] = smaller;
        if fails(&simpler) {
            *scenario = simpler;
        }
    }
}

fn smaller(action: &Action) -> Option<Action> {
    match *action {
        Action::Publish { feed, events, size } if events > 1 || size > 0 => {
            Some(Action::Publish { feed, events: events.div_ceil(2), size: size / 2 })
        }
        _ => None,
    }
}

/// Changes one setting to a calm value.
type Change = Box<dyn Fn(&mut Settings)>;

/// Sets what can be to calm values, and leaves out clients and nodes.
fn shrink_settings(scenario: &mut Scenario) {
    let settings = &scenario.settings;
    let mut changes: Vec<Change> = vec![
        Box::new(|settings| settings.has_dispatcher = false),
        Box::new(|settings| settings.shards = (1, 0)),
        Box::new(|settings| settings.budget = None),
        Box::new(|settings| settings.has_holes = false),
        Box::new(|settings| settings.number_before = 0),
        Box::new(|settings| settings.feeds = 1),
        Box::new(|settings| settings.topics = None),
    ];
    for index in (0..settings.clients.len()).rev() {
        changes.push(Box::new(move |settings| {
            if settings.clients.len() > 1 {
                settings.clients.remove(index);
            }
        }));
    }
    for index in (0..settings.nodes.len()).rev() {
        changes.push(Box::new(move |settings| {
            if settings.nodes.len() > 1 {
                settings.nodes.remove(index);
            }
        }));
    }
    changes.extend(channel_changes());
    for index in 0..settings.clients.len() {
        changes.extend(client_changes(index));
    }
    for index in 0..settings.nodes.len() {
        changes.extend(node_changes(index));
    }
    for change in changes {
        let mut calmer = scenario.clone();
        change(&mut calmer.settings);
        if calmer.settings != scenario.settings && fails(&calmer) {
            *scenario = calmer;
        }
    }
}

fn channel_changes() -> Vec<Change> {
    let changes: [fn(&mut ChannelSettings, ChannelSettings); 15] = [
        |channel, calm| channel.events = calm.events,
        |channel, calm| channel.bytes = calm.bytes,
        |channel, calm| channel.age = calm.age,
        |channel, calm| channel.start = calm.start,
        |channel, calm| channel.is_shared = calm.is_shared,
        |channel, calm| channel.has_snapshots = calm.has_snapshots,
        |channel, calm| channel.backfill = calm.backfill,
        |channel, calm| channel.lag = calm.lag,
        |channel, calm| channel.position = calm.position,
        |channel, calm| channel.reset = calm.reset,
        |channel, calm| channel.max_subscribers = calm.max_subscribers,
        |channel, calm| channel.retry_when_full = calm.retry_when_full,
        |channel, calm| channel.read_budget = calm.read_budget,
        |channel, calm| channel.linger = calm.linger,
        |channel, calm| channel.idle_timeout = calm.idle_timeout,
    ];
    each(changes, |settings, change| change(&mut settings.channel, ChannelSettings::calm()))
}

fn client_changes(index: usize) -> Vec<Change> {
    let changes: [fn(&mut ClientSettings, ClientSettings); 14] = [
        |client, calm| client.route = calm.route,
        |client, calm| client.kind = calm.kind,
        |client, calm| client.is_http10 = calm.is_http10,
        |client, calm| client.is_http2 = calm.is_http2,
        |client, calm| client.pipe.capacity = calm.pipe.capacity,
        |client, calm| client.pipe.most_at_once = calm.pipe.most_at_once,
        |client, calm| client.pipe.pending_one_in = calm.pipe.pending_one_in,
        |client, calm| client.pipe.holds_until_flush = calm.pipe.holds_until_flush,
        |client, calm| client.pipe.is_vectored = calm.pipe.is_vectored,
        |client, calm| client.hops_one_in = calm.hops_one_in,
        |client, calm| client.read_timeout = calm.read_timeout,
        |client, calm| client.pause = calm.pause,
        |client, calm| client.request_piece = calm.request_piece,
        |client, calm| client.uses_query = calm.uses_query,
    ];
    each(changes, move |settings, change| {
        if let Some(client) = settings.clients.get_mut(index) {
            change(client, ClientSettings::calm());
        }
    })
}

fn node_changes(index: usize) -> Vec<Change> {
    let changes: [fn(&mut NodeSettings, NodeSettings); 7] = [
        |node, calm| node.limit = calm.limit,
        |node, calm| node.limit_per_client = calm.limit_per_client,
        |node, calm| node.keep_alive = calm.keep_alive,
        |node, calm| node.write_timeout = calm.write_timeout,
        |node, calm| node.max_age = calm.max_age,
        |node, calm| node.has_first_byte = calm.has_first_byte,
        |node, calm| node.head_timeout = calm.head_timeout,
    ];
    each(changes, move |settings, change| {
        if let Some(node) = settings.nodes.get_mut(index) {
            change(node, NodeSettings::calm(node.stack));
        }
    })
}

/// A change of the settings for each change of a part of them, which `apply` finds.
fn each<T: 'static>(
    changes: impl IntoIterator<Item = fn(&mut T, T)>,
    apply: impl Fn(&mut Settings, fn(&mut T, T)) + Copy + 'static,
) -> Vec<Change> {
    let whole = |change| -> Change { Box::new(move |settings| apply(settings, change)) };
    changes.into_iter().map(whole).collect()
}
