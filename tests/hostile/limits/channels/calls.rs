//! What may go through a channel, and how long it may take.

use std::io::ErrorKind as IoErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

#[test]
fn a_long_call_is_refused_by_the_channel_for_which_it_is_too_long() {
    within_patience(async {
        let two = Two::with(|limits| limits.max_message = Some(20_000)).await;
        for scheme in SCHEMES {
            let long = || vec![1; 30_000];
            let error = two.probe(scheme, "narrow").sum(long()).await.unwrap_err();
            let seen = refused(&error);
            assert_eq!(
                seen,
                (ErrorKind::TooLarge, Executed::No),
                "{scheme}: {error}"
            );
            let sum = two.probe(scheme, "wide").sum(long()).await;
            assert_eq!(sum.unwrap(), 30_000, "{scheme}");
            let sum = two.probe(scheme, "narrow").sum(vec![1; 10_000]).await;
            assert_eq!(sum.unwrap(), 10_000, "{scheme}");
        }
        // Only what came by HTTP had been sent: who has a session knows what its peer takes.
        assert_eq!(two.count("max_message"), 1);
        assert_eq!(counter(&two.client, "max_message"), 3);
    });
}

#[test]
fn a_peer_that_sends_a_long_call_all_the_same_is_refused_by_the_channel() {
    within_patience(async {
        let two = Two::with(|limits| limits.max_message = Some(20_000)).await;
        let long = packed(&(vec![1; 30_000],));
        for (which, is_taken) in [("narrow", false), ("wide", true)] {
            let mut raw = knock(&two.address("tcp", which)).await.ok().unwrap();
            raw.send(&resolve(0, "probe")).await;
            assert!(raw.answer().await.is_some());
            let (first, rest) = long.split_at(15_000);
            let mut bytes = call(1, 0, "sum", first);
            bytes[3] |= 0x40;
            let goes_on = [&[4][..], rest].concat();
            bytes.extend(frame(remoting_core::wire::kind::CONT, &goes_on));
            raw.send(&bytes).await;
            match raw.answer().await {
                Some(Seen::Return { .. }) => assert!(is_taken),
                Some(Seen::Error(failure)) => {
                    assert_eq!((failure.code, failure.executed), (17, 0));
                    assert!(!is_taken);
                }
                other => panic!("{other:?} came"),
            }
        }
        assert_eq!(two.count("max_message"), 1);
    });
}

#[test]
fn a_call_that_is_too_long_for_the_callers_channel_is_not_sent() {
    within_patience(async {
        let two = Two::with(|_| {}).await;
        let narrow = || own(|limits| limits.max_message = Some(20_000));
        let caller = Host::builder()
            .channel(TcpChannel::client().limits(narrow()))
            .channel(HttpChannel::client().limits(narrow()))
            .channel(InProcessChannel::client());
        let caller = caller.start_client().unwrap();
        for scheme in SCHEMES {
            let probe: ProbeProxy = caller.get(&two.url(scheme, "wide")).unwrap();
            let summed = probe.sum(vec![1; 30_000]).await;
            if scheme == "inproc" {
                assert_eq!(
                    summed.unwrap(),
                    30_000,
                    "this channel has the host's limits"
                );
                continue;
            }
            let error = summed.unwrap_err();
            let seen = refused(&error);
            assert_eq!(
                seen,
                (ErrorKind::TooLarge, Executed::No),
                "{scheme}: {error}"
            );
            assert!(error.message().contains("`max_message`"), "{error}");
            assert_eq!(probe.sum(vec![1; 10_000]).await.unwrap(), 10_000);
        }
        assert_eq!(counter(&caller, "max_message"), 3);
        assert_eq!(two.count("max_message"), 0);
    });
}

#[test]
fn a_result_that_is_too_long_for_either_channel_is_an_error_of_a_call_that_ran() {
    within_patience(async {
        let two = Two::with(|limits| limits.max_message = Some(20_000)).await;
        let narrow = || own(|limits| limits.max_message = Some(20_000));
        let caller = Host::builder()
            .channel(TcpChannel::client().limits(narrow()))
            .channel(HttpChannel::client().limits(narrow()));
        let caller = caller.start_client().unwrap();
        for scheme in ["tcp", "http", "ws"] {
            let at_server = two.probe(scheme, "narrow");
            let at_caller: ProbeProxy = caller.get(&two.url(scheme, "wide")).unwrap();
            for probe in [at_server, at_caller] {
                let result = probe.bytes(30_000).await.map(|bytes| bytes.len());
                let error = result.expect_err(scheme);
                assert_eq!(
                    refused(&error),
                    (ErrorKind::TooLarge, Executed::Yes),
                    "{scheme}: {error}"
                );
                assert_eq!(probe.bytes(10_000).await.unwrap().len(), 10_000);
            }
            let wide = two.probe(scheme, "wide").bytes(30_000).await;
            assert_eq!(wide.unwrap().len(), 30_000, "{scheme}");
        }
        // Who calls by HTTP does not say how much it takes.
        assert_eq!(two.count("max_message"), 5);
    });
}

#[test]
fn nothing_of_a_call_that_is_too_long_for_the_callers_channel_reaches_the_wire() {
    within_patience(async {
        let narrow = || own(|limits| limits.max_message = Some(20_000));
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let caller = Host::builder()
            .channel(TcpChannel::client().limits(narrow()))
            .channel(HttpChannel::client().limits(narrow()));
        let caller = caller.start_client().unwrap();
        for scheme in ["http", "tcp"] {
            let probe: ProbeProxy = caller.get(&format!("{scheme}://{address}/probe")).unwrap();
            // Nobody answers here, and nobody has to.
            let error = probe.sum(vec![1; 30_000]).await.unwrap_err();
            assert_eq!(
                refused(&error),
                (ErrorKind::TooLarge, Executed::No),
                "{error}"
            );
        }
        // What has come is the session's greeting at most, and by HTTP nobody has come at all.
        let (mut socket, _) = server.accept().await.unwrap();
        caller.shutdown();
        let mut sent = Vec::new();
        socket.read_to_end(&mut sent).await.unwrap();
        assert!(
            sent.starts_with(b"RMT1") && sent.len() < 1000,
            "{}",
            sent.len()
        );
        let server = server.into_std().unwrap();
        let next = server.accept().map(|(_, from)| from);
        assert_eq!(next.unwrap_err().kind(), IoErrorKind::WouldBlock);
    });
}

#[test]
fn values_that_are_too_deep_or_too_many_for_a_channel_are_refused_by_it() {
    within_patience(async {
        let two = Two::with(|limits| {
            limits.depth = Some(3);
            limits.elements = Some(100);
        })
        .await;
        let deep = || Nest {
            inside: Some(Box::new(Nest {
                inside: Some(Box::default()),
                ..Nest::default()
            })),
            ..Nest::default()
        };
        let bad = (ErrorKind::BadArguments, Executed::No);
        for scheme in SCHEMES {
            let (narrow, wide) = (two.probe(scheme, "narrow"), two.probe(scheme, "wide"));
            assert_eq!(
                refused(&narrow.depth(deep()).await.unwrap_err()),
                bad,
                "{scheme}"
            );
            assert_eq!(wide.depth(deep()).await.unwrap(), 3, "{scheme}");
            assert_eq!(
                refused(&narrow.sum(vec![1; 99]).await.unwrap_err()),
                bad,
                "{scheme}"
            );
            assert_eq!(wide.sum(vec![1; 99]).await.unwrap(), 99, "{scheme}");
            assert_eq!(narrow.sum(vec![1; 98]).await.unwrap(), 98, "{scheme}");
        }
        assert_eq!((two.count("depth"), two.count("elements")), (4, 4));
    });
}

#[test]
fn a_call_is_cut_when_the_time_of_its_channel_is_over_which_may_be_longer_than_the_hosts() {
    within_patience(async {
        let mut limits = Limits::default();
        limits.max_deadline = SHORT;
        let wide = own(|limits| limits.max_deadline = Some(LONG));
        let two = Two::on(limits, ChannelLimits::default(), wide).await;
        for scheme in SCHEMES {
            let patient = two.probe(scheme, "wide").stay().deadline(LONG);
            let patient = tokio::spawn(patient);
            take(&two.gate.entered, 1).await;
            // Begun later, and over after a short time.
            let cut = two.probe(scheme, "narrow").stay().deadline(LONG);
            let error = cut.await.unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::DeadlineExceeded,
                "{scheme}: {error}"
            );
            take(&two.gate.entered, 1).await;
            take(&two.gate.cut, 1).await;
            two.gate.door.add_permits(1);
            patient.await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_call_waits_as_long_as_the_channel_says_by_which_it_leaves() {
    within_patience(async {
        let two = Two::with(|_| {}).await;
        let hasty = own(|limits| limits.default_deadline = Some(SHORT));
        let caller = Host::builder()
            .channel(TcpChannel::client().limits(hasty.clone()))
            .channel(HttpChannel::client());
        let caller = caller.start_client().unwrap();
        let by = |scheme: &str| -> ProbeProxy { caller.get(&two.url(scheme, "wide")).unwrap() };
        let patient = tokio::spawn(by("http").wait());
        take(&two.gate.entered, 1).await;
        let error = by("tcp").wait().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
        take(&two.gate.cut, 1).await;
        two.gate.door.add_permits(1);
        patient.await.unwrap().unwrap();
    });
}

#[test]
fn a_channel_lets_each_session_have_as_many_objects_as_it_says() {
    within_patience(async {
        let two = Two::with(|limits| limits.objects_per_session = Some(1)).await;
        let makers = |which| {
            let url = two.url("tcp", which).replace("/probe", "/makers");
            two.client.activate::<ProbeProxy>(&url)
        };
        let _first = makers("narrow").make().await.unwrap();
        let error = makers("narrow").make().await.unwrap_err();
        assert_eq!(
            refused(&error),
            (ErrorKind::ResourceExhausted, Executed::No)
        );
        assert_eq!(two.count("objects_per_session"), 1);
        let _others = (
            makers("wide").make().await.unwrap(),
            makers("wide").make().await.unwrap(),
        );
    });
}

#[test]
fn a_channel_keeps_as_many_answers_as_it_says() {
    within_patience(async {
        let two = Two::with(|limits| limits.kept_answers = Some(1)).await;
        let wait = async |which, key| {
            let mut stream = TcpStream::connect(two.address("http", which))
                .await
                .unwrap();
            let request = format!(
                "POST /probe/wait HTTP/1.0\r\nHost: localhost\r\nIdempotency-Key: {key}\r\nContent-Length: 0\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            stream
        };
        let _first = wait("narrow", "one").await;
        take(&two.gate.entered, 1).await;
        let mut answer = String::new();
        let mut refused = wait("narrow", "two").await;
        refused.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains(" 503 "), "{answer}");
        assert_eq!(two.count("kept_answers"), 1);
        let _others = (wait("wide", "one").await, wait("wide", "two").await);
        take(&two.gate.entered, 2).await;
    });
}
