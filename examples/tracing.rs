//! Traces that OpenTelemetry takes up: a call, the call that its handler makes, and all of their spans in one trace.
//!
//! The spans end in memory here, and are printed. In your program give the provider an exporter, to a collector say.

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TracerProvider,
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use remoting::prelude::*;
use remoting::sink::{TraceContext, Tracing};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

#[remote]
trait Shop {
    async fn order(&self, item: String) -> remoting::Result<u64>;
}

#[remote]
trait Store {
    #[idempotent]
    async fn price(&self, item: String) -> remoting::Result<u64>;
}

struct CornerShop {
    store: StoreProxy,
}

impl Shop for CornerShop {
    async fn order(&self, item: String) -> remoting::Result<u64> {
        // Made in a handler: this call continues the handler's trace.
        self.store.price(item).await
    }
}

struct Warehouse;

impl Store for Warehouse {
    async fn price(&self, item: String) -> remoting::Result<u64> {
        tracing::info!(item, "looking up a price");
        Ok(3)
    }
}

/// Spans whose ids OpenTelemetry gives. It is told what a span continues in another process.
fn tracing_sink() -> Tracing {
    Tracing::new().linked(|span: &Span, above: Option<&TraceContext>| {
        if let Some(above) = above {
            let parent = SpanContext::new(
                TraceId::from_bytes(above.trace_id()),
                SpanId::from_bytes(above.span_id()),
                TraceFlags::default().with_sampled(above.is_sampled()),
                true,
                above
                    .state()
                    .unwrap_or_default()
                    .parse()
                    .unwrap_or_default(),
            );
            let parent = opentelemetry::Context::new().with_remote_span_context(parent);
            // It fails where nobody listens to the span; then there is nothing to continue.
            span.set_parent(parent).ok()?;
        }
        let context = span.context();
        let own = context.span().span_context().clone();
        let (trace_id, span_id) = (own.trace_id().to_bytes(), own.span_id().to_bytes());
        let place = TraceContext::new(trace_id, span_id, own.is_sampled());
        place.map(|place| place.with_state(&own.trace_state().header()))
    })
}

/// A host that listens, whose calls are traced in both directions.
async fn traced() -> remoting::Result<Host> {
    let builder = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .client_sink(tracing_sink())
        .server_sink(tracing_sink());
    builder.start().await
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let spans = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(spans.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("example"));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;

    let (warehouse, shop, customer) = (traced().await?, traced().await?, traced().await?);
    warehouse.publish("store", StoreDispatcher::singleton(|| Warehouse))?;
    let store: StoreProxy = shop.get(&warehouse.url("store")?)?;
    let corner = ShopDispatcher::singleton(move || CornerShop {
        store: store.clone(),
    });
    shop.publish("shop", corner)?;

    let proxy: ShopProxy = customer.get(&shop.url("shop")?)?;
    assert_eq!(proxy.order("tea".to_owned()).await?, 3);

    show(&spans.get_finished_spans()?);
    Ok(())
}

/// Prints the spans of one call below each other, and checks that each continues the one above.
fn show(spans: &[SpanData]) {
    let of_kind = |name: &str, kind: &str| {
        let mut found = spans.iter().filter(|span| {
            span.name == name && format!("{:?}", span.span_kind).to_lowercase() == kind
        });
        found
            .next()
            .unwrap_or_else(|| panic!("a span of {name} at the {kind}"))
    };
    let chain = [
        of_kind("Shop/order", "client"),
        of_kind("Shop/order", "server"),
        of_kind("Store/price", "client"),
        of_kind("Store/price", "server"),
    ];
    let trace = chain[0].span_context.trace_id();
    println!("trace {trace}");
    let mut above = SpanId::INVALID;
    for (depth, span) in chain.iter().enumerate() {
        assert_eq!(span.span_context.trace_id(), trace);
        assert_eq!(span.parent_span_id, above);
        above = span.span_context.span_id();
        let indent = "  ".repeat(depth + 1);
        println!("{indent}{} {:?} {above}", span.name, span.span_kind);
    }
    let events = &chain[3].events;
    assert!(
        events
            .iter()
            .any(|event| event.name == "looking up a price")
    );
    println!("one trace, four spans, and the handler's own events in the last");
}
