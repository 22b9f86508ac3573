//! What entries of the file do to each other: the same id, socket or device twice, a channel that
//! would hear itself.

use std::net::SocketAddr;
use std::ops::Range;

use copperlink::proto::config::{Class, LinkConfig};
use copperlink::shell::Deliver;

use super::problem::Problem;
use super::resolve::{ChannelPlan, Plan, next_port};

/// Takes down every conflict between entries.
pub(super) fn find_conflicts(plan: &Plan, problems: &mut Vec<Problem>) {
    same_id(plan, problems);
    same_device(plan, problems);
    more_than_one_line(plan, problems);
    same_socket(plan, problems);
    too_many_flows(plan, problems);
    for channel in &plan.channels {
        hears_itself(channel, problems);
    }
}

/// Whether what is sent to `to` arrives at a socket of this host that listens on `listen`.
pub(crate) fn reaches(to: SocketAddr, listen: SocketAddr) -> bool {
    let same_host =
        to.ip() == listen.ip() || (listen.ip().is_unspecified() && to.ip().is_loopback());
    to.port() == listen.port() && same_host
}

fn same_id(plan: &Plan, problems: &mut Vec<Problem>) {
    let ids: Vec<_> = plan.channels.iter().filter_map(|c| c.id.as_ref()).collect();
    for (i, id) in ids.iter().enumerate() {
        if let Some(first) = ids[..i].iter().find(|other| other == &id) {
            let what = format!("the channel id {} is used twice", id.get_ref());
            let expected = "expected an id that no other channel has";
            problems.push(
                Problem::new(id.span(), what, expected).with_other(first.span(), "first used"),
            );
        }
    }
}

fn same_device(plan: &Plan, problems: &mut Vec<Problem>) {
    let devices: Vec<_> = plan
        .lines
        .iter()
        .filter_map(|l| l.device.as_ref())
        .collect();
    for (i, device) in devices.iter().enumerate() {
        if let Some(first) = devices[..i].iter().find(|other| other == &device) {
            let what = format!("the device {} is used twice", device.get_ref());
            let expected = "expected a device of its own for each line";
            problems.push(
                Problem::new(device.span(), what, expected).with_other(first.span(), "first used"),
            );
        }
    }
}

/// A socket that a channel will bind, and where the file asks for it.
struct Claim<'a> {
    channel: &'a ChannelPlan,
    at: Range<usize>,
    address: SocketAddr,
    is_rtcp: bool,
}

impl Claim<'_> {
    fn words(&self) -> String {
        let id = self.channel.id.as_ref();
        let id = id.map_or_else(|| "?".to_owned(), |id| id.get_ref().to_string());
        let rtcp = if self.is_rtcp { " with its RTCP" } else { "" };
        format!("channel {id} '{}'{rtcp}", self.channel.name)
    }
}

fn claims(channel: &ChannelPlan) -> Vec<Claim<'_>> {
    let Some(listen) = &channel.listen else {
        return Vec::new();
    };
    let claim = |address, is_rtcp| Claim {
        channel,
        at: listen.span(),
        address,
        is_rtcp,
    };
    let mut claims = vec![claim(*listen.get_ref(), false)];
    if channel.rtcp {
        claims.extend(next_port(*listen.get_ref()).map(|address| claim(address, true)));
    }
    claims
}

/// The protocol has room for several lines, but nothing weighs them against each other yet: what
/// overtakes on the faster one would be lost.
fn more_than_one_line(plan: &Plan, problems: &mut Vec<Problem>) {
    for device in plan.lines.iter().skip(1).filter_map(|l| l.device.as_ref()) {
        let what = "several lines for one link are not yet available in this version";
        let expected = "expected one [[line]]: use the better one, or a link for each";
        problems.push(Problem::new(device.span(), what, expected));
    }
}

fn same_socket(plan: &Plan, problems: &mut Vec<Problem>) {
    let all: Vec<Claim<'_>> = plan.channels.iter().flat_map(claims).collect();
    for (i, claim) in all.iter().enumerate() {
        let first = all[..i].iter().find(|other| collide(other, claim));
        if let Some(first) = first {
            let what = format!(
                "{} would listen on {}, which is taken by {} ({})",
                claim.words(),
                claim.address,
                first.words(),
                first.address
            );
            let expected = "expected a port of its own for each channel, two with rtcp = true";
            problems.push(
                Problem::new(claim.at.clone(), what, expected)
                    .with_other(first.at.clone(), "taken here"),
            );
        }
    }
}

fn collide(a: &Claim<'_>, b: &Claim<'_>) -> bool {
    let (ip, other) = (a.address.ip(), b.address.ip());
    // [::] takes IPv4 as well; 0.0.0.0 takes only IPv4.
    let covers = |one: std::net::IpAddr, all: std::net::IpAddr| {
        all.is_unspecified() && (all.is_ipv6() || one.is_ipv4())
    };
    let same_port = a.address.port() == b.address.port();
    same_port && (ip == other || covers(ip, other) || covers(other, ip))
}

fn hears_itself(channel: &ChannelPlan, problems: &mut Vec<Problem>) {
    let Some(deliver) = &channel.deliver else {
        return;
    };
    let Deliver::To(to) = deliver.get_ref() else {
        return;
    };
    let mut targets = vec![*to];
    if channel.rtcp {
        targets.extend(next_port(*to));
    }
    for claim in claims(channel) {
        if targets.iter().any(|to| reaches(*to, claim.address)) {
            let what = format!(
                "{} would deliver to its own listening port {}",
                claim.words(),
                claim.address
            );
            let expected = "expected the address of the equipment";
            problems.push(
                Problem::new(deliver.span(), what, expected).with_other(claim.at, "it listens"),
            );
            return;
        }
    }
}

fn too_many_flows(plan: &Plan, problems: &mut Vec<Problem>) {
    let mut flows = 0;
    for channel in &plan.channels {
        // What has no known class is at least one.
        let class = channel.class.unwrap_or(Class::Control);
        flows += class.flows(channel.rtcp);
        if flows <= LinkConfig::MAX_FLOWS {
            continue;
        }
        let at = channel.id.as_ref().map_or(0..0, toml::Spanned::span);
        let what = "this channel is one too many";
        let expected = format!(
            "expected at most {} flows: a channel is one, or two with class = \"rtp\", and its RTCP \
             another",
            LinkConfig::MAX_FLOWS
        );
        problems.push(Problem::new(at, what, expected));
        return;
    }
}
