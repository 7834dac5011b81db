//! Every way to write an address that must not be dialled, and names that lead there: nothing is ever dialled.

use std::{
    net::{Ipv4Addr, Ipv6Addr, TcpListener, ToSocketAddrs as _},
    sync::Mutex,
};

use super::*;
use crate::model::{connection::TlsMode, on_record::OnRecord};

/// A network in which every name has the addresses of the next entry, and dialling is noted.
#[derive(Default, Clone)]
struct Notebook(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    answers: Vec<Vec<IpAddr>>,
    looked_up: usize,
    dialled: Vec<SocketAddr>,
    /// Where a call really goes.
    listener: Option<SocketAddr>,
}

#[async_trait]
impl Network for Notebook {
    async fn look_up(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let mut noted = self.0.lock().unwrap();
        noted.looked_up += 1;
        let answer = noted.answers.get(noted.looked_up - 1).or(noted.answers.last()).cloned();
        answer.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let listener = {
            let mut noted = self.0.lock().unwrap();
            noted.dialled.push(address);
            noted.listener
        };
        TcpStream::connect(listener.ok_or(io::ErrorKind::ConnectionRefused)?).await
    }
}

fn public() -> TargetPolicy {
    TargetPolicy { base: BasePolicy::Public, ..TargetPolicy::default() }
}

fn over(network: &Notebook, policy: TargetPolicy) -> Reach {
    Reach::over(network.clone(), policy, TaskTracker::new())
}

/// The ways to write an IPv4 address that the C library reads.
fn v4_forms(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let whole = u32::from(address);
    let (three, two) = (whole & 0x00ff_ffff, whole & 0xffff);
    vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{two}"),
        format!("{a}.{three}"),
        format!("{whole}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0{whole:o}"),
        format!("000{a:o}.{b}.{c}.{d}"),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("0X{a:X}.{b}.{c}.0X{d:X}"),
        format!("0x{whole:x}"),
        format!("0x{whole:08X}"),
        format!("0x{a:02x}.{three}"),
        format!("{a}.0{b:o}.0x{two:x}"),
        format!("0x00000{a:x}.{b}.{c}.{d}"),
    ]
}

/// The IPv6 forms that lead to an IPv4 address.
fn v6_forms(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let turned = !u32::from(address);
    let (high, low) = (turned >> 16, turned & 0xffff);
    vec![
        format!("::ffff:{address}"),
        format!("::FFFF:{a:02X}{b:02X}:{c:02X}{d:02X}"),
        format!("[::ffff:{address}]"),
        format!("0:0:0:0:0:ffff:{address}"),
        format!("0000:0000:0000:0000:0000:ffff:{a:02x}{b:02x}:{c:02x}{d:02x}"),
        format!("::ffff:{address}%1"),
        format!("::ffff:0:{address}"),
        format!("64:ff9b::{address}"),
        format!("64:FF9B::{a:02x}{b:02x}:{c:02x}{d:02x}"),
        format!("[64:ff9b:0:0::{address}]"),
        format!("64:ff9b:1::{address}"),
        format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
        format!("2002:{a:02X}{b:02X}:{c:02X}{d:02X}:0:0:0:0:5"),
        format!("2001:0:808:808:0:ffff:{high:x}:{low:x}"),
        format!("2001:0000:{a:02x}{b:02x}:{c:02x}{d:02x}:0:0:f7f7:f7f7"),
        format!("2600::5efe:{address}"),
        format!("2600::200:5efe:{address}"),
    ]
}

/// Forms that only IPv6 has, and forms that no reader should take.
const OTHER_FORMS: [&str; 62] = [
    "::",
    "[::]",
    "0:0:0:0:0:0:0:0",
    "::1",
    "[::1]",
    "0:0:0:0:0:0:0:1",
    "0000::0001",
    "::1%lo",
    "[::1%25lo]",
    "::0001",
    "fe80::1",
    "FE80::1",
    "fe80::1%eth0",
    "fe80::1%1",
    "[fe80::1%2]",
    "febf:ffff::1",
    "fe80::a9fe:a9fe",
    "fec0::1",
    "feff::1",
    "fc00::1",
    "FD12:3456:789A::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "ff02::1",
    "FF0E::1",
    "ff05::1:3",
    "2001:db8::1",
    "3fff::1",
    "100::1",
    "5f00::1",
    "64:ff9b:1::a00:1",
    "::2",
    "4000::1",
    "0",
    "0.0.0.0",
    "0x0",
    "00",
    "0.1.2.3",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "255.255.255.255",
    "224.0.0.251",
    "239.255.255.250",
    "240.0.0.1",
    "100.64.0.1",
    "172.31.255.254",
    "198.18.0.1",
    "203.0.113.9",
    "192.0.2.1",
    "127.0.0.1.",
    "0x7f.1.",
    "127.0.0.256",
    "256.0.0.1",
    "4294967297",
    "1.2.3.4.5",
    "127..1",
    "0x7g.0.0.0x1",
    "127.0.0.08",
    "[127.0.0.1]",
    "١٢٧.٠.٠.١",
    "１２７.0.0.1",
];

/// Addresses that a public policy refuses, some of them refused by every policy.
const FORBIDDEN: [Ipv4Addr; 5] = [
    Ipv4Addr::LOCALHOST,
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(10, 1, 2, 3),
    Ipv4Addr::new(192, 168, 7, 9),
    Ipv4Addr::new(100, 127, 0, 1),
];

#[tokio::test]
async fn no_spelling_of_a_forbidden_address_is_dialled() {
    let network = Notebook::default();
    let reach = over(&network, public());
    let mut hosts: Vec<String> = OTHER_FORMS.iter().map(|form| (*form).to_owned()).collect();
    for address in FORBIDDEN {
        hosts.extend(v4_forms(address));
        hosts.extend(v6_forms(address));
    }
    assert!(hosts.len() >= 200, "{}", hosts.len());
    for host in &hosts {
        let outcome = reach.dial(host, 5432).await.map(drop).unwrap_err();
        assert!(matches!(outcome, Unreached::Forbidden(_) | Unreached::HostUnusable(_)), "{host}: {outcome:?}");
    }
    let noted = network.0.lock().unwrap();
    assert_eq!((noted.looked_up, noted.dialled.len()), (0, 0), "an address is never looked up as a name");
}

#[tokio::test]
async fn no_name_leads_to_a_forbidden_address() {
    for name in ["localhost", "LOCALHOST", "localhost.", "db.example", "metadata.google.internal", "x.nip.io"] {
        for address in FORBIDDEN {
            let network = Notebook::default();
            // The good address beside it does not help.
            network.0.lock().unwrap().answers = vec![vec![Ipv4Addr::new(8, 8, 8, 8).into(), address.into()]];
            let outcome = over(&network, public()).dial(name, 5432).await.map(drop).unwrap_err();
            assert!(matches!(outcome, Unreached::Forbidden(_)), "{name}: {outcome:?}");
            assert!(network.0.lock().unwrap().dialled.is_empty(), "{name}");
        }
    }
}

#[test]
fn addresses_are_read_as_the_c_library_reads_them() {
    for address in FORBIDDEN.into_iter().chain([Ipv4Addr::new(8, 8, 4, 4)]) {
        for form in v4_forms(address) {
            let expected = (form.as_str(), 0).to_socket_addrs().unwrap().next().unwrap().ip();
            assert_eq!(address::read(&form), Spelling::Address(expected), "{form}");
            assert_eq!(expected, IpAddr::V4(address), "{form}");
        }
    }
    for name in ["db.example.com", "localhost", "10.example", "0xname", "1e100.net", "a-1.b-2", "xn--bcher-kva.example"]
    {
        assert_eq!(address::read(name), Spelling::Name, "{name}");
    }
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_dialled_where_it_was_checked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (good, bad) = (IpAddr::from([8, 8, 8, 8]), IpAddr::from([127, 0, 0, 1]));
    let network = Notebook::default();
    {
        let mut noted = network.0.lock().unwrap();
        noted.answers = vec![vec![good], vec![bad]];
        noted.listener = Some(listener.local_addr().unwrap());
    }
    let reach = over(&network, public());
    let (_, address) = reach.dial("rebinds.example", 5432).await.unwrap();
    assert_eq!(address.ip(), good);
    assert_eq!(network.0.lock().unwrap().looked_up, 1, "looked up once, so that check and dial see the same");
    let second = reach.dial("rebinds.example", 5432).await.map(drop).unwrap_err();
    assert!(matches!(second, Unreached::Forbidden(Forbidden::Policy(AddressClass::Loopback))), "{second:?}");
    assert_eq!(network.0.lock().unwrap().dialled, [SocketAddr::new(good, 5432)]);
}

#[test]
fn the_private_policy_allows_what_runs_at_home_and_nothing_worse() {
    let policy = TargetPolicy::default();
    let check = |host: &str| match address::read(host) {
        Spelling::Address(address) => policy.check(SocketAddr::new(address, 5432)),
        other => panic!("{host} is {other:?}"),
    };
    for host in
        ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "100.64.0.1", "fd12::1", "fec0::1", "8.8.8.8", "2600::1"]
    {
        assert_eq!(check(host), Ok(()), "{host}");
    }
    for host in ["0.0.0.0", "::", "169.254.169.254", "::ffff:169.254.169.254", "2002:a9fe:a9fe::", "fe80::1", "ff02::1"]
    {
        assert!(matches!(check(host), Err(Forbidden::Never(_))), "{host}: {:?}", check(host));
    }
    for host in ["100.100.100.200", "fd00:ec2::254", "255.255.255.255", "224.0.0.1", "64:ff9b::a9fe:a9fe"] {
        assert!(matches!(check(host), Err(Forbidden::Never(_))), "{host}: {:?}", check(host));
    }
}

#[test]
fn lists_and_ports_change_the_policy_and_not_what_is_never_dialled() {
    let at = |address: &str, port| SocketAddr::new(address.parse().unwrap(), port);
    let network = |text: &str| text.parse().unwrap();
    let policy = TargetPolicy {
        allow: vec![network("10.1.0.0/16"), network("169.254.0.0/16"), network("::/0")],
        deny: vec![network("10.1.2.0/24"), network("8.8.8.8/32")],
        ports: vec![5432..=5439, 3306..=3306],
        ..public()
    };
    assert_eq!(policy.check(at("10.1.1.1", 5432)), Ok(()));
    assert_eq!(policy.check(at("10.1.2.1", 5432)), Err(Forbidden::Denied));
    assert_eq!(policy.check(at("2002:808:808::1", 5432)), Err(Forbidden::Denied), "what it carries is denied");
    assert_eq!(policy.check(at("10.2.0.1", 5432)), Err(Forbidden::Policy(AddressClass::Private)));
    assert_eq!(policy.check(at("169.254.0.1", 5432)), Err(Forbidden::Never(AddressClass::LinkLocal)));
    assert_eq!(policy.check(at("fd00::1", 3306)), Ok(()));
    assert_eq!(policy.check(at("10.1.1.1", 5440)), Err(Forbidden::Port));
    let listed = TargetPolicy { base: BasePolicy::Listed, allow: vec![network("10.1.0.0/16")], ..policy };
    assert_eq!(listed.check(at("10.1.1.1", 5433)), Ok(()));
    assert_eq!(listed.check(at("9.9.9.9", 5433)), Err(Forbidden::Unlisted));
}

#[test]
fn this_server_itself_is_not_dialled() {
    let policy = TargetPolicy::default();
    policy.own.add("127.0.0.1:7341".parse().unwrap());
    let at = |address: IpAddr, port| SocketAddr::new(address, port);
    assert_eq!(policy.check(at(Ipv4Addr::LOCALHOST.into(), 7341)), Err(Forbidden::Own));
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    assert_eq!(policy.check(at(mapped.into(), 7341)), Err(Forbidden::Own));
    assert_eq!(policy.check(at(Ipv4Addr::LOCALHOST.into(), 7342)), Ok(()));
    policy.own.add("0.0.0.0:7342".parse().unwrap());
    assert_eq!(policy.check(at(Ipv4Addr::new(127, 9, 9, 9).into(), 7342)), Err(Forbidden::Own));
    assert_eq!(policy.check(at(Ipv6Addr::LOCALHOST.into(), 7342)), Err(Forbidden::Own));
    assert_eq!(policy.check(at(Ipv4Addr::new(203, 0, 113, 77).into(), 7342)), Ok(()));
}

/// More turns than a login takes, during which the guard bounds what a server sends.
const LOGIN_TURNS: usize = 30;
/// More than the buffers of all sockets on the way hold.
const FLOOD: usize = 16 << 20;

#[tokio::test]
async fn both_directions_flow_while_both_are_full() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let network = Notebook::default();
    {
        let mut noted = network.0.lock().unwrap();
        noted.listener = Some(server.local_addr().unwrap());
    }
    let reach = over(&network, TargetPolicy::default());
    let guard = LoginGuard::Postgres(TlsMode::Required);
    let way = Destination::Network("10.0.0.1".to_owned(), 5432);
    let passage =
        Passage::open(&reach, way, guard, std::time::Duration::from_secs(60), "", OnRecord::already()).unwrap();
    let talk = async {
        // It answers with a flood before it reads the question.
        let (mut server, _) = server.accept().await.unwrap();
        let mut word = [0; 8];
        server.read_exact(&mut word).await.unwrap();
        server.write_all(b"S").await.unwrap();
        for _ in 0..LOGIN_TURNS {
            server.read_exact(&mut word).await.unwrap();
            server.write_all(&word).await.unwrap();
        }
        server.write_all(&vec![1; FLOOD]).await.unwrap();
        let mut question = vec![0; FLOOD];
        server.read_exact(&mut question).await.unwrap();
        server
    };
    let ask = async {
        // The whole question is sent before the answer is read.
        let mut driver = tokio::net::UnixStream::connect(passage.socket()).await.unwrap();
        driver.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).await.unwrap();
        assert_eq!(driver.read_u8().await.unwrap(), b'S');
        let mut word = [0; 8];
        for _ in 0..LOGIN_TURNS {
            driver.write_all(&word).await.unwrap();
            driver.read_exact(&mut word).await.unwrap();
        }
        let (mut answers, mut asks) = driver.split();
        let mut answer = vec![0; FLOOD];
        let question = vec![2; FLOOD];
        let (asked, answered) = tokio::join!(asks.write_all(&question), answers.read_exact(&mut answer));
        asked.unwrap();
        answered.unwrap();
    };
    let both = async { tokio::join!(talk, ask) };
    tokio::time::timeout(std::time::Duration::from_secs(60), both).await.expect("the passage is stuck");
}

/// More turns of the test's one thread than bytes need that nobody holds back.
const TURNS: usize = 1000;

#[tokio::test]
async fn a_database_is_dialled_at_once_and_told_nothing_before_the_call_is_on_record() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for written in [true, false] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let network = Notebook::default();
        network.0.lock().unwrap().listener = Some(listener.local_addr().unwrap());
        let reach = over(&network, TargetPolicy::default());
        let way = Destination::Network("10.0.0.1".to_owned(), 3306);
        let (durable, on_record) = OnRecord::soon();
        let guard = LoginGuard::Mysql(TlsMode::Disabled);
        let limit = std::time::Duration::from_secs(60);
        let passage = Passage::open(&reach, way, guard, limit, "", on_record).unwrap();
        let mut driver = tokio::net::UnixStream::connect(passage.socket()).await.unwrap();
        driver.write_all(b"login").await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        let mut word = [0; 5];
        assert_eq!(server.try_read(&mut word).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        if written {
            durable.send_replace(true);
            server.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"login");
        } else {
            drop(durable);
            assert_eq!(server.read(&mut word).await.unwrap(), 0, "the database is told something");
            // What it sent is lost, which its socket tells by an error.
            driver.read(&mut word).await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn a_socket_that_was_looked_at_is_the_one_that_is_dialled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let looked_at = tokio::net::UnixListener::bind(&path).unwrap();
    let found = FoundSocket::find(&path, &[folder.path().to_owned()]).unwrap();
    std::fs::remove_file(&path).unwrap();
    let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let (called, _) = tokio::join!(looked_at.accept(), async { found.connect().await.unwrap() });
    called.unwrap();
    other.set_nonblocking(true).unwrap();
    assert_eq!(other.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}
