//! A URL as `libpq` reads it: several hosts, every part optional.
//!
//! By hand, since the driver's own reader knows neither all names nor what is wrong, and
//! one of general URLs knows one host.

use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;

/// The schemes of its URL.
const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// Every parameter: its name, and the variable that stands in for it.
///
/// All but the last are those of `libpq`, see
/// <https://www.postgresql.org/docs/current/libpq-connect.html>.
const PARAMETERS: [(&str, Option<&str>); 25] = [
    ("host", Some("PGHOST")),
    ("hostaddr", Some("PGHOSTADDR")),
    ("port", Some("PGPORT")),
    ("user", Some("PGUSER")),
    ("password", Some("PGPASSWORD")),
    ("passfile", Some("PGPASSFILE")),
    ("dbname", Some("PGDATABASE")),
    ("sslmode", Some("PGSSLMODE")),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("sslcert", Some("PGSSLCERT")),
    ("sslkey", Some("PGSSLKEY")),
    ("channel_binding", Some("PGCHANNELBINDING")),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    ("application_name", Some("PGAPPNAME")),
    ("options", Some("PGOPTIONS")),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    ("keepalives", None),
    ("keepalives_idle", None),
    ("keepalives_interval", None),
    ("keepalives_count", None),
    ("tcp_user_timeout", None),
    // Read to be refused with a reason.
    ("service", Some("PGSERVICE")),
    ("sslcrl", Some("PGSSLCRL")),
    ("require_auth", Some("PGREQUIREAUTH")),
    ("schema", None),
];

/// The longest name that is repeated in a message.
const LONGEST_NAME: usize = 40;

/// What was said about a connection, by the name of the parameter.
#[derive(Clone)]
pub(super) struct Parameters(BTreeMap<&'static str, String>);

impl Parameters {
    /// Reads a URL. What is wrong with it is said without any of its values, since
    /// one of them, or a part of it, may be a password.
    pub(super) fn of_url(url: &str) -> Result<Self, String> {
        let (_, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| SCHEMES.contains(scheme))
            .ok_or("a URL of a PostgreSQL server begins with postgres:// or postgresql://")?;
        let mut parameters = Self(BTreeMap::new());
        let path = rest.find('/').unwrap_or(rest.len());
        let rest = match rest[..path].split_once('@') {
            Some((credential, after)) => {
                if after[..path - credential.len() - 1].contains('@') {
                    return Err("an @ in its user or password is to be written %40".to_owned());
                }
                let (user, password) = credential.split_once(':').unwrap_or((credential, ""));
                parameters.put("user", decoded("user", user)?);
                parameters.put("password", decoded("password", password)?);
                &rest[credential.len() + 1..]
            }
            None => rest,
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        parameters.put_hosts(hosts)?;
        parameters.put("dbname", decoded("database", database)?);
        if !query.is_empty() {
            query.split('&').try_for_each(|pair| parameters.put_pair(pair))?;
        }
        Ok(parameters)
    }

    /// Adds what variables say about what was not said before.
    pub(super) fn or_variables(
        mut self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<Self, String> {
        for (name, known_as) in PARAMETERS {
            if let Some(known_as) = known_as
                && !self.0.contains_key(name)
            {
                self.put(name, variable(known_as)?.unwrap_or_default());
            }
        }
        Ok(self)
    }

    /// What was said about a parameter.
    pub(super) fn get(&self, name: &'static str) -> Option<&str> {
        debug_assert!(PARAMETERS.iter().any(|(known, _)| *known == name), "{name}");
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that is a list: one element for each comma and one more.
    pub(super) fn list(&self, name: &'static str) -> Option<Vec<&str>> {
        self.get(name).map(|list| list.split(',').map(str::trim).collect())
    }

    /// What was said last counts; nothing is as if nothing was said.
    fn put(&mut self, name: &'static str, value: String) {
        if !value.is_empty() {
            self.0.insert(name, value);
        }
    }

    fn put_hosts(&mut self, text: &str) -> Result<(), String> {
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for part in text.split(',') {
            let (host, port) = match part.strip_prefix('[') {
                Some(part) => {
                    let (host, after) =
                        part.split_once(']').ok_or("the ] of an address in its brackets is missing")?;
                    let port = after.strip_prefix(':').or(after.is_empty().then_some(""));
                    (host, port.ok_or("only a port can follow an address in brackets")?)
                }
                None => part.split_once(':').unwrap_or((part, "")),
            };
            hosts.push(decoded("host", host)?);
            ports.push(decoded("port", port)?);
        }
        // An empty element says something, but only among others.
        for (name, list) in [("host", hosts), ("port", ports)] {
            if list.iter().any(|element| !element.is_empty()) {
                self.put(name, list.join(","));
            }
        }
        Ok(())
    }

    fn put_pair(&mut self, pair: &str) -> Result<(), String> {
        let (name, value) = match pair.split_once('=') {
            Some((name, value)) => (decoded("parameter", name)?, value),
            None => return Err("one of its parameters has no value: they are written ?name=value".to_owned()),
        };
        // As JDBC writes it.
        if (name.as_str(), value) == ("ssl", "true") {
            self.put("sslmode", "require".to_owned());
            return Ok(());
        }
        let Some((known, _)) = PARAMETERS.into_iter().find(|(known, _)| *known == name) else {
            return Err(unknown(&name));
        };
        self.put(known, decoded(known, value)?);
        Ok(())
    }
}

/// Says that a parameter is not known, and which one was probably meant.
fn unknown(name: &str) -> String {
    let shown: String = name.chars().take(LONGEST_NAME).collect();
    let known = PARAMETERS.into_iter().map(|(known, _)| known);
    let nearest = known
        .map(|known| (strsim::damerau_levenshtein(&name.to_ascii_lowercase(), known), known))
        .min_by_key(|(slips, _)| *slips)
        .filter(|(slips, known)| *slips <= known.len() / 3);
    match nearest {
        Some((_, nearest)) => format!("there is no parameter `{shown}`; did you mean `{nearest}`?"),
        None => format!("there is no parameter `{shown}`"),
    }
}

/// Puts characters in the place of `%20` and the like.
fn decoded(part: &str, text: &str) -> Result<String, String> {
    let sound = text.split('%').skip(1).all(|after| {
        after.get(..2).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    if !sound {
        return Err(format!("a % in the {part} is to be written %25"));
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) if !decoded.contains('\0') => Ok(decoded.into_owned()),
        _ => Err(format!("the {part} is no UTF-8 text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a URL says, as `name=value` in the order of the names.
    fn said(url: &str) -> Result<String, String> {
        let Parameters(said) = Parameters::of_url(url)?;
        Ok(said.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn every_part_is_optional() {
        for (url, expected) in [
            ("postgres://", ""),
            ("postgresql:///", ""),
            ("postgres://db", "host=db"),
            ("postgres://db:5433", "host=db port=5433"),
            ("postgres://db/q", "dbname=q host=db"),
            ("postgres://me@", "user=me"),
            ("postgres://me@db/q", "dbname=q host=db user=me"),
            ("postgres://me:secret@db", "host=db password=secret user=me"),
            ("postgres://me:@db", "host=db user=me"),
            ("postgres://:secret@db", "host=db password=secret"),
            ("postgres:///q", "dbname=q"),
            ("postgres://:5433/q", "dbname=q port=5433"),
            ("postgres://?user=me", "user=me"),
            (
                "postgres://db?connect_timeout=3&application_name=x",
                "application_name=x connect_timeout=3 host=db",
            ),
            ("postgres:///q?", "dbname=q"),
        ] {
            assert_eq!(said(url).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn there_may_be_several_hosts_addresses_in_brackets_and_folders() {
        for (url, expected) in [
            ("postgres://a,b/q", "dbname=q host=a,b"),
            ("postgres://a:1,b,c:3/q", "dbname=q host=a,b,c port=1,,3"),
            ("postgres://a,,b", "host=a,,b"),
            ("postgres://[::1]", "host=::1"),
            ("postgres://[::1]:5433,[fe80::1%25eth0]/q", "dbname=q host=::1,fe80::1%eth0 port=5433,"),
            ("postgres://%2Frun%2Fpostgresql/q", "dbname=q host=/run/postgresql"),
            ("postgres://%2frun:5433/q", "dbname=q host=/run port=5433"),
            ("postgres:///q?host=/run/postgresql&port=5433", "dbname=q host=/run/postgresql port=5433"),
        ] {
            assert_eq!(said(url).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn any_character_can_be_written() {
        for (url, expected) in [
            ("postgres://m%40e:p%2Fa%3as%25s@db/q%20r", "dbname=q r host=db password=p/a:s%s user=m@e"),
            ("postgres://me:a?b#c:d@db", "host=db password=a?b#c:d user=me"),
            ("postgres://db/q?options=-c%20a%3Db&%73chema=x", "dbname=q host=db options=-c a=b schema=x"),
            ("postgres://db/q?options=-c+a=b", "dbname=q host=db options=-c+a=b"),
            ("postgres://gr%C3%BC%C3%9Fe@db", "host=db user=grüße"),
        ] {
            assert_eq!(said(url).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn a_parameter_is_stronger_than_the_place_before_it() {
        assert_eq!(
            said("postgres://me@a:1/q?host=b&port=2&user=you&dbname=r&dbname=s&ssl=true").as_deref(),
            Ok("dbname=s host=b port=2 sslmode=require user=you")
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_any_value() {
        for (url, expected) in [
            ("mysql://me:secret@db", "begins with postgres://"),
            ("secret", "begins with postgres://"),
            ("postgres://me:se@cret@db", "%40"),
            ("postgres://me:secret%4@db", "% in the password"),
            ("postgres://me:secret%zz@db", "% in the password"),
            ("postgres://me:secret%@db", "% in the password"),
            ("postgres://me:secret%ff@db", "the password is no UTF-8"),
            ("postgres://me:secret%00@db", "the password is no UTF-8"),
            ("postgres://[::1secret", "the ] of an address"),
            ("postgres://[::1]secret", "only a port can follow"),
            ("postgres://db/q?secret", "has no value"),
            ("postgres://db/q?user=me&&", "has no value"),
        ] {
            let wrong = said(url).unwrap_err();
            assert!(wrong.contains(expected) && !wrong.contains("secret"), "{url}: {wrong}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_named_with_the_nearest_known_one() {
        for (name, expected) in [
            ("sslmod", "there is no parameter `sslmod`; did you mean `sslmode`?"),
            ("SSLMODE", "there is no parameter `SSLMODE`; did you mean `sslmode`?"),
            ("keepalives_retries", "there is no parameter `keepalives_retries`"),
            ("scheme", "there is no parameter `scheme`; did you mean `schema`?"),
            ("pgbouncer", "there is no parameter `pgbouncer`"),
        ] {
            assert_eq!(said(&format!("postgres://db?{name}=x")), Err(expected.to_owned()));
        }
        let wrong = said(&format!("postgres://db?{}=x", "x".repeat(1000))).unwrap_err();
        assert!(wrong.len() < 100, "{wrong}");
    }

    #[test]
    fn variables_complete_what_was_not_said() {
        let variable = |name: &str| {
            Ok(match name {
                "PGHOST" => Some("there".to_owned()),
                "PGUSER" => Some("me".to_owned()),
                "PGDATABASE" => Some(String::new()),
                _ => None,
            })
        };
        let parameters = Parameters::of_url("postgres://here").unwrap().or_variables(variable).unwrap();
        assert_eq!(parameters.get("host"), Some("here"));
        assert_eq!(parameters.get("user"), Some("me"));
        assert_eq!(parameters.get("dbname"), None);
        assert!(Parameters::of_url("postgres://").unwrap().or_variables(|_| Err("odd".to_owned())).is_err());
    }
}
