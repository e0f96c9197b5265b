//! What the user is told, and that all mistakes are told at once.
//!
//! Where the errors point is seen in `tests/ui` of the workspace.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemTrait, parse_quote};

use crate::ast::Interface;
use crate::attr::Options;
use crate::errors::Errors;
use crate::expand::remote_at;
use crate::valid;

/// The messages for `#[remote(options)] item`.
fn messages(options: &str, item: &str) -> Vec<String> {
    let mut errors = Errors::default();
    let options = Options::read(tokens(options), &mut errors);
    let item: ItemTrait = syn::parse_str(item).expect("the input is a trait");
    let mut interface = Interface::read(item, parse_quote!(::remoting), options, &mut errors);
    valid::check(&mut interface, &mut errors);
    errors.messages()
}

fn tokens(text: &str) -> TokenStream {
    text.parse().expect("the input is made of tokens")
}

/// Checks what is said of a trait with this one item.
#[track_caller]
fn check(item: &str, expected: &[&str]) {
    let source = format!("pub trait Account {{ {item} }}");
    let found = messages("", &source);
    assert_eq!(found.len(), expected.len(), "{item}: {found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            found.contains(expected),
            "{item}\n   says {found}\nwanted {expected}"
        );
    }
    let code = remote_at(parse_quote!(::remoting), quote!(), tokens(&source));
    syn::parse2::<syn::File>(code).expect("the stubs parse");
}

#[test]
fn a_valid_interface_has_no_errors() {
    check("async fn get(&self) -> Result<u8, E>;", &[]);
    check(
        "async fn get(&self, a: Option<&[u8]>, b: &Vec<String>) -> answers::Answer<u8>;",
        &[],
    );
    check("#[constructor] async fn make() -> Answer<Self>;", &[]);
}

#[test]
fn the_head_of_a_method_is_checked() {
    check(
        "fn get(&self) -> Result<u8, E>;",
        &["`get` is not an `async fn`"],
    );
    check(
        "unsafe fn get(&self) -> Result<u8, E>;",
        &["not an `async fn`", "cannot be `unsafe`"],
    );
    check(
        "async extern \"C\" fn get(&self) -> Result<u8, E>;",
        &["has no ABI"],
    );
    check(
        "async fn get<T>(&self, t: T) -> Result<u8, E>;",
        &["put the parameter on the trait"],
    );
    check(
        "async fn get<'a>(&'a self) -> Result<u8, E>;",
        &["has no lifetimes", "`&'a self` names a lifetime"],
    );
    check(
        "async fn get(&self) -> Result<u8, E> { Ok(1) }",
        &["a proxy has nothing to run it on"],
    );
}

#[test]
fn the_way_to_take_self_is_checked() {
    check(
        "async fn get(self) -> Result<u8, E>;",
        &["`self` would move the object"],
    );
    check(
        "async fn get(self: Arc<Self>) -> Result<u8, E>;",
        &["`self: Arc<Self>` would hand out"],
    );
    check("async fn get() -> Result<u8, E>;", &["`get` has no `self`"]);
    check(
        "#[constructor] async fn get(&self) -> Result<Self, E>;",
        &["`#[constructor]` takes no `self`"],
    );
}

#[test]
fn arguments_are_checked() {
    check(
        "async fn get(&self, (a, b): (u8, u8)) -> Result<u8, E>;",
        &["`(a, b)` is a pattern"],
    );
    check(
        "async fn get(&self, names: &[&str]) -> Result<u8, E>;",
        &["`&[&str]` has no size"],
    );
    check(
        "async fn get(&self, out: &mut String) -> Result<u8, E>;",
        &["`&mut String` would change"],
    );
    check(
        "async fn get(&self, names: Vec<&str>) -> Result<u8, E>;",
        &["`Vec<&str>` borrows inside"],
    );
    check(
        "async fn get(&self, f: impl Fn()) -> Result<u8, E>;",
        &["`impl Fn()` is a type parameter in disguise"],
    );
    check(
        "async fn get(&self, f: Box<dyn Fn()>) -> Result<u8, E>;",
        &["`dyn Fn()` cannot be decoded"],
    );
    check(
        "async fn get(&self, other: Self) -> Result<u8, E>;",
        &["`Self` is one type here"],
    );
    check(
        "async fn get(&self, #[default] name: &str) -> Result<u8, E>;",
        &["`#[default]` needs an owned value"],
    );
    check(
        "async fn get(&self, name: Cow<'_, str>) -> Result<u8, E>;",
        &["`Cow<'_, str>` borrows inside"],
    );
    check(
        "async fn get(&self, a: &'static str, b: Option<&'static [u8]>) -> Result<u8, E>;",
        &[
            "not for `'static`; leave the lifetime out",
            "leave the lifetime out",
        ],
    );
    check(
        "async fn get(&self, name: Cow<'static, str>) -> Result<Cow<'static, str>, E>;",
        &[],
    );
    let many: String = (0..13).map(|index| format!(", a{index}: u8")).collect();
    check(
        &format!("async fn get(&self{many}) -> Result<u8, E>;"),
        &["13 arguments are too many"],
    );
}

#[test]
fn what_is_returned_is_checked() {
    check("async fn get(&self);", &["`get` returns nothing"]);
    check("async fn get(&self) -> u8;", &["`u8` is not a `Result`"]);
    check(
        "async fn get(&self) -> (u8, u8);",
        &["`(u8, u8)` is not a `Result`"],
    );
    check(
        "async fn get(&self) -> Result<&str, E>;",
        &["`&str` borrows from an object in another process"],
    );
    check(
        "async fn get(&self) -> Result<impl Fn(), E>;",
        &["has no name to decode by"],
    );
    check(
        "async fn get(&self) -> Result<Self, E>;",
        &["return `AccountProxy`"],
    );
    check(
        "#[constructor] async fn get() -> Result<u8, E>;",
        &["`#[constructor]` returns `Result<Self, E>`"],
    );
    check(
        "#[oneway] async fn get(&self) -> Result<u8, E>;",
        &["nobody waits for what a `#[oneway]` method returns"],
    );
}

#[test]
fn marks_are_checked() {
    check(
        "#[readonly] async fn get(&mut self) -> Result<u8, E>;",
        &["takes `&self`, not `&mut self`"],
    );
    check(
        "#[cancel_safe] async fn get(&self) -> Result<u8, E>;",
        &["may be cut anyway"],
    );
    check(
        "#[cancel_safe] #[detached] async fn get(&mut self) -> Result<u8, E>;",
        &["choose one"],
    );
    check(
        "#[constructor] #[oneway] async fn get() -> Result<Self, E>;",
        &["does not fit a constructor"],
    );
    check(
        "#[oneway(now)] async fn get(&self) -> Result<(), E>;",
        &["`#[oneway]` takes no value"],
    );
    check(
        "#[idempotent] #[idempotent] async fn get(&self) -> Result<(), E>;",
        &["given twice"],
    );
    check(
        "#[idempotant] async fn get(&self) -> Result<(), E>;",
        &["did you mean `idempotent`?"],
    );
    check(
        "#[rename] async fn get(&self) -> Result<(), E>;",
        &["is written as `#[rename = \"name\"]`"],
    );
    check(
        "#[roles] async fn get(&self) -> Result<(), E>;",
        &["are written as `#[roles(\"teller\", \"manager\")]`"],
    );
    check(
        "#[roles(teller)] async fn get(&self) -> Result<(), E>;",
        &["are written as `#[roles("],
    );
    check(
        "#[roles(\"\")] async fn get(&self) -> Result<(), E>;",
        &["a role has a name"],
    );
    check(
        "#[roles(\"a\")] #[roles(\"b\")] async fn get(&self) -> Result<(), E>;",
        &["`#[roles]` is given twice"],
    );
    check(
        "#[role(\"a\")] async fn get(&self) -> Result<(), E>;",
        &["did you mean `roles`?"],
    );
    check(
        "#[cfg(unix)] async fn get(&self) -> Result<(), E>;",
        &["cannot come and go by `#[cfg]`"],
    );
}

#[test]
fn two_methods_never_share_a_number() {
    let same = "async fn get(&self) -> Result<(), E>; #[rename = \"get\"] async fn take(&self) -> Result<(), E>;";
    check(same, &["`get` has the wire name `get` already"]);
    // Two words that FNV-1a cannot tell apart in 32 bits.
    let collision =
        "async fn costarring(&self) -> Result<(), E>; async fn liquid(&self) -> Result<(), E>;";
    check(
        collision,
        &["`liquid` and `costarring` have the same number on the wire"],
    );
}

#[test]
fn everything_but_functions_is_refused() {
    check("type Item;", &["no associated types"]);
    check("const N: u8;", &["no associated constants"]);
    check("methods! {}", &["write them out"]);
}

#[test]
fn the_trait_itself_is_checked() {
    assert_eq!(messages("", "unsafe trait A {}").len(), 1);
    assert_eq!(messages("", "trait A<'a> {}").len(), 1);
    assert_eq!(messages("", "trait A: Send + Sync + 'static {}").len(), 0);
    let text = messages("", "trait A: std::fmt::Debug {}").remove(0);
    assert!(
        text.contains("`AProxy` would have to implement `std::fmt::Debug` as well"),
        "{text}"
    );
}

#[test]
fn options_are_checked_all_at_once() {
    let found = messages(
        "nam = \"calc\", verson = 3, extends(Other), crate = \"a::b\"",
        "trait A {}",
    );
    let expected = [
        "unknown option `nam` of `#[remote]`; did you mean `name`?",
        "unknown option `verson` of `#[remote]`; the options are `name` and `crate`",
        "`extends` comes in a later version; until then let one object offer both interfaces",
        "`crate` takes a path without quotes: `crate = a::b`",
    ];
    assert_eq!(found, expected);
    assert_eq!(messages("name = \"\"", "trait A {}").len(), 1);
    assert_eq!(
        messages("name = \"a\", name = \"b\"", "trait A {}"),
        ["option `name` is given twice"]
    );
}

#[test]
fn only_a_trait_can_be_an_interface() {
    let expand =
        |item: TokenStream| remote_at(parse_quote!(::remoting), quote!(), item).to_string();
    assert!(expand(quote!(impl Account for Checking {})).contains("an `impl` needs no attribute"));
    assert!(
        expand(quote!(
            pub struct Account;
        ))
        .contains("belongs on a trait")
    );
    assert!(
        expand(quote!(
            fn account() {}
        ))
        .contains("belongs on a trait")
    );
}

#[test]
fn all_mistakes_of_a_trait_are_told_at_once() {
    let found = messages(
        "nam = \"x\"",
        "trait A: Debug { type B; fn c(&self) -> u8; async fn d(self, e: &mut u8) -> Result<&u8, E>; }",
    );
    assert_eq!(found.len(), 8, "{found:#?}");
}
