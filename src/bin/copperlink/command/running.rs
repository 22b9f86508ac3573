//! Which of the links that run on this machine is meant.

use copperlink::shell::status;

use crate::hints;
use crate::outcome::Failure;

/// The link of that name; without one, the only one that runs.
pub(super) fn choose(name: Option<&str>) -> Result<String, Failure> {
    let names = status::list();
    match (name, names.as_slice()) {
        (_, []) => Err(Failure::CannotRun(hints::no_link_runs(&status::run_dir()))),
        (Some(name), _) if names.iter().any(|known| known == name) => Ok(name.to_owned()),
        (Some(name), _) => Err(Failure::CannotRun(hints::no_such_link(name, &names))),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Failure::CannotRun(hints::which_link(&names))),
    }
}
