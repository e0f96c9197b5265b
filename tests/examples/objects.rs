//! Objects: how they are called, made, kept and streamed.

use crate::{assert_lines, build_folder, run};

#[test]
fn quickstart_shows_the_three_kinds_of_objects() {
    let output = run("quickstart", &[]);
    assert_lines(
        &output,
        &[
            "client: process ",
            "singleton: the first client counts 1, the second 2",
            "single call: the first client counts 1, the second 1",
            "activated: the object from 10 counts 11, the object from 50 50",
            "server: process ",
        ],
    );
}

#[test]
fn person_shows_values_and_errors() {
    let output = run("person", &[]);
    assert_lines(
        &output,
        &[
            "client: Wayfarer is male and 16 years old",
            "client: a year later 17, and the copy here is still 16",
            "client: 969 is too old by 847",
            "client: a wrong name: executed No",
            "client: out of patience: executed",
            "client: the server is gone: executed No",
        ],
    );
}

#[test]
fn publish_shows_names_and_channels_that_come_and_go() {
    let output = run("publish", &[]);
    assert_lines(
        &output,
        &[
            "channel front, priority 5: tcp://127.0.0.1:",
            "channel back, priority 1: tcp://127.0.0.1:",
            "disconnected: `board`",
            "marshalled again: 4 notes, through the proxy from before",
            "refused: ",
            "stopped: the caller inside still got its answer, \"five\"",
            "stopped: cannot connect to `tcp://127.0.0.1:",
            "listening again: tcp://127.0.0.1:",
        ],
    );
}

#[test]
fn wordcount_counts_this_repository() {
    let output = run("wordcount", &[]);
    assert_lines(
        &output,
        &[
            " text files of ",
            " lines, ",
            " the",
            "the same as counted here",
        ],
    );
}

#[test]
fn wordcount_counts_the_folder_that_it_is_given() {
    let folder = build_folder().join(format!("wordcount-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("inner")).expect("a folder can be made");
    let long = "sea ".repeat(100_000);
    std::fs::write(folder.join("long.txt"), long).expect("a file can be written");
    std::fs::write(folder.join("inner/short.txt"), "The Sea, the sky\nand I\n")
        .expect("a file can be written");
    std::fs::write(folder.join("inner/picture"), [0xff, 0xd8, 0xff])
        .expect("a file can be written");
    let output = run("wordcount", &[&folder.to_string_lossy()]);
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    assert_lines(
        &output,
        &[
            "2 text files of 3 below ",
            "400023 bytes, 2 lines, 100005 words, 4 different",
            "100001 sea",
            "2 the",
            "1 and",
            "1 sky",
            "the same as counted here",
        ],
    );
}

#[test]
fn callbacks_tell_the_client_how_far_the_server_is() {
    let folder = build_folder().join(format!("callbacks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    for number in 0..120 {
        let file = folder.join(format!("{number}.txt"));
        std::fs::write(file, "ten bytes.").expect("a file can be written");
    }
    let output = run("callbacks", &[&folder.to_string_lossy()]);
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    assert_lines(
        &output,
        &[
            "client: 50 files, 500 bytes",
            "client: 100 files, 1000 bytes",
            "client: all in all 120 files, 1200 bytes",
            "client: 50 files, 500 bytes",
            "client: stopped after 50 files",
            "client: the server holds no object of this process any more",
        ],
    );
}

#[test]
fn callbacks_look_through_this_repository() {
    assert_lines(&run("callbacks", &[]), &["client: all in all "]);
}

#[test]
fn streaming_brings_a_file_there_and_back() {
    assert_lines(
        &run("streaming", &[]),
        &[
            " bytes stored, of ",
            "client: fetched again, with the same SHA-256",
            "client: broken off by \"the disk is gone\"",
            "client: enough after 65536 bytes; the server had read ",
            "server: 1 file(s) kept",
        ],
    );
}

#[test]
fn text_search_shows_matches_and_how_far_it_is() {
    assert_lines(
        &run("text_search", &["a_layer_imports_only_from_its_left"]),
        &[
            "client: remoting-core/tests/structure.rs:",
            " files, ",
            "client: enough after the first of ",
        ],
    );
}

#[test]
fn pipelining_takes_one_round_trip() {
    assert_lines(
        &run("pipelining", &[]),
        &[
            "client: ten calls, each awaited: ",
            "client: ten calls, pipelined: ",
            "client: the one is larger than the other by 1",
            "client: a call that this one depends on ended with an error of its interface's own",
            "client: there is no folder nothing",
            "client: a call that this one depends on has failed, by Some(NotFound)",
            "server: 0 sizes asked for meanwhile",
            "server: one folder is left",
        ],
    );
}

#[test]
fn failover_goes_on_when_its_server_is_killed() {
    assert_lines(
        &run("failover", &[]),
        &[
            "client: first has a drawer with one thing",
            "client: the call that was under way: the connection was lost while the call was under way: nobody listens",
            "client: second answers at the same address",
            "client: the drawer: the server was started anew",
            "client: when the left one was killed, the right one answered",
            ": ended: the host was dropped",
        ],
    );
}

#[test]
fn resume_loses_nothing_over_a_line_that_is_cut() {
    assert_lines(
        &run("resume", &[]),
        &[
            "the line was cut ",
            "100000 readings came, each once and in order, and 100 callbacks",
            "the meter is the one that was installed: it stands at 101000",
            "after two seconds without a line: the connection was lost while the call was under way: the connection was not made again in time",
            "and the meter has gone with it: ",
            "executed: No",
        ],
    );
}

#[test]
fn chat_goes_on_when_a_guest_is_killed() {
    let output = run("chat", &[]);
    assert_lines(
        &output,
        &[
            "carol hears ann: good evening",
            "carol is killed",
            "ann hears room: carol has left",
            "bob hears room: carol has left",
            "ann hears ann: then it is two of us",
            "bob hears ann: then it is two of us",
        ],
    );
    assert!(!output.contains("carol hears room: carol has left"));
}

#[test]
fn leases_show_why_objects_stay_and_when_they_go() {
    let output = run("leases", &[]);
    assert_lines(
        &output,
        &[
            "client: the call has renewed the lease to ",
            "client: the lease of `forgotten` has expired",
            "client: the lease of `sponsored` has expired",
            "client: the sponsor was asked 4 times, and then no more",
            "client: what was held, called or renewed is still there",
            "server: keeps Safe",
        ],
    );
}
