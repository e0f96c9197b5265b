//! Certificates that are changed while the server runs.

use std::time::Duration;

use remoting::{ClientTls, ErrorKind, Pem, ServerTls};

use crate::certificates::{Authority, Owned};
use crate::ground::*;

#[test]
fn new_certificates_are_used_for_new_connections_without_a_restart() {
    within_patience(async {
        let (first, second) = (Authority::new("first"), Authority::new("second"));
        let folder = std::env::temp_dir().join(format!("remoting-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let files = [folder.join("server.pem"), folder.join("server.key")];
        let write = |own: Owned| {
            std::fs::write(&files[0], own.chain).unwrap();
            std::fs::write(&files[1], own.key).unwrap();
        };
        write(first.server());
        let tls = ServerTls::new(Pem::file(&files[0]), Pem::file(&files[1]));
        let server = Kind::Tcp.server(Some(tls.clone())).await;
        let url = Kind::Tcp.url(&server);
        let trusts = |authority: &Authority| client(ClientTls::new().roots(authority.root()));
        let early_host = trusts(&first);
        let early: DeskProxy = early_host.connect(&url).await.unwrap();

        std::fs::write(&files[1], "nonsense").unwrap();
        let error = tls.reload().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains("server.key"), "{error}");
        let still_host = trusts(&first);
        let still: DeskProxy = still_host.connect(&url).await.unwrap();
        assert_eq!(still.add(1, 2).await.unwrap(), 3, "the old one stays");

        write(second.server());
        tls.reload().unwrap();
        let late_host = trusts(&second);
        let late: DeskProxy = late_host.connect(&url).await.unwrap();
        assert_eq!(late.add(1, 2).await.unwrap(), 3);
        assert_eq!(early.add(1, 2).await.unwrap(), 3, "its connection goes on");
        let error = trusts(&first).connect::<DeskProxy>(&url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectFailed);
        std::fs::remove_dir_all(&folder).unwrap();
    });
}

#[test]
fn changed_certificates_are_found_by_a_server_that_looks_for_them() {
    within_patience(async {
        let (first, second) = (Authority::new("first"), Authority::new("second"));
        let folder = std::env::temp_dir().join(format!("remoting-look-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let files = [folder.join("server.pem"), folder.join("server.key")];
        let write = |own: Owned, seconds: u64| {
            let then = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            for (file, text) in files.iter().zip([own.chain, own.key]) {
                std::fs::write(file, text).unwrap();
                let file = std::fs::File::options().write(true).open(file).unwrap();
                file.set_modified(then).unwrap();
            }
        };
        write(first.server(), 1_000_000);
        let tls = ServerTls::new(Pem::file(&files[0]), Pem::file(&files[1]));
        let server = Kind::Tcp
            .server(Some(tls.reload_every(Duration::ZERO)))
            .await;
        write(second.server(), 2_000_000);
        let host = client(ClientTls::new().roots(second.root()));
        let desk: DeskProxy = host.connect(&Kind::Tcp.url(&server)).await.unwrap();
        assert_eq!(desk.add(1, 2).await.unwrap(), 3);
        std::fs::remove_dir_all(&folder).unwrap();
    });
}
