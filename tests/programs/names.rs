//! A server whose name comes to mean another address. The table of names is the system's own, `/etc/hosts`, of which a process
//! has one for itself where `unshare` gives it a view of the files for itself.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use remoting::prelude::*;
use remoting::{Error, ErrorKind};

use crate::folder::Folder;
use crate::process::missing;

#[remote]
trait House {
    async fn number(&self) -> remoting::Result<u32>;
}

struct Numbered(u32);

impl House for Numbered {
    async fn number(&self) -> remoting::Result<u32> {
        Ok(self.0)
    }
}

const TEST: &str = "names::a_server_that_has_moved_is_found_where_its_name_leads_now";
const NAME: &str = "moving.example";
const TABLE: &str = "REMOTING_TEST_TABLE_OF_NAMES";
const SAYS: &str = "found where it has moved to, over ";

/// Runs a program where `$0` stands in the place of `/etc/hosts`.
const APART: &str = r#"
user=
unshare --mount true 2>/dev/null || user=--map-root-user
exec unshare $user --mount sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$0" "$@"
"#;

/// A server at an address of this machine.
async fn serve(scheme: &str, number: u32, port: u16) -> Host {
    let address = format!("127.0.0.{number}:{port}");
    let builder = Host::builder();
    let builder = match scheme {
        "tcp" => builder.channel(TcpChannel::listen(address).named("main")),
        _ => builder.channel(HttpChannel::listen(address).host_name(NAME).named("main")),
    };
    let host = builder.start().await.unwrap();
    let house = HouseDispatcher::singleton(move || Numbered(number));
    host.publish("house", house).unwrap();
    host
}

fn port(host: &Host) -> u16 {
    let address = host.channel("main").unwrap().address().unwrap();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

async fn call(client: &Host, scheme: &str, port: u16) -> Result<u32, Error> {
    let house: HouseProxy = client.get(&format!("{scheme}://{NAME}:{port}/house"))?;
    house.number().deadline(Duration::from_secs(20)).await
}

async fn moves(table: &Path, scheme: &str) {
    let lead_to = |number| std::fs::write(table, format!("127.0.0.{number} {NAME}\n")).unwrap();
    let builder = Host::builder()
        .channel(TcpChannel::client())
        .channel(HttpChannel::client());
    let client = builder.start_client().unwrap();
    let first = serve(scheme, 2, 0).await;
    let port = port(&first);
    lead_to(2);
    assert_eq!(call(&client, scheme, port).await, Ok(2));
    first.run_until(std::future::ready(())).await;
    drop(first);
    let _second = serve(scheme, 3, port).await;
    // The first call may still go to the connection that there was.
    let lost = async {
        loop {
            let error = call(&client, scheme, port).await.unwrap_err();
            if error.kind() == ErrorKind::ConnectFailed {
                return;
            }
        }
    };
    let lost = tokio::time::timeout(Duration::from_secs(20), lost).await;
    lost.expect("nobody is where the name leads");
    lead_to(3);
    assert_eq!(call(&client, scheme, port).await, Ok(3));
    println!("{SAYS}{scheme}.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_moved_is_found_where_its_name_leads_now() {
    let schemes = ["tcp", "ws", "http"];
    if let Some(table) = std::env::var_os(TABLE) {
        for scheme in schemes {
            moves(Path::new(&table), scheme).await;
        }
        return;
    }
    let folder = Folder::new("names");
    let table = folder.write("hosts", "");
    let mut apart = Command::new("sh");
    apart.args(["-c", APART]).arg(&table);
    apart.arg(std::env::current_exe().unwrap());
    apart.args(["--exact", TEST, "--nocapture"]);
    let ran = apart.env(TABLE, &table).output();
    let ran = ran.unwrap_or_else(|error| panic!("{}", missing("util-linux", &error)));
    let [said, why] =
        [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    for scheme in schemes {
        let text = format!("{SAYS}{scheme}.");
        assert!(
            said.contains(&text),
            "is `unshare --mount` allowed here?\n{said}\n{why}"
        );
    }
    assert!(ran.status.success(), "{said}\n{why}");
}
