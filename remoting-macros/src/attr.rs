//! Reads attributes: the options of `#[remote]` and the marks on methods and arguments.
//!
//! Whatever is not ours stays where it is.

use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Path, Token, token};

use crate::errors::{Errors, did_you_mean};

/// What stands in the parentheses of `#[remote(..)]`.
#[derive(Default)]
pub(crate) struct Options {
    /// `name = ".."`: the name peers know the interface by.
    pub(crate) name: Option<LitStr>,
    /// `crate = path`: where the generated code finds the library.
    pub(crate) krate: Option<Path>,
}

impl Options {
    /// The names of the options.
    const KNOWN: [&'static str; 2] = ["name", "crate"];

    /// Reads all options and notes every mistake among them.
    pub(crate) fn read(tokens: proc_macro2::TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        let parser = syn::meta::parser(|meta| options.read_one(&meta, errors));
        if let Err(error) = parser.parse2(tokens) {
            errors.push_error(error);
        }
        options
    }

    /// Reads one option; an `Err` ends the reading, so it is only for broken syntax.
    fn read_one(&mut self, meta: &ParseNestedMeta<'_>, errors: &mut Errors) -> syn::Result<()> {
        if meta.path.is_ident("name") {
            let name: LitStr = meta.value()?.parse()?;
            if name.value().is_empty() {
                errors.push(
                    &name,
                    "an interface needs a name; leave the option out to use the trait's own",
                );
            }
            note_twice(self.name.replace(name).is_some(), &meta.path, errors);
        } else if meta.path.is_ident("crate") {
            let value = meta.value()?;
            if value.peek(LitStr) {
                let text: LitStr = value.parse()?;
                let path = text.value();
                errors.push(
                    text,
                    format!("`crate` takes a path without quotes: `crate = {path}`"),
                );
                return Ok(());
            }
            let path = value.call(Path::parse_mod_style)?;
            note_twice(self.krate.replace(path).is_some(), &meta.path, errors);
        } else {
            refuse_option(meta, errors);
            skip_value(meta)?;
        }
        Ok(())
    }
}

fn note_twice(twice: bool, path: &Path, errors: &mut Errors) {
    if twice {
        errors.push(path, format!("option `{}` is given twice", typed(path)));
    }
}

fn refuse_option(meta: &ParseNestedMeta<'_>, errors: &mut Errors) {
    let option = typed(&meta.path);
    if option == "extends" {
        let text =
            "`extends` comes in a later version; until then let one object offer both interfaces";
        errors.push(&meta.path, text);
        return;
    }
    let hint = match did_you_mean(&option, &Options::KNOWN) {
        Some(known) => format!("did you mean `{known}`?"),
        None => "the options are `name` and `crate`".to_owned(),
    };
    errors.push(
        &meta.path,
        format!("unknown option `{option}` of `#[remote]`; {hint}"),
    );
}

/// Reads over the value of an option nobody knows, so that the next one is still read.
fn skip_value(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(token::Paren) {
        meta.input.parse::<proc_macro2::Group>()?;
    }
    Ok(())
}

/// What an attribute says about a method, apart from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Creates an object at the server.
    Constructor,
    /// Nobody waits for an answer.
    Oneway,
    /// May be run again.
    Idempotent,
    /// Changes nothing.
    Readonly,
    /// Runs on when its caller is gone.
    Detached,
    /// May be cut although it takes `&mut self`.
    CancelSafe,
    /// Runs on the blocking pool.
    Blocking,
}

impl Mark {
    /// All marks and how they are written.
    const KNOWN: [(&'static str, Mark); 7] = [
        ("constructor", Mark::Constructor),
        ("oneway", Mark::Oneway),
        ("idempotent", Mark::Idempotent),
        ("readonly", Mark::Readonly),
        ("detached", Mark::Detached),
        ("cancel_safe", Mark::CancelSafe),
        ("blocking", Mark::Blocking),
    ];

    /// The mark that is written as `name`.
    fn named(name: &str) -> Option<Self> {
        Self::KNOWN
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, mark)| *mark)
    }

    /// How the mark is written.
    pub(crate) fn name(self) -> &'static str {
        Self::KNOWN
            .iter()
            .find(|(_, mark)| *mark == self)
            .map_or("", |(name, _)| *name)
    }
}

/// The marks of one method.
#[derive(Default)]
pub(crate) struct Marks {
    found: Vec<(Mark, Attribute)>,
    /// `#[rename = ".."]`.
    pub(crate) rename: Option<LitStr>,
    /// `#[roles("..", "..")]`: one of these is what callers need.
    pub(crate) roles: Vec<LitStr>,
}

impl Marks {
    /// Takes our attributes out of `attributes` and leaves the rest.
    pub(crate) fn take(attributes: &mut Vec<Attribute>, errors: &mut Errors) -> Self {
        let mut marks = Self::default();
        attributes.retain(|attribute| !marks.take_one(attribute, errors));
        marks
    }

    /// The attribute that makes `mark`, if there is one.
    pub(crate) fn get(&self, mark: Mark) -> Option<&Attribute> {
        self.found
            .iter()
            .find(|(found, _)| *found == mark)
            .map(|(_, attribute)| attribute)
    }

    /// Tells whether the method has `mark`.
    pub(crate) fn has(&self, mark: Mark) -> bool {
        self.get(mark).is_some()
    }

    /// Reads one attribute; tells whether it is ours.
    fn take_one(&mut self, attribute: &Attribute, errors: &mut Errors) -> bool {
        let name = typed(attribute.path());
        if name == "rename" {
            self.take_rename(attribute, errors);
            return true;
        }
        if name == "roles" {
            self.take_roles(attribute, errors);
            return true;
        }
        let Some(mark) = Mark::named(&name) else {
            return note_slip(attribute, &name, errors);
        };
        if !matches!(attribute.meta, Meta::Path(_)) {
            errors.push(attribute, format!("`#[{name}]` takes no value"));
        }
        if self.has(mark) {
            errors.push(attribute, format!("`#[{name}]` is given twice"));
        } else {
            self.found.push((mark, attribute.clone()));
        }
        true
    }

    fn take_roles(&mut self, attribute: &Attribute, errors: &mut Errors) {
        let listed = attribute
            .parse_args_with(Punctuated::<LitStr, Token![,]>::parse_terminated)
            .ok()
            .filter(|roles| !roles.is_empty());
        let Some(listed) = listed else {
            errors.push(
                attribute,
                "the roles that may call are written as `#[roles(\"teller\", \"manager\")]`",
            );
            return;
        };
        for role in &listed {
            if role.value().is_empty() {
                errors.push(role, "a role has a name");
            }
        }
        if !self.roles.is_empty() {
            let text = "`#[roles]` is given twice; list all roles that may call in one";
            errors.push(attribute, text);
        }
        self.roles.extend(listed);
    }

    fn take_rename(&mut self, attribute: &Attribute, errors: &mut Errors) {
        let Some(name) = text_value(&attribute.meta) else {
            errors.push(
                attribute,
                "the wire name is written as `#[rename = \"name\"]`",
            );
            return;
        };
        if name.value().is_empty() {
            errors.push(
                &name,
                "a method needs a wire name; leave `#[rename]` out to use its own",
            );
        }
        if self.rename.replace(name).is_some() {
            errors.push(attribute, "`#[rename]` is given twice");
        }
    }
}

/// Takes `#[default]` out of an argument's attributes.
pub(crate) fn take_default(
    attributes: &mut Vec<Attribute>,
    errors: &mut Errors,
) -> Option<Attribute> {
    let position = attributes
        .iter()
        .position(|attribute| attribute.path().is_ident("default"))?;
    let attribute = attributes.remove(position);
    if !matches!(attribute.meta, Meta::Path(_)) {
        errors.push(
            &attribute,
            "`#[default]` takes no value: a missing argument is the type's own `Default`",
        );
    }
    Some(attribute)
}

/// Notes an attribute that looks like one of ours spelled wrong; tells whether it is one.
fn note_slip(attribute: &Attribute, name: &str, errors: &mut Errors) -> bool {
    let known: Vec<&str> = Mark::KNOWN
        .iter()
        .map(|(name, _)| *name)
        .chain(["rename", "roles"])
        .collect();
    let Some(meant) = did_you_mean(name, &known) else {
        return false;
    };
    errors.push(
        attribute.path(),
        format!("unknown attribute `{name}`; did you mean `{meant}`?"),
    );
    true
}

/// The text of `name = "text"`.
fn text_value(meta: &Meta) -> Option<LitStr> {
    let Meta::NameValue(pair) = meta else {
        return None;
    };
    let mut value = &pair.value;
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.clone()),
        _ => None,
    }
}

/// A path as the user typed it.
fn typed(path: &Path) -> String {
    quote::quote!(#path).to_string().replace(' ', "")
}
