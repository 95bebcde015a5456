//! Which ports of the home's network are free: each leads to one app, and none to an app and to the
//! box itself.

use super::definition::Definition;
use super::error::OperationError;
use crate::database::Records;
use atek_api::ids::ServiceKey;
use atek_api::permission::{LanPort, Transport};
use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::thread;

/// From here on the kernel gives ports to sockets that ask for any: they are in use for a moment.
const ANY_PORTS: u16 = 32_768;

/// Refuses ports that another app was given, or on which this machine listens.
///
/// # Errors
///
/// [`OperationError::PortTaken`], about the first of them.
pub(super) fn check(
    records: &Records,
    key: &ServiceKey,
    ports: &[LanPort],
) -> Result<(), OperationError> {
    if ports.is_empty() {
        return Ok(());
    }
    let now = jiff::Timestamp::now().as_second();
    for other in records.services().filter(|other| other.key != *key) {
        let settings = Arc::new(other.settings.clone());
        let definition = Definition::installed(other.key.clone(), settings)
            .with_decided(records.grants_of(&other.key, now));
        let held = definition.permissions().listen;
        if let Some(port) = ports.iter().find(|port| held.contains(port)) {
            return Err(OperationError::PortTaken {
                port: *port,
                by: other.settings.id.to_string(),
            });
        }
    }
    check_host(ports)
}

/// Refuses ports on which this machine listens.
///
/// # Errors
///
/// As of [`check`].
pub(super) fn check_host(ports: &[LanPort]) -> Result<(), OperationError> {
    let transports: BTreeSet<&str> = ports.iter().map(|port| port.transport().as_str()).collect();
    let tables = tables(&transports);
    let taken = ports.iter().find(|port| {
        let of_port = |(transport, _): &&(&str, String)| *transport == port.transport().as_str();
        let mut tables = tables.iter().filter(of_port);
        tables.any(|(_, text)| is_taken(text, **port))
    });
    match taken {
        None => Ok(()),
        Some(port) => Err(OperationError::PortTaken {
            port: *port,
            by: "this box itself".to_owned(),
        }),
    }
}

/// The kernel's tables of sockets of these transports, beside their names. It takes milliseconds
/// for each, so all are read at once.
fn tables<'t>(transports: &BTreeSet<&'t str>) -> Vec<(&'t str, String)> {
    let files = transports
        .iter()
        .flat_map(|transport| ["", "6"].map(|family| (*transport, format!("{transport}{family}"))));
    thread::scope(|scope| {
        let reading: Vec<_> = files
            .map(|(transport, file)| {
                let path = format!("/proc/self/net/{file}");
                (transport, scope.spawn(move || fs::read_to_string(path)))
            })
            .collect();
        let read = reading.into_iter().map(|(transport, reading)| {
            // Without IPv6 there is no table of it.
            let text = reading.join().ok().and_then(Result::ok);
            (transport, text.unwrap_or_default())
        });
        read.collect()
    })
}

/// Whether the kernel's table of sockets (proc_net_tcp(5)) has one that the home reaches at the
/// port. Pure.
fn is_taken(table: &str, port: LanPort) -> bool {
    if port.transport() == Transport::Udp && port.number() >= ANY_PORTS {
        return false;
    }
    let listening = match port.transport() {
        Transport::Tcp => "0A",
        Transport::Udp => "07",
    };
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, state) = (fields.next(), fields.nth(1));
        let local = local.and_then(|local| local.split_once(':'));
        state == Some(listening)
            && local.is_some_and(|(address, number)| {
                u16::from_str_radix(number, 16) == Ok(port.number())
                    && address_of(address).is_none_or(is_reached)
            })
    })
}

/// Whether devices at home reach what listens there. The loopback, and
/// [`atek_api::spec::NAME_SERVER`], are for the box and its apps.
fn is_reached(address: IpAddr) -> bool {
    let mapped = address.to_canonical();
    !mapped.is_loopback() && mapped != IpAddr::V4(atek_api::spec::NAME_SERVER)
}

/// The kernel writes addresses as words of 32 bits in the machine's byte order.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn a_port_of_the_box_is_what_devices_reach_and_not_its_loopback() {
        // Of a little-endian machine, as all are that Atek is built for.
        let titles = "  sl  local_address rem_address   st tx_queue rx_queue\n";
        let line =
            |local: &str, state: &str| format!("{titles}   0: {local} 00000000:0000 {state} 0:0\n");
        let (tcp, udp) = ("tcp/1883".parse().unwrap(), "udp/53".parse().unwrap());
        for (local, state, port, taken) in [
            ("00000000:075B", "0A", tcp, true),
            ("0101A8C0:075B", "0A", tcp, true),
            ("0100007F:075B", "0A", tcp, false),
            ("00000000:075B", "01", tcp, false),
            ("00000000:075C", "0A", tcp, false),
            ("00000000:0035", "07", udp, true),
            ("3500007F:0035", "07", udp, false),
            ("0100FEA9:0035", "07", udp, false),
            ("00000000:C350", "07", "udp/50000".parse().unwrap(), false),
            ("00000000000000000000000000000000:075B", "0A", tcp, true),
            ("00000000000000000000000001000000:075B", "0A", tcp, false),
            ("0000000000000000FFFF00000100007F:075B", "0A", tcp, false),
        ] {
            assert_eq!(
                is_taken(&line(local, state), port),
                taken,
                "{local} {state}"
            );
        }
        assert!(!is_taken("", tcp) && !is_taken(titles, udp));
    }

    #[test]
    fn what_this_machine_listens_on_is_in_the_kernels_tables() {
        let tcp = TcpListener::bind("0.0.0.0:0").unwrap();
        let number = tcp.local_addr().unwrap().port();
        let port: LanPort = format!("tcp/{number}").parse().unwrap();
        let error = check_host(&[port]).unwrap_err().to_string();
        assert!(error.contains("this box itself"), "{error}");
        drop(tcp);
        check_host(&[port]).unwrap();
        let udp = (2_000..ANY_PORTS).find_map(|number| UdpSocket::bind(("::", number)).ok());
        let number = udp.as_ref().unwrap().local_addr().unwrap().port();
        assert!(check_host(&[format!("udp/{number}").parse().unwrap()]).is_err());
    }
}
