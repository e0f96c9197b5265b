//! HAProxy in front of a host.

use crate::gateway::{self, Kind};

const HAPROXY: Kind = Kind {
    name: "haproxy",
    configuration: "
global
    maxconn 512
defaults
    mode http
    retries 0
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    timeout tunnel 60s
frontend clients
    bind {listen}
    default_backend host
backend host
    http-reuse safe
    server only {backend}
",
    arguments: &["-db", "-f"],
};

#[tokio::test(flavor = "multi_thread")]
async fn calls_pass_through_haproxy() {
    gateway::calls_pass(&HAPROXY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_pass_through_haproxy_as_they_come() {
    gateway::streams_pass(&HAPROXY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_pass_through_haproxy() {
    gateway::sessions_pass(&HAPROXY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_alone_promises_nothing() {
    gateway::a_gateway_alone_promises_nothing(&HAPROXY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_behind_haproxy_can_be_started_anew() {
    gateway::a_server_can_be_started_anew(&HAPROXY).await;
}
