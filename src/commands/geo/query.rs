//! The options of GEOSEARCH and of GEORADIUS.

use super::{point, unit};
use crate::{
    command::{Args, parse_i64, require_level},
    error::Result,
    feature_level,
    resp::ErrorReply,
    store::View,
    types::{
        geo::{Point, Polygon, Search, Shape, Unit},
        sorted_set::{self, SortedSet},
    },
};

/// In which order results come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

/// The command that is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// GEORADIUS and its kin: centre and radius come first; may name where to store, unless it is a read.
    Radius {
        may_store: bool,
    },
    Search,
    SearchStore,
}

/// How the centre was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CentreBy {
    Member,
    Place,
    Polygon,
}

/// The key that results are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) key: &'a [u8],
    /// Stored scores are distances, not positions.
    pub(super) distances: bool,
}

/// A parsed search.
#[derive(Debug)]
pub(super) struct Query<'a> {
    form: Form,
    /// `None` = not given, or a member of a missing key.
    centre: Option<Point>,
    from: Option<CentreBy>,
    shape: Option<Shape>,
    pub(super) unit: Unit,
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
    pub(super) with_place: bool,
    pub(super) order: Option<Order>,
    pub(super) count: Option<usize>,
    /// Stop at the first matches, in any order.
    pub(super) any: bool,
    pub(super) target: Option<Target<'a>>,
}

impl<'a> Query<'a> {
    pub(super) fn new(form: Form) -> Self {
        Query {
            form,
            centre: None,
            from: None,
            shape: None,
            unit: Unit::Metre,
            with_distance: false,
            with_hash: false,
            with_place: false,
            order: None,
            count: None,
            any: false,
            target: None,
        }
    }

    /// The search to run; `None` only if the key does not exist.
    pub(super) fn search(&self) -> Option<Search> {
        Some(Search { centre: self.centre?, shape: self.shape.clone()? })
    }

    /// Reads longitude and latitude.
    pub(super) fn take_place(&mut self, args: &mut Args<'a>) -> Result<()> {
        self.centre = Some(point(args)?);
        self.from = Some(CentreBy::Place);
        Ok(())
    }

    /// Reads the member around which is searched.
    pub(super) fn take_member(
        &mut self,
        args: &mut Args<'a>,
        view: &View<'_>,
        set: Option<&SortedSet>,
    ) -> Result<()> {
        let member = args.next_word()?;
        self.from = Some(CentreBy::Member);
        if let Some(set) = set {
            let score = set.score_of(view, member)?;
            let score = score.ok_or_else(|| ErrorReply::err("could not decode requested zset member"))?;
            self.centre = Some(Point::of_score(score));
        }
        Ok(())
    }

    /// Reads a radius and its unit.
    pub(super) fn take_radius(&mut self, args: &mut Args<'a>) -> Result<()> {
        let radius = length(args, "need numeric radius")?;
        if radius < 0.0 {
            return Err(ErrorReply::err("radius cannot be negative").into());
        }
        self.unit = unit(args.next_word()?)?;
        self.shape = Some(Shape::Circle { radius: radius * self.unit.metres() });
        Ok(())
    }

    fn take_box(&mut self, args: &mut Args<'a>) -> Result<()> {
        let (width, height) = (length(args, "need numeric width")?, length(args, "need numeric height")?);
        if width < 0.0 || height < 0.0 {
            return Err(ErrorReply::err("height or width cannot be negative").into());
        }
        self.unit = unit(args.next_word()?)?;
        let metres = self.unit.metres();
        self.shape = Some(Shape::Box { width: width * metres, height: height * metres });
        Ok(())
    }

    /// Reads the vertices of a polygon, around whose own centre is searched.
    fn take_polygon(&mut self, args: &mut Args<'a>, view: &View<'_>) -> Result<()> {
        require_level("BYPOLYGON", feature_level::REDIS_8, view.feature_level())?;
        let count = parse_i64(args.next_word()?).and_then(|count| i32::try_from(count).ok());
        let count = count.ok_or_else(|| ErrorReply::err("invalid number of vertices"))?;
        let vertices = usize::try_from(count).ok().filter(|count| *count >= 3);
        let Some(vertices) = vertices.filter(|count| count.saturating_mul(2) <= args.remaining()) else {
            return Err(ErrorReply::err("GEOSEARCH BYPOLYGON must have at least 3 vertices").into());
        };
        view.keep(vertices, 0)?;
        let polygon = Polygon::new((0..vertices).map(|_| point(args)).collect::<Result<_>>()?);
        self.centre = Some(polygon.centre());
        self.from = Some(CentreBy::Polygon);
        self.shape = Some(Shape::Polygon(polygon));
        Ok(())
    }

    /// Reads all options, and checks that they are compatible. `set` is the searched set, if it exists.
    pub(super) fn take_options(
        &mut self,
        args: &mut Args<'a>,
        view: &View<'_>,
        set: Option<&SortedSet>,
    ) -> Result<()> {
        while !args.is_empty() {
            let taken = self.take_flag(args)
                || self.take_count(args)?
                || self.take_target(args)?
                || self.take_area(args, view, set)?;
            if !taken {
                return Err(ErrorReply::syntax().into());
            }
        }
        self.check(args)
    }

    fn take_flag(&mut self, args: &mut Args<'a>) -> bool {
        if args.take("WITHDIST") {
            self.with_distance = true;
        } else if args.take("WITHHASH") {
            self.with_hash = true;
        } else if args.take("WITHCOORD") {
            self.with_place = true;
        } else if args.take("ANY") {
            self.any = true;
        } else if args.take("ASC") {
            self.order = Some(Order::Ascending);
        } else if args.take("DESC") {
            self.order = Some(Order::Descending);
        } else {
            return false;
        }
        true
    }

    fn take_count(&mut self, args: &mut Args<'a>) -> Result<bool> {
        if args.remaining() < 2 || !args.take("COUNT") {
            return Ok(false);
        }
        let count = args.next_i64()?;
        if count <= 0 {
            return Err(ErrorReply::err("COUNT must be > 0").into());
        }
        self.count = Some(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(true)
    }

    fn take_target(&mut self, args: &mut Args<'a>) -> Result<bool> {
        match self.form {
            Form::Radius { may_store: true } if args.remaining() > 1 => {
                let distances = if args.take("STORE") {
                    false
                } else if args.take("STOREDIST") {
                    true
                } else {
                    return Ok(false);
                };
                self.target = Some(Target { key: args.next_word()?, distances });
                Ok(true)
            }
            Form::SearchStore if args.take("STOREDIST") => {
                self.target = self.target.map(|target| Target { distances: true, ..target });
                Ok(true)
            }
            Form::Radius { .. } | Form::Search | Form::SearchStore => Ok(false),
        }
    }

    /// Reads the options that only GEOSEARCH has. An option may be repeated; the last one counts.
    fn take_area(&mut self, args: &mut Args<'a>, view: &View<'_>, set: Option<&SortedSet>) -> Result<bool> {
        if matches!(self.form, Form::Radius { .. }) {
            return Ok(false);
        }
        let Some(word) = args.peek() else { return Ok(false) };
        let left = args.remaining();
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let may_be = |shape: fn(&Shape) -> bool| self.shape.as_ref().is_none_or(shape);
        let may_be_from = |by| self.from.is_none_or(|from| from == by);
        if is("FROMMEMBER") && left > 1 && may_be_from(CentreBy::Member) {
            args.next_word()?;
            self.take_member(args, view, set)?;
        } else if is("FROMLONLAT") && left > 2 && may_be_from(CentreBy::Place) {
            args.next_word()?;
            self.take_place(args)?;
        } else if is("BYRADIUS") && left > 2 && may_be(|shape| matches!(shape, Shape::Circle { .. })) {
            args.next_word()?;
            self.take_radius(args)?;
        } else if is("BYBOX") && left > 3 && may_be(|shape| matches!(shape, Shape::Box { .. })) {
            args.next_word()?;
            self.take_box(args)?;
        } else if is("BYPOLYGON")
            && left > 1
            && may_be(|shape| matches!(shape, Shape::Polygon(_)))
            && may_be_from(CentreBy::Polygon)
        {
            args.next_word()?;
            self.take_polygon(args, view)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn check(&self, args: &Args<'_>) -> Result<()> {
        let decorated = self.with_distance || self.with_hash || self.with_place;
        if self.target.is_some() && decorated {
            let what = match self.form {
                Form::SearchStore => "GEOSEARCHSTORE",
                Form::Search | Form::Radius { .. } => "STORE option in GEORADIUS",
            };
            let text = format!("{what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
            return Err(ErrorReply::err(text).into());
        }
        if !matches!(self.form, Form::Radius { .. }) {
            let name = String::from_utf8_lossy(args.argv().first().copied().unwrap_or_default());
            let one_of =
                |what: &str| ErrorReply::err(format!("exactly one of {what} can be specified for {name}"));
            if self.from.is_none() {
                return Err(one_of("FROMMEMBER or FROMLONLAT").into());
            }
            if self.shape.is_none() {
                return Err(one_of("BYRADIUS and BYBOX").into());
            }
        }
        if self.any && self.count.is_none() {
            return Err(ErrorReply::err("the ANY argument requires COUNT argument").into());
        }
        Ok(())
    }
}

fn length(args: &mut Args<'_>, complaint: &'static str) -> Result<f64> {
    Ok(sorted_set::parse(args.next_word()?).ok_or_else(|| ErrorReply::err(complaint))?)
}
