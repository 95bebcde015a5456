//! What passes between an app and the home. Pure.
//!
//! From an app: its questions, and announcements of services (RFC 6763) at the ports of the home's
//! network that it was given. The host of each is the box, so that no app takes or answers for the
//! name of a device. To an app: all that is a message.

use atek_api::permission::{LanPort, Transport};
use simple_dns::rdata::{PTR, RData, SRV};
use simple_dns::{
    CLASS, Label, Name, OPCODE, Packet, PacketFlag, QCLASS, Question, RCODE, ResourceRecord,
};

/// The largest message (RFC 6762, 17).
pub(super) const MAX_MESSAGE: usize = 9_000;
/// The most questions and records of one message; a header may promise 65,535 of each.
const MAX_RECORDS: usize = 128;
/// The longest that devices remember an announcement: what the RFC recommends.
const MAX_TTL: u32 = 4_500;
/// What lists the kinds of services (RFC 6763, 9).
const KINDS: &str = "_services._dns-sd._udp.local";

/// What an app may announce.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announcer<'a> {
    /// The box's name, `atek.local`; without it nothing is announced.
    pub(super) host: Option<&'a str>,
    /// The ports of the home's network that lead to the app.
    pub(super) ports: &'a [LanPort],
}

impl Announcer<'_> {
    fn has(&self, transport: Transport, number: Option<u16>) -> bool {
        let mut ports = self.ports.iter();
        ports.any(|port| {
            port.transport() == transport && number.is_none_or(|number| port.number() == number)
        })
    }
}

/// What the home hears of an app's message, and what is announced in it.
pub(super) struct Outwards {
    /// The message.
    pub(super) message: Vec<u8>,
    /// What is taken back when the app is gone.
    pub(super) announced: Vec<ResourceRecord<'static>>,
}

/// See the module.
pub(super) fn outwards(message: &[u8], app: Announcer<'_>) -> Option<Outwards> {
    let packet = parse(message)?;
    if packet.has_flags(PacketFlag::RESPONSE) {
        let answers = packet.answers.iter().chain(&packet.additional_records);
        let answers: Vec<_> = answers
            .filter_map(|record| announced(record, app))
            .collect();
        return announce(answers);
    }
    let mut passed = Packet::new_query(0);
    let questions = packet.questions.into_iter();
    passed.questions = questions
        .filter(|question| question.qname.is_link_local())
        .filter(|question| matches!(question.qclass, QCLASS::ANY | QCLASS::CLASS(CLASS::IN)))
        // An answer to this machine's address would be Avahi's.
        .map(|question| Question { unicast_response: false, ..question })
        .collect();
    if passed.questions.is_empty() {
        return None;
    }
    let message = passed.build_bytes_vec_compressed().ok()?;
    Some(Outwards {
        message,
        announced: Vec::new(),
    })
}

/// Takes back what an app announced.
pub(super) fn farewell(announced: Vec<ResourceRecord<'static>>) -> Option<Vec<u8>> {
    let ended = |record: ResourceRecord<'static>| ResourceRecord { ttl: 0, ..record };
    announce(announced.into_iter().map(ended).collect()).map(|passed| passed.message)
}

/// Whether an app is shown a message of the home.
pub(super) fn inwards(message: &[u8]) -> bool {
    parse(message).is_some()
}

fn announce(answers: Vec<ResourceRecord<'_>>) -> Option<Outwards> {
    if answers.is_empty() {
        return None;
    }
    let announced = answers
        .iter()
        // A kind may have other services.
        .filter(|record| !is_kinds(&record.name) && record.ttl > 0)
        .map(|record| record.clone().into_owned())
        .collect();
    let mut passed = Packet::new_reply(0);
    passed.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
    passed.answers = answers;
    let message = passed.build_bytes_vec_compressed().ok()?;
    (message.len() <= MAX_MESSAGE).then_some(Outwards { message, announced })
}

/// A message of multicast DNS.
fn parse(message: &[u8]) -> Option<Packet<'_>> {
    if message.len() > MAX_MESSAGE {
        return None;
    }
    let counts = message.get(4..12)?.chunks_exact(2);
    let records: usize = counts
        .map(|count| usize::from(u16::from_be_bytes([count[0], count[1]])))
        .sum();
    if records > MAX_RECORDS {
        return None;
    }
    let packet = Packet::parse(message).ok()?;
    let is_plain = packet.opcode() == OPCODE::StandardQuery && packet.rcode() == RCODE::NoError;
    is_plain.then_some(packet)
}

/// The record as the home hears it.
fn announced<'a>(record: &ResourceRecord<'a>, app: Announcer<'a>) -> Option<ResourceRecord<'a>> {
    if record.class != CLASS::IN {
        return None;
    }
    let rdata = match &record.rdata {
        RData::PTR(PTR(target)) => {
            let transport = lists(&record.name, target)?;
            app.has(transport, None).then(|| record.rdata.clone())?
        }
        RData::TXT(_) => {
            let transport = instance(&record.name)?;
            app.has(transport, None).then(|| record.rdata.clone())?
        }
        RData::SRV(service) => {
            let transport = instance(&record.name)?;
            let target = Name::new(app.host?).ok()?;
            let given = app.has(transport, Some(service.port));
            given.then_some(RData::SRV(SRV {
                target,
                ..service.clone()
            }))?
        }
        // Addresses, and what else is said about names of devices.
        _ => return None,
    };
    Some(ResourceRecord {
        name: record.name.clone(),
        class: CLASS::IN,
        ttl: record.ttl.min(MAX_TTL),
        rdata,
        // It does not speak for the others that may have the name.
        cache_flush: false,
    })
}

/// Of what the service is, if this is the name of one: `Kitchen._mqtt._tcp.local`.
fn instance(name: &Name<'_>) -> Option<Transport> {
    let [_, kind @ ..] = name.get_labels() else {
        return None;
    };
    transport(kind)
}

/// Of what the services of a kind are: `_mqtt._tcp.local`.
fn transport(kind: &[Label<'_>]) -> Option<Transport> {
    let [service, transport, local] = kind else {
        return None;
    };
    let is = |label: &Label<'_>, word: &[u8]| label.as_ref().eq_ignore_ascii_case(word);
    if !service.as_ref().starts_with(b"_") || !is(local, b"local") {
        return None;
    }
    if is(transport, b"_tcp") {
        Some(Transport::Tcp)
    } else {
        is(transport, b"_udp").then_some(Transport::Udp)
    }
}

/// Of what the services are, if `name` is a list that may have `target` in it: of kinds, or of
/// services of one kind, also of a part of these.
fn lists(name: &Name<'_>, target: &Name<'_>) -> Option<Transport> {
    if is_kinds(name) {
        return transport(target.get_labels());
    }
    let kind = match name.get_labels() {
        [_, part, kind @ ..] if part.as_ref().eq_ignore_ascii_case(b"_sub") => kind,
        kind => kind,
    };
    let transport = transport(kind)?;
    let [_, of @ ..] = target.get_labels() else {
        return None;
    };
    (of == kind).then_some(transport)
}

fn is_kinds(name: &Name<'_>) -> bool {
    Name::new_unchecked(KINDS) == *name
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use simple_dns::rdata::{A, TXT};
    use simple_dns::{QTYPE, TYPE};

    const HOST: &str = "atek.local";

    fn record(name: &'static str, rdata: RData<'static>) -> ResourceRecord<'static> {
        let record = ResourceRecord::new(Name::new_unchecked(name), CLASS::IN, 120_000, rdata);
        record.with_cache_flush(true)
    }

    fn ptr(name: &'static str, target: &'static str) -> ResourceRecord<'static> {
        record(name, RData::PTR(PTR(Name::new_unchecked(target))))
    }

    fn srv(name: &'static str, port: u16, target: &'static str) -> ResourceRecord<'static> {
        let target = Name::new_unchecked(target);
        let service = SRV {
            priority: 0,
            weight: 0,
            port,
            target,
        };
        record(name, RData::SRV(service))
    }

    fn said(records: &[ResourceRecord<'static>]) -> Vec<u8> {
        let mut packet = Packet::new_reply(7);
        packet.answers = records.to_vec();
        packet.build_bytes_vec_compressed().unwrap()
    }

    /// What the home hears of these records, as text; none: nothing.
    fn heard(
        records: &[ResourceRecord<'static>],
        host: Option<&str>,
        ports: &[&str],
    ) -> Vec<String> {
        let ports: Vec<LanPort> = ports.iter().map(|port| port.parse().unwrap()).collect();
        let app = Announcer {
            host,
            ports: &ports,
        };
        let Some(passed) = outwards(&said(records), app) else {
            return Vec::new();
        };
        let packet = Packet::parse(&passed.message).unwrap();
        assert!(packet.has_flags(PacketFlag::RESPONSE) && packet.id() == 0);
        let text = |record: &ResourceRecord<'_>| {
            assert!(!record.cache_flush && record.ttl == MAX_TTL, "{record:?}");
            match &record.rdata {
                RData::PTR(PTR(target)) => format!("{} -> {target}", record.name),
                RData::SRV(service) => {
                    format!("{} at {}:{}", record.name, service.target, service.port)
                }
                RData::TXT(_) => format!("{} is", record.name),
                other => panic!("{other:?}"),
            }
        };
        packet.answers.iter().map(text).collect()
    }

    #[test]
    fn an_app_announces_services_of_the_box_at_its_ports_and_nothing_else() {
        let lamp = "Kitchen._lamp._tcp.local";
        let all = [
            ptr("_lamp._tcp.local", lamp),
            ptr("_red._sub._lamp._tcp.local", lamp),
            ptr(KINDS, "_lamp._tcp.local"),
            srv(lamp, 7000, "victim.local"),
            record(lamp, RData::TXT(TXT::new())),
            // Ports that it was not given, and names that are no services.
            srv("Door._lamp._tcp.local", 7001, HOST),
            srv("Name._lamp._udp.local", 7000, HOST),
            srv("atek.local", 7000, HOST),
            ptr("_lamp._tcp.local", "Kitchen._printer._tcp.local"),
            ptr("_lamp._tcp.local", "victim.local"),
            ptr("1.1.168.192.in-addr.arpa", "victim.local"),
            ptr("_lamp._tcp.example.org", "Kitchen._lamp._tcp.example.org"),
            record(
                "atek.local",
                RData::A(A {
                    address: 0x0102_0304,
                }),
            ),
            record("atek.local", RData::TXT(TXT::new())),
        ];
        let passed = [
            "_lamp._tcp.local -> Kitchen._lamp._tcp.local",
            "_red._sub._lamp._tcp.local -> Kitchen._lamp._tcp.local",
            "_services._dns-sd._udp.local -> _lamp._tcp.local",
            "Kitchen._lamp._tcp.local at atek.local:7000",
            "Kitchen._lamp._tcp.local is",
        ];
        assert_eq!(heard(&all, Some(HOST), &["tcp/7000"]), passed);
        assert!(heard(&all, Some(HOST), &[]).is_empty());
        // Without a name of the box there is no host.
        assert!(
            !heard(&all, None, &["tcp/7000"])
                .iter()
                .any(|text| text.contains(" at "))
        );
    }

    #[test]
    fn what_was_announced_is_taken_back() {
        let lamp = "Kitchen._lamp._tcp.local";
        let ports = ["tcp/7000".parse().unwrap()];
        let app = Announcer {
            host: Some(HOST),
            ports: &ports,
        };
        let all = [
            ptr("_lamp._tcp.local", lamp),
            ptr(KINDS, "_lamp._tcp.local"),
            srv(lamp, 7000, HOST),
        ];
        let passed = outwards(&said(&all), app).unwrap();
        let last = farewell(passed.announced).unwrap();
        let packet = Packet::parse(&last).unwrap();
        let [record, service] = packet.answers.as_slice() else {
            panic!("{packet:?}")
        };
        assert_eq!(
            (record.ttl, record.name.to_string().as_str()),
            (0, "_lamp._tcp.local")
        );
        assert_eq!((service.ttl, service.name.to_string().as_str()), (0, lamp));
        assert!(farewell(Vec::new()).is_none());
    }

    #[test]
    fn questions_about_the_home_pass_and_are_answered_to_all() {
        let mut packet = Packet::new_query(7);
        for name in ["_ipp._tcp.local", "printer.local", "example.org"] {
            packet.questions.push(Question::new(
                Name::new_unchecked(name),
                QTYPE::TYPE(TYPE::PTR),
                QCLASS::CLASS(CLASS::IN),
                true,
            ));
        }
        packet
            .answers
            .push(record("atek.local", RData::A(A { address: 1 })));
        let message = packet.build_bytes_vec().unwrap();
        let app = Announcer {
            host: Some(HOST),
            ports: &[],
        };
        let passed = outwards(&message, app).unwrap().message;
        let passed = Packet::parse(&passed).unwrap();
        let names: Vec<String> = passed
            .questions
            .iter()
            .map(|asked| asked.qname.to_string())
            .collect();
        assert_eq!(names, ["_ipp._tcp.local", "printer.local"]);
        assert!(passed.questions.iter().all(|asked| !asked.unicast_response));
        assert!(passed.answers.is_empty());
        assert!(inwards(&message));
    }

    #[test]
    fn a_header_that_promises_more_than_the_bound_is_no_message() {
        let mut message = Packet::new_query(0).build_bytes_vec().unwrap();
        message[6..8].copy_from_slice(&[0xff, 0xff]);
        assert!(!inwards(&message) && !inwards(&[]) && !inwards(&vec![0; MAX_MESSAGE + 1]));
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm_and_what_passes_is_a_message(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            at in 0usize..120,
            with in any::<u8>(),
        ) {
            let ports = ["tcp/7000".parse().unwrap()];
            let app = Announcer { host: Some(HOST), ports: &ports };
            let lamp = "Kitchen._lamp._tcp.local";
            let mut damaged = said(&[ptr("_lamp._tcp.local", lamp), srv(lamp, 7000, HOST)]);
            if let Some(byte) = damaged.get_mut(at) {
                *byte = with;
            }
            for message in [bytes, damaged] {
                inwards(&message);
                if let Some(passed) = outwards(&message, app) {
                    prop_assert!(inwards(&passed.message));
                }
            }
        }
    }
}
