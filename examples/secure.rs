//! Mutual TLS: both sides prove who they are, by certificates that are made on the fly.
//!
//! Shows
//!
//! - a server and a client whose certificates one issuer has signed, over TCP and HTTP;
//! - who calls, as the server sees it, and a method that only one role may call;
//! - a client with a certificate of somebody else's, and one without any: both refused;
//! - a server whose certificate nobody vouches for: not called;
//! - a new certificate for a server that runs.
//!
//! `cargo run --example secure`

use std::sync::Mutex;

use anyhow::ensure;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use remoting::prelude::*;
use remoting::{ClientTls, ErrorKind, Pem, Principal, Principals, ServerTls};

// ---- the contract, shared by client and server

/// What a vault does, and for whom.
#[remote]
trait Vault {
    /// Everybody who is known may look.
    async fn look(&self) -> remoting::Result<String>;

    /// Only the owner may empty it.
    #[roles("owner")]
    async fn empty(&self) -> remoting::Result<u64>;
}

// ---- the server

struct Strongroom(Mutex<u64>);

impl Vault for Strongroom {
    async fn look(&self) -> remoting::Result<String> {
        let context = CallContext::current().expect("a call runs here");
        let peer = context.peer();
        let who = peer.principal().map_or("a stranger", Principal::name);
        let shown = peer.certificate().map_or("nothing", |own| &own.subject);
        Ok(format!("{who}, who has shown {shown}"))
    }

    async fn empty(&self) -> remoting::Result<u64> {
        let mut cents = self.0.lock().expect("nobody panics here");
        Ok(std::mem::take(&mut *cents))
    }
}

/// The server's two channels, with the same certificate.
async fn serve(tls: ServerTls) -> anyhow::Result<Host> {
    // The names in certificates become principals with roles; others are not let in.
    let known = Principals::new()
        .certificate("CN=olga", Principal::new("Olga").role("owner"))
        .certificate("CN=ann", Principal::new("Ann"));
    let host = Host::builder()
        .channel(
            TcpChannel::listen("127.0.0.1:0")
                .tls(tls.clone())
                .named("tcp"),
        )
        .channel(HttpChannel::listen("127.0.0.1:0").tls(tls).named("http"))
        .authenticator(known)
        .start()
        .await?;
    let vault = || Strongroom(Mutex::new(100_000));
    host.publish("vault", VaultDispatcher::singleton(vault))?;
    Ok(host)
}

// ---- the clients

fn client(tls: ClientTls) -> anyhow::Result<Host> {
    let builder = Host::builder()
        .channel(TcpChannel::client().client_tls(tls.clone()))
        .channel(HttpChannel::client().client_tls(tls));
    Ok(builder.start_client()?)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (issuer, stranger) = (Authority::new("issuer")?, Authority::new("stranger")?);
    let own = issuer.vouch("server", &["localhost", "127.0.0.1"])?;
    let tls = ServerTls::new(own.0, own.1).client_roots(issuer.root());
    let server = serve(tls).await?;
    let trusting = || ClientTls::new().roots(issuer.root());
    let shows = |own: (Pem, Pem)| client(trusting().identity(own.0, own.1));

    let olga = shows(issuer.vouch("olga", &[])?)?;
    let ann = shows(issuer.vouch("ann", &[])?)?;
    for url in server.urls("vault") {
        let vault: VaultProxy = ann.get(&url)?;
        println!("{url}: {}", vault.look().await?);
        let refused = vault.empty().await.expect_err("Ann does not own it");
        ensure!(refused.kind() == ErrorKind::PermissionDenied);
        println!("  Ann empties it: {refused}");
    }
    let url = server.url("vault")?;
    let vault: VaultProxy = olga.get(&url)?;
    println!("Olga empties it: {} cents", vault.empty().await?);

    let eve = shows(stranger.vouch("olga", &[])?)?;
    let refused = eve
        .connect::<VaultProxy>(&url)
        .await
        .expect_err("a certificate of another issuer");
    ensure!(refused.kind() == ErrorKind::Unauthenticated);
    println!("Eve, who calls herself Olga: {refused}");
    let nobody = client(trusting())?;
    let refused = nobody
        .connect::<VaultProxy>(&url)
        .await
        .expect_err("no certificate at all");
    ensure!(refused.kind() == ErrorKind::Unauthenticated);
    println!("nobody: {refused}");

    let other = stranger.vouch("server", &["127.0.0.1"])?;
    let false_server = serve(ServerTls::new(other.0, other.1)).await?;
    let refused = olga
        .connect::<VaultProxy>(&false_server.url("vault")?)
        .await;
    let refused = refused.expect_err("the client does not know its issuer");
    ensure!(refused.kind() == ErrorKind::ConnectFailed);
    println!("a false server: {refused}");

    renew(&issuer).await
}

/// A server gets a new certificate and goes on.
async fn renew(issuer: &Authority) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("remoting-secure-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (chain, key) = (folder.join("server.pem"), folder.join("server.key"));
    let write = |(chain_text, key_text): (String, String)| -> anyhow::Result<()> {
        std::fs::write(&chain, chain_text)?;
        Ok(std::fs::write(&key, key_text)?)
    };
    write(issuer.text("server", &["127.0.0.1"])?)?;
    let tls = ServerTls::new(Pem::file(&chain), Pem::file(&key)).client_roots(issuer.root());
    let server = serve(tls.clone()).await?;
    let ann = issuer.vouch("ann", &[])?;
    let host = client(ClientTls::new().roots(issuer.root()).identity(ann.0, ann.1))?;
    let before: VaultProxy = host.connect(&server.url("vault")?).await?;
    write(issuer.text("server", &["127.0.0.1"])?)?;
    // `ServerTls::reload_every` looks by itself.
    tls.reload()?;
    before.look().await?;
    println!("a new certificate: connections go on, new ones see it");
    Ok(std::fs::remove_dir_all(folder)?)
}

// ---- certificates, which you will have from elsewhere

/// Somebody who issues certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: String,
}

impl Authority {
    fn new(name: &str) -> anyhow::Result<Self> {
        let mut params = named(name, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let root = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self { issuer, root })
    }

    /// Its own certificate, for those who trust it.
    fn root(&self) -> Pem {
        Pem::text(&*self.root)
    }

    /// A certificate and its key.
    fn text(&self, name: &str, hosts: &[&str]) -> anyhow::Result<(String, String)> {
        let key = KeyPair::generate()?;
        let certificate = named(name, hosts)?.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    fn vouch(&self, name: &str, hosts: &[&str]) -> anyhow::Result<(Pem, Pem)> {
        let (chain, key) = self.text(name, hosts)?;
        Ok((Pem::text(chain), Pem::text(key)))
    }
}

fn named(name: &str, hosts: &[&str]) -> anyhow::Result<CertificateParams> {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
