//! One Lua machine with a script loaded: sandboxed, bounded, used for one event after another.

use std::f64::consts::PI;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mlua::{
    Function, LightUserData, Lua, LuaOptions, LuaString, StdLib, Table, Value, Variadic, VmState,
};

use super::document::{Context, Document, dropped_key, expand, node_key};
use super::format::{Argument, Refusal, format};
use super::reword::reword;
use super::{Limits, OUT_OF_MEMORY, RunError, number, rewrite, write};
use crate::deadline::Deadline;
use crate::gomath;

/// What scripts see as the name of their source.
const CHUNK: &str = "=<string>";

/// A machine whose garbage has grown to this is not used again: the next run has to have room beside
/// it, also in a part of the memory.
const MAX_IDLE_MEMORY: usize = 8 << 20;

/// When the current run ends at the latest.
pub(super) struct Clock {
    deadline: Mutex<Deadline>,
    over: AtomicBool,
    limit: Duration,
    /// The script has caught a failure of the memory.
    caught_shortage: AtomicBool,
}

impl Clock {
    fn new(limit: Duration) -> Self {
        Self {
            deadline: Mutex::new(Deadline::after(limit)),
            over: AtomicBool::new(false),
            limit,
            caught_shortage: AtomicBool::new(false),
        }
    }

    fn deadline(&self) -> MutexGuard<'_, Deadline> {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) {
        *self.deadline() = Deadline::after(self.limit);
        self.over.store(false, Ordering::Relaxed);
        self.caught_shortage.store(false, Ordering::Relaxed);
    }

    /// Fails once the time is over, and from then on: a script may have caught the first failure.
    pub(super) fn check(&self) -> Result<(), RunError> {
        if !self.over.load(Ordering::Relaxed) {
            if !self.deadline().is_over() {
                return Ok(());
            }
            self.over.store(true, Ordering::Relaxed);
        }
        Err(RunError::TimedOut(self.limit))
    }
}

/// A machine that has loaded one script.
pub(super) struct State {
    lua: Lua,
    clock: Arc<Clock>,
    environment: Function,
    call: Function,
    main: Function,
    lazy: Table,
    empty: Table,
    newindex: Function,
}

/// What a run makes of the last value that the script returned.
pub(super) enum Outcome {
    /// It was a table: this is its JSON.
    Json(String),
    /// It was anything else.
    Other(Value),
}

impl State {
    /// A fresh machine with a script that was rewritten for it.
    pub(super) fn new(script: &str, limits: Limits) -> mlua::Result<Self> {
        let libraries =
            StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::COROUTINE | StdLib::DEBUG;
        // Failures of the host's functions end the run; scripts keep the plain `pcall`.
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        lua.set_memory_limit(limits.memory)?;
        let clock = Arc::new(Clock::new(limits.time));
        let empty = lua.create_table()?;
        empty.raw_set("__is_array", true)?;
        empty.set_readonly(true);
        describe_null(&lua)?;
        let (environment, call, text, lazy, newindex): (_, _, Function, Table, _) = lua
            .load(include_str!("prelude.luau"))
            .set_name("=prelude")
            .call((host(&lua, &clock)?, node_key(), dropped_key()))?;
        let chunk = lua.load(script).set_name(CHUNK).into_function()?;
        let main = chunk.call(text)?;
        let watch = Arc::clone(&clock);
        lua.set_interrupt(move |_| match watch.check() {
            Ok(()) => Ok(VmState::Continue),
            Err(error) => Err(mlua::Error::external(error)),
        });
        clock.start();
        Ok(Self {
            lua,
            clock,
            environment,
            call,
            main,
            lazy,
            empty,
            newindex,
        })
    }

    /// Runs the script on an event.
    pub(super) fn run(&self, event: &[u8], wants_json: bool) -> Result<Outcome, RunError> {
        let (document, root) = Document::read(event)?;
        let context = Context {
            document,
            lazy: self.lazy.clone(),
            empty: self.empty.clone(),
            newindex: self.newindex.clone(),
        };
        self.clock.start();
        let result = self.run_within(context, root, wants_json);
        self.lua.remove_app_data::<Context>();
        // The script may have caught the failure.
        if self.clock.over.load(Ordering::Relaxed) {
            return Err(RunError::TimedOut(self.clock.limit));
        }
        result
    }

    fn run_within(
        &self,
        context: Context,
        root: usize,
        wants_json: bool,
    ) -> Result<Outcome, RunError> {
        let event = self.lua.create_table()?;
        context.fill(&self.lua, &event, root)?;
        self.lua.set_app_data(context);
        let environment: Table = self.environment.call(event)?;
        self.main.set_environment(environment)?;
        match self.call.call(&self.main)? {
            Value::Table(table) if wants_json => {
                let Some(context) = self.lua.app_data_ref::<Context>() else {
                    return Err(RunError::NotATable("nil"));
                };
                write::write(&context, &self.clock, &table).map(Outcome::Json)
            }
            other => Ok(Outcome::Other(other)),
        }
    }

    /// Grants so many bytes to the next run.
    pub(super) fn limit_memory(&self, bytes: usize) -> Result<(), RunError> {
        self.lua.set_memory_limit(bytes)?;
        Ok(())
    }

    /// Whether this may be the result of too little memory.
    pub(super) fn was_short<T>(&self, result: &Result<T, RunError>) -> bool {
        let failed = match result {
            Err(RunError::OutOfMemory) => true,
            Err(RunError::Failed(message)) => message.contains(OUT_OF_MEMORY),
            _ => false,
        };
        failed || self.clock.caught_shortage.load(Ordering::Relaxed)
    }

    /// Whether the machine can be used again after this result.
    pub(super) fn is_reusable<T>(&self, result: &Result<T, RunError>) -> bool {
        let spoilt = matches!(result, Err(RunError::TimedOut(_) | RunError::OutOfMemory));
        !spoilt && self.lua.used_memory() < MAX_IDLE_MEMORY
    }
}

/// A null inside an array: an item of it is nil, and it prints as in JSON.
fn describe_null(lua: &Lua) -> mlua::Result<()> {
    let meta = lua.create_table()?;
    meta.raw_set("__index", lua.create_function(|_, ()| Ok(Value::Nil))?)?;
    meta.raw_set("__tostring", lua.create_function(|_, ()| Ok("null"))?)?;
    lua.set_type_metatable::<LightUserData>(Some(meta));
    Ok(())
}

/// What the prelude is built on. Only the prelude calls these, with checked arguments.
fn host(lua: &Lua, clock: &Arc<Clock>) -> mlua::Result<Table> {
    let host = lua.create_table()?;
    host.set(
        "expand",
        lua.create_function(|lua, table: Table| expand(lua, &table))?,
    )?;
    host.set(
        "number_text",
        lua.create_function(|_, value: f64| Ok(number::text(value)))?,
    )?;
    host.set(
        "parse_number",
        lua.create_function(|_, (text, base): (LuaString, Option<f64>)| {
            let base =
                base.map(|base| u32::try_from(number::whole(base).unwrap_or(0)).unwrap_or(0));
            Ok(number::parse(&text.to_string_lossy(), base))
        })?,
    )?;
    host.set(
        "upper",
        lua.create_function(|_, text: LuaString| Ok(number::upper(&text.as_bytes())))?,
    )?;
    host.set(
        "lower",
        lua.create_function(|_, text: LuaString| Ok(number::lower(&text.as_bytes())))?,
    )?;
    host.set(
        "seed",
        lua.create_function(|_, ()| {
            // More than 31 bits are cut off as too large.
            let seed = getrandom::u32().map(|seed| seed >> 1);
            seed.map_err(|_| mlua::Error::runtime("no random numbers"))
        })?,
    )?;
    let watch = Arc::clone(clock);
    host.set(
        "format",
        lua.create_function(
            move |lua, (pattern, values): (LuaString, Variadic<Value>)| {
                let texts = values
                    .iter()
                    .map(|value| value.as_string().map(LuaString::as_bytes));
                let texts: Vec<_> = texts.collect();
                let values = values.iter().zip(&texts);
                let arguments: Vec<_> = values
                    .map(|(value, text)| Argument::new(value, text.as_deref()))
                    .collect();
                match format(&pattern.as_bytes(), &arguments, || watch.check().is_err()) {
                    Ok(text) => lua.create_string(text).map(Some),
                    Err(Refusal::TooLong) => Ok(None),
                    Err(Refusal::TimedOut) => {
                        watch.check().map_err(mlua::Error::external).map(|()| None)
                    }
                }
            },
        )?,
    )?;
    failures(lua, &host, clock)?;
    mathematics(lua, &host)?;
    host.set(
        "find",
        lua.create_function(|_, found: Search| Ok(found.place()))?,
    )?;
    host.set(
        "compile",
        lua.create_function(|lua, source: LuaString| Ok(compile(lua, &source)))?,
    )?;
    Ok(host)
}

/// What looks at the failures that a script has caught.
fn failures(lua: &Lua, host: &Table, clock: &Arc<Clock>) -> mlua::Result<()> {
    let watch = Arc::clone(clock);
    host.set(
        "reword",
        lua.create_function(move |_, message: LuaString| {
            let message = message.to_string_lossy();
            if message.contains(OUT_OF_MEMORY) {
                watch.caught_shortage.store(true, Ordering::Relaxed);
            }
            Ok(reword(&message))
        })?,
    )?;
    let watch = Arc::clone(clock);
    host.set(
        "caught",
        lua.create_function(move |_, failure: Value| {
            if let Value::Error(error) = failure
                && RunError::from(*error) == RunError::OutOfMemory
            {
                watch.caught_shortage.store(true, Ordering::Relaxed);
            }
            Ok(())
        })?,
    )
}

/// The functions whose last digit is Go's.
fn mathematics(lua: &Lua, host: &Table) -> mlua::Result<()> {
    type OfOne = fn(f64) -> f64;
    let of_one: [(&str, OfOne); 4] = [
        ("deg", |x| x * 180.0 / PI),
        ("rad", |x| x * PI / 180.0),
        ("log", libm::log),
        ("log10", gomath::log10),
    ];
    for (name, function) in of_one {
        host.set(name, lua.create_function(move |_, x| Ok(function(x)))?)?;
    }
    host.set(
        "pow",
        lua.create_function(|_, (x, y)| Ok(gomath::pow(x, y)))?,
    )
}

/// A plain search: where, for what, from which place.
type Search = (LuaString, LuaString, f64);

trait Place {
    fn place(&self) -> (Option<usize>, Option<usize>);
}

impl Place for Search {
    /// The first and last position of what was found, from 1.
    fn place(&self) -> (Option<usize>, Option<usize>) {
        let (text, wanted) = (self.0.as_bytes(), self.1.as_bytes());
        let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
        let start = number::whole(self.2.trunc()).unwrap_or(1);
        let start = if start < 0 { start + length } else { start - 1 };
        let start = usize::try_from(start.max(0)).unwrap_or(0);
        let Some(rest) = text.get(start..) else {
            return (None, None);
        };
        match memchr::memmem::find(rest, &wanted) {
            Some(place) => (Some(start + place + 1), Some(start + place + wanted.len())),
            None => (None, None),
        }
    }
}

/// `loadstring`: the chunk, or nothing and why not.
fn compile(lua: &Lua, source: &LuaString) -> (Option<Function>, Option<String>) {
    let chunk = match rewrite::rewrite(&source.to_string_lossy()) {
        Ok(script) => {
            let chunk = lua.load(script).set_name(CHUNK).into_function();
            chunk.map_err(|error| error.to_string())
        }
        Err(fault) => Err(format!("<string>:{}: {}", fault.line, fault.message)),
    };
    match chunk {
        Ok(chunk) => (Some(chunk), None),
        Err(message) => (None, Some(message)),
    }
}
