//! How a target writes things down, as data: pages made of pieces, items with a shape for each kind of thing.
//!
//! One description serves the writer ([`super::write`]), the strict reader ([`super::read`]), the delta and the undo,
//! so that they cannot disagree. In the texts, `%word%` stands for a parameter of the target or for one of
//! `%id%` (16 hexadecimal digits of the item), `%number%` (its decimal number), `%bucket%` (its object's number) and
//! `%serial%`.

use super::verdict::{Scope, network};

/// What an item of a target can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A name and all below it.
    Subtree,
    /// All names below a name.
    Below,
    /// One name.
    Exact,
    /// A host and path.
    Path,
    /// One IPv4 address.
    Ip4,
    /// An IPv4 network.
    Net4,
    /// One IPv6 address.
    Ip6,
    /// An IPv6 network.
    Net6,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 8] =
        [Kind::Subtree, Kind::Below, Kind::Exact, Kind::Path, Kind::Ip4, Kind::Net4, Kind::Ip6, Kind::Net6];

    /// The kind of an entry with this scope.
    pub fn of(scope: Scope, value: &str) -> Kind {
        match scope {
            Scope::Subtree => Kind::Subtree,
            Scope::Below => Kind::Below,
            Scope::Exact => Kind::Exact,
            Scope::Path => Kind::Path,
            Scope::Ip => match network(value) {
                Some(net) => match (net.max_prefix_len(), net.prefix_len()) {
                    (32, 32) => Kind::Ip4,
                    (32, _) => Kind::Net4,
                    (_, 128) => Kind::Ip6,
                    _ => Kind::Net6,
                },
                // Clean values of scope `ip` parse.
                None => Kind::Ip4,
            },
        }
    }

    /// The scope of an item of this kind.
    pub fn scope(self) -> Scope {
        match self {
            Kind::Subtree => Scope::Subtree,
            Kind::Below => Scope::Below,
            Kind::Exact => Scope::Exact,
            Kind::Path => Scope::Path,
            Kind::Ip4 | Kind::Net4 | Kind::Ip6 | Kind::Net6 => Scope::Ip,
        }
    }
}

/// Addresses and networks of both families.
pub const NETS: &[Kind] = &[Kind::Ip4, Kind::Net4, Kind::Ip6, Kind::Net6];
/// IPv4 only.
pub const NETS4: &[Kind] = &[Kind::Ip4, Kind::Net4];
/// IPv6 only.
pub const NETS6: &[Kind] = &[Kind::Ip6, Kind::Net6];
/// Names, each in the one way a target has.
pub const SUBTREE: &[Kind] = &[Kind::Subtree];
/// Names below.
pub const BELOW: &[Kind] = &[Kind::Below];
/// Exact names.
pub const EXACT: &[Kind] = &[Kind::Exact];
/// Host and path.
pub const PATH: &[Kind] = &[Kind::Path];

/// How the value itself is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Plain,
    /// Each dot as this text.
    Dots(&'static str),
    /// Always with a prefix length.
    Cidr,
    /// An IPv4 network as address and mask.
    Mask,
    /// As an owner name of `rpz-ip`.
    RpzIp,
    /// Not at all: the item refers by `%id%` or `%number%` to one that another piece writes.
    Reference,
}

/// How far a shape misses what is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Not at all.
    Straight,
    /// It takes in more: what.
    Wider(&'static str),
    /// It takes in less: what is missing.
    Narrower(&'static str),
}

/// How a target writes an item of some kinds.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The kinds.
    pub takes: &'static [Kind],
    /// Text in front of the value.
    pub before: &'static str,
    /// Text behind it.
    pub after: &'static str,
    /// How the value is written.
    pub form: Form,
    /// What of the meaning is lost.
    pub twist: Twist,
    /// Most characters of the written value; zero for no limit.
    pub longest: usize,
}

impl Shape {
    /// A shape that says what is meant.
    pub const fn new(takes: &'static [Kind], before: &'static str, after: &'static str) -> Shape {
        Shape { takes, before, after, form: Form::Plain, twist: Twist::Straight, longest: 0 }
    }

    /// The same with another form of the value.
    pub const fn form(self, form: Form) -> Shape {
        Shape { form, ..self }
    }

    /// The same, but it takes in more.
    pub const fn wider(self, what: &'static str) -> Shape {
        Shape { twist: Twist::Wider(what), ..self }
    }

    /// The same, but it takes in less.
    pub const fn narrower(self, what: &'static str) -> Shape {
        Shape { twist: Twist::Narrower(what), ..self }
    }

    /// The same with a limit to the written value.
    pub const fn longest(self, longest: usize) -> Shape {
        Shape { longest, ..self }
    }

    /// A reference to items of these kinds.
    pub const fn reference(takes: &'static [Kind], text: &'static str) -> Shape {
        Shape { form: Form::Reference, ..Shape::new(takes, text, "") }
    }
}

/// Items of some shapes: written in groups of at most `per`, each with a head and a foot; nothing when there are none.
#[derive(Debug, Clone, Copy)]
pub struct Items {
    /// Their shapes; the first that takes a kind is used.
    pub shapes: &'static [Shape],
    /// In front of each group.
    pub head: &'static str,
    /// Between two items of a group.
    pub between: &'static str,
    /// Behind each group.
    pub foot: &'static str,
    /// Most items of a group.
    pub per: usize,
}

/// A piece of a page.
#[derive(Debug, Clone, Copy)]
pub enum Piece {
    /// The header comment with the optional date, between these two marks.
    Header(&'static str, &'static str),
    /// Fixed text.
    Text(&'static str),
    /// Items.
    Items(Items),
    /// Fixed text that is left out when there are no items of these kinds: what refers to them as a whole.
    IfAny(&'static [Kind], &'static str),
    /// The pieces, when a parameter has this value.
    When(&'static str, &'static str, &'static [Piece]),
    /// The pieces once for each object into which the items were split.
    Buckets(&'static [Piece]),
    /// The apps with their domains as the service's JSON; domains have these shapes.
    Apps(&'static [Shape]),
}

impl Piece {
    /// One item a line.
    pub const fn lines(shapes: &'static [Shape]) -> Piece {
        Piece::under("", shapes)
    }

    /// One item a line under a head that is left out when there are none.
    pub const fn under(head: &'static str, shapes: &'static [Shape]) -> Piece {
        Piece::Items(Items { shapes, head, between: "\n", foot: "\n", per: usize::MAX })
    }

    /// Items in a row: head, items with something between, foot.
    pub const fn row(head: &'static str, shapes: &'static [Shape], between: &'static str, foot: &'static str) -> Piece {
        Piece::Items(Items { shapes, head, between, foot, per: usize::MAX })
    }

    /// Items in rows of at most `per`.
    pub const fn rows(
        per: usize,
        head: &'static str,
        shapes: &'static [Shape],
        between: &'static str,
        foot: &'static str,
    ) -> Piece {
        Piece::Items(Items { shapes, head, between, foot, per })
    }
}

/// One file of a target.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Its part in the set; empty when the target has one file.
    pub role: &'static str,
    /// What stands in it.
    pub pieces: &'static [Piece],
    /// Line ends.
    pub crlf: bool,
    /// Whether it begins with a byte order mark.
    pub mark: bool,
}

impl Page {
    /// A page of UTF-8 text with line feeds.
    pub const fn new(pieces: &'static [Piece]) -> Page {
        Page { role: "", pieces, crlf: false, mark: false }
    }

    /// One of several pages.
    pub const fn part(role: &'static str, pieces: &'static [Piece]) -> Page {
        Page { role, pieces, crlf: false, mark: false }
    }
}

/// Every `Items` of some pieces, those within other pieces too.
pub fn items(pieces: &'static [Piece]) -> Box<dyn Iterator<Item = &'static Items>> {
    Box::new(pieces.iter().flat_map(|piece| match piece {
        Piece::Items(found) => Box::new(std::iter::once(found)) as Box<dyn Iterator<Item = &'static Items>>,
        Piece::Buckets(inner) | Piece::When(_, _, inner) => items(inner),
        _ => Box::new(std::iter::empty()),
    }))
}

/// Every shape of some pages that writes a value.
pub fn shapes(pages: &'static [Page]) -> impl Iterator<Item = &'static Shape> {
    let apps = pages.iter().flat_map(|page| page.pieces).filter_map(|piece| match piece {
        Piece::Apps(shapes) => Some(*shapes),
        _ => None,
    });
    let items = pages.iter().flat_map(|page| items(page.pieces)).map(|items| items.shapes);
    items.chain(apps).flatten().filter(|shape| shape.form != Form::Reference)
}
