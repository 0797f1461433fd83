//! A name server on loopback for tests: authoritative for `.`, zones as data, and names that fail.
//!
//! It must own the root: a REFUSED anywhere above would count as a temporary error.

use std::collections::HashSet;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::{Time, TokioRuntimeProvider};
use hickory_server::proto::op::ResponseCode;
use hickory_server::proto::rr::rdata::{A, AAAA, CNAME, MX, SOA};
use hickory_server::proto::rr::{LowerName, Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, MessageResponseBuilder, ZoneType};
use tokio::net::{TcpListener, UdpSocket};

/// Records, and names that answer SERVFAIL.
#[derive(Default)]
pub struct Zone {
    records: Vec<(Name, RData)>,
    broken: HashSet<String>,
    broken_for: HashSet<(String, RecordType)>,
}

/// Runs until it is dropped.
pub struct Stub {
    address: SocketAddr,
    _server: Server<Answers>,
}

struct Answers {
    catalog: Catalog,
    broken: HashSet<String>,
    broken_for: HashSet<(String, RecordType)>,
}

impl Zone {
    /// An MX record; `.` is the null MX.
    pub fn mx(self, domain: &str, preference: u16, host: &str) -> Self {
        let host = absolute(host);
        self.add(domain, RData::MX(MX::new(preference, host)))
    }

    /// An address record.
    pub fn a(self, host: &str, address: [u8; 4]) -> Self {
        self.add(host, RData::A(A::from(std::net::Ipv4Addr::from(address))))
    }

    /// An address record of the other family.
    pub fn aaaa(self, host: &str, address: &str) -> Self {
        let address: std::net::Ipv6Addr = address.parse().expect("a test's address");
        self.add(host, RData::AAAA(AAAA::from(address)))
    }

    /// An alias.
    pub fn cname(self, alias: &str, target: &str) -> Self {
        let target = absolute(target);
        self.add(alias, RData::CNAME(CNAME(target)))
    }

    /// SERVFAIL for this name.
    pub fn fails(mut self, name: &str) -> Self {
        self.broken.insert(format!("{name}."));
        self
    }

    /// SERVFAIL for this name, when it is asked for records of that kind.
    pub fn fails_for(mut self, name: &str, kind: RecordType) -> Self {
        self.broken_for.insert((format!("{name}."), kind));
        self
    }

    fn add(mut self, name: &str, data: RData) -> Self {
        self.records.push((absolute(name), data));
        self
    }
}

impl Stub {
    /// On any free port of 127.0.0.1.
    pub async fn start(zone: Zone) -> Self {
        let mut root: InMemoryZoneHandler<TokioRuntimeProvider> =
            InMemoryZoneHandler::empty(Name::root(), ZoneType::Primary, AxfrPolicy::Deny);
        let soa = SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, 60);
        root.upsert_mut(Record::from_rdata(Name::root(), 60, RData::SOA(soa)), 1);
        for (name, data) in zone.records {
            root.upsert_mut(Record::from_rdata(name, 300, data), 1);
        }
        let mut catalog = Catalog::new();
        catalog.upsert(LowerName::from(Name::root()), vec![Arc::new(root)]);
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().expect("a bound socket has an address");
        let mut server = Server::new(Answers {
            catalog,
            broken: zone.broken,
            broken_for: zone.broken_for,
        });
        server.register_socket(udp);
        server.register_listener(tcp, Duration::from_secs(5), 4096);
        Self {
            address,
            _server: server,
        }
    }

    /// For `[dns] servers`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl RequestHandler for Answers {
    fn handle_request<'a, 'b, 'c, R, T>(
        &'a self,
        request: &'b Request,
        mut response: R,
    ) -> Pin<Box<dyn Future<Output = ResponseInfo> + Send + 'c>>
    where
        R: 'c + ResponseHandler,
        T: 'c + Time,
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async move {
            let asked = request.queries.queries().first();
            let fails = asked.is_some_and(|query| {
                let name = query.name().to_string().to_lowercase();
                self.broken.contains(&name) || self.broken_for.contains(&(name, query.query_type()))
            });
            if !fails {
                return self.catalog.handle_request::<R, T>(request, response).await;
            }
            let builder = MessageResponseBuilder::from_message_request(request);
            let answer = builder.error_msg(&request.metadata, ResponseCode::ServFail);
            response.send_response(answer).await.expect("loopback")
        })
    }
}

/// UDP and TCP on one port, as resolvers expect.
pub async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..50 {
        let udp = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
        let at = udp.local_addr().expect("bound");
        if let Ok(tcp) = TcpListener::bind(at).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

fn absolute(name: &str) -> Name {
    let name = if name.ends_with('.') {
        name.to_owned()
    } else {
        format!("{name}.")
    };
    Name::from_ascii(name).expect("a test's name")
}
