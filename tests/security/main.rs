//! Who is let in, and what others get to know: TLS, identity, roles, details of errors.

#[expect(dead_code, reason = "other tests write them into files")]
#[path = "../support/certificates.rs"]
mod certificates;
mod cut;
mod detail;
mod detours;
mod exposure;
mod ground;
mod identity;
#[expect(dead_code, reason = "other tests look for lines")]
#[path = "../support/log.rs"]
mod log;
mod relay;
mod renewal;
mod roles;
mod silence;
mod tls;
mod tokens;
