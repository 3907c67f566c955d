//! The key flags: one key without a file. Which flags there are, the sections of the providers say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};
use trousseau_core::section::{Flag, FlagValue};

use super::ORIGIN;
use crate::config::error::ConfigError;
use crate::config::{Config, Environment, Kind, Loaded, check};
use crate::wire::KINDS;

/// One key by flags alone. They don't mix with a file.
#[derive(Clone, Debug, Default)]
pub struct KeyFlags {
    given: Vec<Given>,
    cluster: Vec<String>,
}

#[derive(Clone, Debug)]
struct Given {
    kind: &'static Kind,
    flag: &'static Flag,
    value: GivenValue,
}

#[derive(Clone, Debug)]
enum GivenValue {
    Text(String),
    File(PathBuf),
}

const CLUSTER: &str = "cluster";

impl Args for KeyFlags {
    fn augment_args(command: Command) -> Command {
        let command = command.next_help_heading("Key, instead of a file");
        let flags = KINDS.iter().flat_map(|kind| kind.flags);
        let cluster = Arg::new(CLUSTER)
            .long(CLUSTER)
            .value_name("NAME")
            .value_delimiter(',')
            .action(ArgAction::Append)
            .help("The cluster's name; several: the first writes, all read");
        flags.fold(command, |command, flag| command.arg(argument(flag))).arg(cluster)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(flag: &'static Flag) -> Arg {
    let argument = Arg::new(flag.name).long(flag.name).help(flag.help);
    match flag.value {
        FlagValue::Text(name) => argument.value_name(name),
        FlagValue::File => argument.value_name("FILE").value_parser(value_parser!(PathBuf)),
        FlagValue::Choice(words) => argument.value_parser(PossibleValuesParser::new(words)),
    }
}

impl FromArgMatches for KeyFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |kind: &'static Kind, flag: &'static Flag| {
            let value = match flag.value {
                FlagValue::File => matches.get_one::<PathBuf>(flag.name).cloned().map(GivenValue::File),
                _ => matches.get_one::<String>(flag.name).cloned().map(GivenValue::Text),
            };
            value.map(|value| Given { kind, flag, value })
        };
        let given = KINDS.iter().flat_map(|kind| kind.flags.iter().filter_map(move |flag| given(kind, flag))).collect();
        let cluster = matches.get_many::<String>(CLUSTER).into_iter().flatten().cloned().collect();
        Ok(Self { given, cluster })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl KeyFlags {
    /// True if one of them is given.
    pub fn any(&self) -> bool {
        !self.given.is_empty() || !self.cluster.is_empty()
    }

    /// The configuration that they say: one key, everything else by default.
    ///
    /// # Errors
    /// No key, two keys, or a value that can't work; the text names the flag.
    pub fn load(&self, environment: &Environment) -> Result<Loaded, ConfigError> {
        let kind = self.kind(environment)?;
        let mut section = Value::Object(Map::new());
        let mut origins = BTreeMap::new();
        for Given { flag, value, .. } in &self.given {
            let text = match value {
                GivenValue::Text(text) => text.clone(),
                GivenValue::File(path) => text_of(&absolute(path)?, flag)?,
            };
            set(&mut section, flag.field, text);
            origins.insert(path_of(kind, flag.field), format!("--{}", flag.name));
        }
        if !self.cluster.is_empty() {
            origins.insert(CLUSTER.to_owned(), format!("--{CLUSTER}"));
        }
        let document = json!({ "cluster": self.cluster, "keys": [{ "name": "primary", kind.name: section }] });
        // A type that no flag can say is the table's mistake; its values are not repeated.
        let wrong = |_| ConfigError::new(ORIGIN, format!("the flags make no `{}` key", kind.name), "write a file");
        let config = Config::deserialize(document).map_err(wrong)?;
        check::check(&config).map_err(|fault| {
            let flag = kind.flags.iter().find(|flag| path_of(kind, flag.field) == fault.field);
            let name = match flag {
                Some(flag) => format!("--{}", flag.name),
                None if fault.field == CLUSTER => format!("--{CLUSTER}"),
                None => fault.field.clone(),
            };
            ConfigError::new(ORIGIN, format!("`{name}` {}", fault.what), fault.remedy)
        })?;
        Ok(Loaded::new(config, "", origins, environment))
    }

    /// The one kind of KMS that is named, with all that its key can't be without.
    fn kind(&self, environment: &Environment) -> Result<&'static Kind, ConfigError> {
        let refuse = |what: String, remedy: String| Err(ConfigError::new(ORIGIN, what, remedy));
        let Some(first) = self.given.first() else {
            let ways: Vec<_> = KINDS.iter().map(|kind| needed(kind).collect::<Vec<_>>().join(" with ")).collect();
            let ways = ways.into_iter().filter(|way| !way.is_empty()).collect::<Vec<_>>().join(", or by ");
            let remedy = format!("name a file by --config, or a key by {ways}");
            return refuse("no key is named".to_owned(), remedy);
        };
        if let Some(other) = self.given.iter().find(|other| other.kind.name != first.kind.name) {
            let what = format!("--{} and --{} name two keys", first.flag.name, other.flag.name);
            return refuse(what, "flags name one; several need a file".to_owned());
        }
        let kind = first.kind;
        for flag in kind.flags.iter().filter(|flag| flag.required) {
            let fill = kind.fills.iter().find(|fill| fill.field == flag.field);
            let filled = fill.is_some_and(|fill| environment.filling(fill).is_some());
            if !filled && self.given.iter().all(|given| given.flag != flag) {
                let set = fill.map(|fill| format!(", or set {}", fill.variables.join(" or "))).unwrap_or_default();
                return refuse(format!("`--{}` is missing", flag.name), format!("add it{set}"));
            }
        }
        Ok(kind)
    }
}

fn needed(kind: &Kind) -> impl Iterator<Item = String> {
    kind.flags.iter().filter(|flag| flag.required).map(|flag| format!("--{}", flag.name))
}

fn path_of(kind: &Kind, field: &str) -> String {
    format!("keys[0].{}.{field}", kind.name)
}

/// Puts a text at a path of names; the values in between are objects.
fn set(object: &mut Value, path: &str, text: String) {
    let place = path.split('.').fold(object, |value, name| &mut value[name]);
    *place = Value::from(text);
}

fn text_of(path: &Path, flag: &Flag) -> Result<String, ConfigError> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| ConfigError::new(ORIGIN, format!("`--{}` is not UTF-8", flag.name), "rename the file"))
}

/// On a command line a path is as the shell sees it.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, ConfigError> {
    std::path::absolute(path)
        .map_err(|error| ConfigError::new(ORIGIN, format!("`{}` is no path: {error}", path.display()), "correct it"))
}
