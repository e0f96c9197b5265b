//! Load by `wrk`, which knows nothing of us: each answer has to be right, however many come at once.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use remoting::prelude::*;

use crate::folder::Folder;
use crate::process::missing;

#[remote]
trait Sums {
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64>;
}

#[derive(Clone, Default)]
struct Counted(Arc<AtomicU64>);

impl Sums for Counted {
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(a + b)
    }
}

/// Sends calls, and notes every answer that is wrong.
const SCRIPT: &str = r#"
wrk.method = "POST"
wrk.body = "[2,3]"
wrk.headers["Content-Type"] = "application/json"
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() wrong = 0 end
function response(status, headers, body)
  if status ~= 200 or body ~= "5" then wrong = wrong + 1 end
end
function done(summary)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + thread:get("wrong") end
  local errors = summary.errors
  print(string.format("answers %d wrong %d broken %d", summary.requests, wrong,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"#;

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_connections_get_right_answers_and_no_other() {
    let channel = HttpChannel::listen("127.0.0.1:0");
    let host = Host::builder().channel(channel).start().await.unwrap();
    let counted = Counted::default();
    let ran = counted.clone();
    host.publish("sums", SumsDispatcher::singleton(move || counted.clone()))
        .unwrap();
    let folder = Folder::new("wrk");
    let script = folder.write("calls.lua", SCRIPT);
    let target = format!("{}/add", host.url("sums").unwrap());
    let output = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("wrk");
        command.args(["-t2", "-c64", "-d2s", "--timeout", "10s", "-s"]);
        let output = command.arg(script).arg(target).output();
        output.unwrap_or_else(|error| panic!("{}", missing("wrk", &error)))
    });
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find(|line| line.starts_with("answers "));
    let numbers = line.into_iter().flat_map(|line| line.split(' '));
    let numbers: Vec<u64> = numbers.filter_map(|word| word.parse().ok()).collect();
    let [answers, 0, 0] = numbers[..] else {
        panic!("{said}{}", String::from_utf8_lossy(&output.stderr));
    };
    assert!(answers > 0, "{said}");
    assert!(ran.0.load(Ordering::Relaxed) >= answers, "{said}");
}
