//! Paths in JSON: as text if they are text, and else as their bytes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Nothing,
    Text(String),
    Bytes(Vec<u8>),
}

#[expect(clippy::ref_option, reason = "so serde hands it on")]
pub(crate) fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    let written = match path {
        None => Written::Nothing,
        Some(path) => path.to_str().map_or_else(
            || Written::Bytes(path.as_os_str().as_bytes().to_owned()),
            |text| Written::Text(text.to_owned()),
        ),
    };
    written.serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(match Written::deserialize(deserializer)? {
        Written::Nothing => None,
        Written::Text(text) => Some(text.into()),
        Written::Bytes(bytes) => Some(OsString::from_vec(bytes).into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Options {
        #[serde(with = "super")]
        path: Option<PathBuf>,
    }

    #[test]
    fn a_path_survives_whatever_its_bytes_are() {
        for bytes in [Some(&b"/a/b"[..]), Some(b"/a\xff\x00\n\"/b"), Some(b""), None] {
            let path = bytes.map(|bytes| PathBuf::from(OsString::from_vec(bytes.to_owned())));
            let options = Options { path };
            let written = serde_json::to_string(&options).unwrap();
            assert_eq!(serde_json::from_str::<Options>(&written).unwrap(), options, "{written}");
        }
    }
}
