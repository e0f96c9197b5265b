//! Pages in Chromium, with the modules of `examples/browser`. What a page sees it reports by calling an
//! object.

#[path = "../../examples/browser/board.rs"]
mod board;
mod browser;
mod cutter;
mod desk;
#[path = "../../examples/browser/pages.rs"]
mod pages;

use std::sync::atomic::Ordering;
use std::time::Duration;

use remoting::Limits;
use remoting::prelude::*;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use browser::Browser;
use desk::{DeskDispatcher, Oak};
use pages::Site;

/// What a page may take until it has reported.
const PATIENCE: Duration = Duration::from_secs(60);

/// Hears what a page has seen.
#[remote]
trait Report {
    async fn tell(&self, lines: Vec<String>) -> remoting::Result<()>;
}

struct Told(mpsc::UnboundedSender<Vec<String>>);

impl Report for Told {
    async fn tell(&self, lines: Vec<String>) -> remoting::Result<()> {
        let _ended = self.0.send(lines);
        Ok(())
    }
}

/// Has a host hear reports. Gives what is reported.
fn hear(host: &Host) -> mpsc::UnboundedReceiver<Vec<String>> {
    let (tell, told) = mpsc::unbounded_channel();
    let report = ReportDispatcher::singleton(move || Told(tell.clone()));
    host.publish("report", report).unwrap();
    told
}

/// A host that pages of one origin may call. It asks soon whether a silent page is still there.
async fn host(origin: &str) -> Host {
    let mut limits = Limits::default();
    limits.ping_after = Duration::from_millis(50);
    limits.pong_within = Duration::from_secs(3);
    let channel = HttpChannel::listen("127.0.0.1:0").origin(origin);
    let builder = Host::builder().limits(limits).channel(channel);
    builder.start().await.unwrap()
}

/// Where the objects of a host are: `http://127.0.0.1:40123`.
fn address(host: &Host, name: &str) -> String {
    let url = host.url(name).unwrap();
    let address = url.strip_suffix(&format!("/{name}"));
    address.unwrap().to_owned()
}

/// Serves a page that runs a script, beside other pages.
///
/// - `server`: where the objects are; `reports`: where the one is that hears the report.
fn serve(
    site: Site,
    script: &str,
    (server, reports): (&str, &str),
    more: Option<pages::Page>,
) -> JoinSet<()> {
    let script = script
        .replace("{{server}}", server)
        .replace("{{reports}}", reports);
    let page = r#"<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="/script.js"></script>"#;
    let own = [
        ("/", "text/html", page.to_owned()),
        ("/script.js", "text/javascript", script),
    ];
    site.serve(own.into_iter().chain(pages::modules()).chain(more))
}

/// What the page at an origin reports.
async fn reported(origin: &str, told: &mut mpsc::UnboundedReceiver<Vec<String>>) -> Vec<String> {
    let browser = Browser::open(&format!("{origin}/"));
    match timeout(PATIENCE, told.recv()).await {
        Ok(lines) => lines.unwrap(),
        Err(_) => panic!(
            "the page reports nothing; Chromium says:\n{}",
            browser.said()
        ),
    }
}

#[tokio::test]
async fn a_page_of_a_listed_origin_calls_and_is_called_back() {
    let site = Site::bind().await.unwrap();
    let origin = site.origin.clone();
    let host = host(&origin).await;
    let oak = Oak::default();
    host.publish("desk", DeskDispatcher::singleton(move || oak.clone()))
        .unwrap();
    let mut told = hear(&host);
    let server = address(&host, "desk");
    let script = include_str!("chromium/listed.js");
    let _serving = serve(site, script, (&server, &server), None);
    let lines = reported(&origin, &mut told).await;
    let expected = [
        // Requests.
        "POST: 3",
        "GET: 5",
        "nothing: null",
        r#"own error: app {"DividedByZero":1}, executed yes"#,
        "no method: no_such_method, executed no",
        // Calls in a session.
        "add: 5",
        r#"own error: app {"DividedByZero":1}, executed yes"#,
        "no method: no_such_method, executed no",
        "bad arguments: bad_arguments, executed no",
        "nobody: not_found, executed no",
        "wrong interface: wrong_interface, executed no",
        "late: deadline_exceeded, executed unknown",
        "long: true",
        "too long: too_large, executed no",
        "many: true",
        // Calls of the server's to the page.
        "oneway: 5 strokes",
        "subscribed: [1,2,3,4,5]",
        "answers: 80",
        r#"its error: app {"Cracked":"Cracked { nth: 13 }"}, executed yes"#,
        "other interface: bad_arguments, executed no",
        "calls back: 5",
        // Objects of the server's.
        r#"object: "keys""#,
        "comes home: true",
        "not taken: 0",
        "released: object_gone, executed no",
        r#"shown: "nibs""#,
        // The desk's error, because the page has no such method.
        r#"not looked at: app {"Remoting":[5,0,null]}, executed yes"#,
        "closed: disconnected",
        "after that: disconnected, executed no",
    ];
    assert_eq!(lines, expected);
    // All that either side held is given back.
    while host.open_connections() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_page_of_the_example_shows_each_note_as_it_is_pinned() {
    let site = Site::bind().await.unwrap();
    let origin = site.origin.clone();
    let host = board::start(&origin).await.unwrap();
    let mut told = hear(&host);
    let server = board::address(&host).unwrap();
    let script = include_str!("chromium/visitor.js");
    let page = pages::board("/board.html", &server);
    let _serving = serve(site, script, (&server, &server), Some(page));
    let expected = [
        "Ann: bread at nine",
        "Ann: lost: a cat",
        "Ann: found: <b>a cat</b>",
        r#"POST /board/pin: app {"Length":{"longest":80}}, the method gave an error of its own"#,
        "read again: 3",
    ];
    assert_eq!(reported(&origin, &mut told).await, expected);
}

#[tokio::test]
async fn a_page_reads_a_stream_to_its_end_though_its_connection_breaks() {
    let site = Site::bind().await.unwrap();
    let origin = site.origin.clone();
    let host = host(&origin).await;
    let oak = Oak::default();
    let called = oak.called.clone();
    host.publish("desk", DeskDispatcher::singleton(move || oak.clone()))
        .unwrap();
    let mut told = hear(&host);
    let reports = address(&host, "desk");
    let (server, _passing) = cutter::cut_behind("data: 5\n\n", &reports).await;
    let script = include_str!("chromium/events.js");
    let _serving = serve(site, script, (&server, &reports), None);
    let lines = reported(&origin, &mut told).await;
    let expected = "open 1 2 3 4 5 broken open 6 7 8 9 10 end broken over";
    assert_eq!(lines.join(" "), expected);
    assert_eq!(called.load(Ordering::SeqCst), 1, "it ran once");
}

#[tokio::test]
async fn a_page_of_another_origin_gets_nothing_and_is_told_no_reason() {
    let site = Site::bind().await.unwrap();
    let origin = site.origin.clone();
    let host_of_others = host("https://app.example").await;
    let oak = Oak::default();
    let called = oak.called.clone();
    let publication = DeskDispatcher::singleton(move || oak.clone());
    host_of_others.publish("desk", publication).unwrap();
    let server = address(&host_of_others, "desk");
    // It is heard by a host of its own.
    let hearing = host(&origin).await;
    let mut told = hear(&hearing);
    let reports = address(&hearing, "report");
    let script = include_str!("chromium/stranger.js");
    let _serving = serve(site, script, (&server, &reports), None);
    let no_session = format!(
        "session: RemotingError disconnected, {}/$session opens no session; why, a browser tells no page",
        server.replace("http", "ws")
    );
    let expected = [
        "POST: TypeError , Failed to fetch",
        "GET: TypeError , Failed to fetch",
        "image: Error , no picture",
        "form: went through: opaque",
        &no_session,
    ];
    assert_eq!(reported(&origin, &mut told).await, expected);
    assert_eq!(called.load(Ordering::SeqCst), 0, "nothing was executed");
    let desk: desk::DeskProxy = remoting::connect(&format!("{server}/desk")).await.unwrap();
    assert_eq!(desk.add(2, 3).await.unwrap(), 5, "others are served");
}
