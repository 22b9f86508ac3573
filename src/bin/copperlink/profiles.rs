//! Modem profiles by name: those that come with the program, and files of the user's own.

use std::path::Path;

use copperlink::modem::Profile;

use crate::hints;
use crate::settings::{self, SettingsError};

/// Why a profile cannot be had.
pub(crate) enum ProfileError {
    /// There is none of that name; what to say of it.
    Unknown(String),
    /// Its file is wrong.
    File(SettingsError),
}

/// The profile that is meant by a name, or by the path of a file that ends with `.toml`, from `folder`.
///
/// # Errors
/// When there is none, or when the file is wrong.
pub(crate) fn find(wanted: &str, folder: &Path) -> Result<Profile, ProfileError> {
    let built_in = Profile::BUILT_IN.iter().find(|(name, _)| *name == wanted);
    if let Some((name, text)) = built_in {
        return settings::parse_as(&format!("{name}.toml"), (*text).to_owned())
            .map_err(ProfileError::File);
    }
    let path = folder.join(wanted);
    if path
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        let shown = path.display().to_string();
        let text = settings::read_text("profile", &path);
        let profile = text.and_then(|text| settings::parse_as(&shown, text));
        return profile.map_err(ProfileError::File);
    }
    Err(ProfileError::Unknown(format!(
        "expected one of {}, \"none\", or a file that ends with .toml",
        hints::nearest_first(wanted, &names()).join(", ")
    )))
}

/// The names of those that come with the program.
pub(crate) fn names() -> Vec<&'static str> {
    Profile::BUILT_IN.iter().map(|(name, _)| *name).collect()
}
