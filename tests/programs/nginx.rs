//! nginx in front of a host.

use crate::gateway::{self, Kind};

const NGINX: Kind = Kind {
    name: "nginx",
    configuration: r#"
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/errors;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream host {
        server {backend} max_fails=0;
        keepalive 16;
    }
    map $http_upgrade $upgraded {
        default upgrade;
        "" "";
    }
    server {
        listen {listen};
        location / {
            proxy_pass http://host;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $upgraded;
            # Whether a call ran is the client's to judge, and not to be tried out.
            proxy_next_upstream off;
        }
    }
}
"#,
    arguments: &["-c"],
};

#[tokio::test(flavor = "multi_thread")]
async fn calls_pass_through_nginx() {
    gateway::calls_pass(&NGINX).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_pass_through_nginx_as_they_come() {
    gateway::streams_pass(&NGINX).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_pass_through_nginx() {
    gateway::sessions_pass(&NGINX).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_alone_promises_nothing() {
    gateway::a_gateway_alone_promises_nothing(&NGINX).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_behind_nginx_can_be_started_anew() {
    gateway::a_server_can_be_started_anew(&NGINX).await;
}
