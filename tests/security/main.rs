//! Who is let in, and what others get to know: TLS, identity, roles, details of errors.

#[path = "../support/certificates.rs"]
mod certificates;
mod ground;
mod renewal;
mod tls;
