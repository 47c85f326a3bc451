//! What may be shown of a URL, and of what should have been one.

use crate::text::is_hidden;

/// Returns a URL without its passwords, those of `scheme://user:password@host/…`
/// and of `?password=…`.
///
/// What is no URL, or has no password, is returned as it is. In doubt more is left
/// out: a password may have been written with `@`, `/` or `?` in it as it is.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    without_secret_parameters(&format!("{scheme}://{}", without_credential(rest)))
}

/// Tells whether a URL has something that [`without_password`] leaves out.
pub fn has_password(url: &str) -> bool {
    without_password(url) != url
}

/// Returns a text that should have been a URL, or the words of a connection, without
/// what may be a password in it; `***` stands for what is cut out of what is no URL.
///
/// In doubt more is cut out than a password.
pub fn masked(text: &str) -> String {
    // Of several URLs in one text the first shows what is meant.
    let end = text.match_indices("://").nth(1).map(|(second, _)| second);
    let first = end.map_or_else(|| text.to_owned(), |end| format!("{}://***", &text[..end]));
    let shown = match first.split_once("://") {
        Some(_) => without_password(&first),
        None => without_bare_credential(&first),
    };
    let lower = shown.to_ascii_lowercase();
    let secret = ["pass", "psw", "pwd"].iter().filter_map(|name| {
        let name = lower.match_indices(name).find(|(at, _)| !lower[*at..].starts_with("passfile"))?.0;
        let value = name + lower[name..].find('=')?;
        lower[name..value]
            .trim_end()
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            .then_some(value)
    });
    match secret.min() {
        Some(value) => format!("{}=***", &shown[..value]),
        None => shown,
    }
}

/// Shows what was typed in one line: what is hidden escaped, what is long cut, what is
/// secret left out.
pub fn shown_in_one_line(text: &str) -> String {
    const LONGEST: usize = 80;
    let text = masked(text);
    let mut shown = String::new();
    for character in text.chars().take(LONGEST) {
        if is_hidden(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// Cuts the password out of `user:password@host` where no `://` stands before it.
fn without_bare_credential(text: &str) -> String {
    let Some(at) = text.rfind('@') else { return text.to_owned() };
    match text[..at].find(':') {
        Some(colon) if !text.starts_with(['/', '.', '~']) || text.starts_with("//") => {
            format!("{}:***{}", &text[..colon], &text[at..])
        }
        _ => text.to_owned(),
    }
}

/// Leaves the password of `user:password@host` out.
fn without_credential(rest: &str) -> String {
    let path = rest.find('/').unwrap_or(rest.len());
    if let Some(at) = rest[..path].rfind('@') {
        let user = rest[..at].split(':').next().unwrap_or_default();
        return format!("{user}{}", &rest[at..]);
    }
    // Nothing is a credential here, unless what follows the colon is no port.
    let Some(colon) = rest[..path].find(':').filter(|_| !rest.starts_with('[')) else {
        return rest.to_owned();
    };
    let query = rest.find('?').unwrap_or(rest.len());
    let authority = &rest[..path.min(query)];
    if let Some(at) = rest[..query].rfind('@') {
        return format!("{}{}", &rest[..colon], &rest[at..]);
    }
    if authority.split(',').all(has_a_port) {
        return rest.to_owned();
    }
    let tail = rest.rfind('@').unwrap_or(authority.len());
    format!("{}{}", &rest[..colon], &rest[tail..])
}

/// Tells whether this is `host`, `host:port`, or one of them in brackets.
fn has_a_port(host: &str) -> bool {
    let after = match host.split_once(']') {
        Some((_, after)) => after.strip_prefix(':').unwrap_or(after),
        None => host.split_once(':').map_or("", |(_, port)| port),
    };
    after.bytes().all(|byte| byte.is_ascii_digit())
}

/// Leaves the parameters out whose names say that they are secret, or nearly so:
/// a slip of the keyboard makes no secret public.
fn without_secret_parameters(url: &str) -> String {
    let Some((place, query)) = url.split_once('?') else { return url.to_owned() };
    let kept: Vec<&str> = query.split('&').filter(|parameter| !is_secret(parameter)).collect();
    if kept.is_empty() { place.to_owned() } else { format!("{place}?{}", kept.join("&")) }
}

fn is_secret(parameter: &str) -> bool {
    let Some((name, _)) = parameter.split_once('=') else { return false };
    let name = name.to_ascii_lowercase();
    // `p%61ssword` is a password too, and nobody writes the others so.
    name.contains('%') || (["pas", "psw", "pwd"].iter().any(|part| name.contains(part)) && name != "passfile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_left_out_however_it_is_written() {
        for (url, shown) in [
            ("postgres://me:secret@db:5432/q", "postgres://me@db:5432/q"),
            ("postgres://:secret@db/q", "postgres://@db/q"),
            ("postgres://me:se@cret@db/q", "postgres://me@db/q"),
            ("postgres://me:se/cret@db/q", "postgres://me@db/q"),
            ("postgres://me:12/34@db/q", "postgres://me@db/q"),
            ("postgres://me:se?cret@db/q", "postgres://me@db/q"),
            ("postgres://me:se#cret@db/q", "postgres://me@db/q"),
            ("postgres://me:se:cret@[::1]:5432/q", "postgres://me@[::1]:5432/q"),
            ("postgres://me:se/c?ret@db/q", "postgres://me@db/q"),
            ("postgres://me:secret@a:1,b:2/q", "postgres://me@a:1,b:2/q"),
            ("postgres://me:secret", "postgres://me"),
            ("postgres://me:secret/q", "postgres://me/q"),
            ("postgres://db/q?password=secret", "postgres://db/q"),
            ("postgres://db/q?sslmode=require&password=secret", "postgres://db/q?sslmode=require"),
            ("postgres://db/q?Password=secret&sslpassword=secret&user=me", "postgres://db/q?user=me"),
            ("postgres://db/q?p%61ssword=secret", "postgres://db/q"),
            ("postgres://db/q?passwrd=secret", "postgres://db/q"),
            ("postgres://db/q?pasword=secret", "postgres://db/q"),
            ("postgres://db?password=se@cret", "postgres://db"),
            ("postgres://me:secret@db/q?password=secret", "postgres://me@db/q"),
            ("nosql://me:secret@there/q", "nosql://me@there/q"),
        ] {
            assert_eq!(without_password(url), shown, "{url}");
            assert!(has_password(url), "{url}");
        }
    }

    #[test]
    fn of_what_is_no_url_more_is_cut_out() {
        for (text, shown) in [
            ("postgres:/me:secret@h/d", "postgres:***@h/d"),
            ("me:se@cr:et@h/d", "me:***@h/d"),
            ("host=h password='a b' user=me", "host=h password=***"),
            ("host=h passfile=/f", "host=h passfile=/f"),
            ("jdbc:sqlserver://h;password=secret", "jdbc:sqlserver://h;password=***"),
            ("postgres://a:b@h/d,postgres://c:secret@i/d", "postgres://a@h/d,postgres://***"),
            ("/home/me:you@work/queue.db", "/home/me:you@work/queue.db"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
        }
    }

    #[test]
    fn everything_else_is_shown() {
        for url in [
            "postgres://db/q",
            "postgres://me@db/q",
            "postgres://me@db:5432/q?sslmode=verify-full&passfile=/etc/pgpass",
            "postgres://db:5432/q?options=a@b",
            "postgres://a:5432,b:5433/q",
            "postgres://a,b:/q",
            "postgres://[::1]:5432/q",
            "postgres://a:1,[fe80::1]:2/q",
            "postgres://%2Frun%2Fpostgresql/q",
            "postgres:///q?host=/run/postgresql",
            "postgres://",
            "/home/me:you@work/queue.db",
            "",
        ] {
            assert_eq!(without_password(url), url);
            assert!(!has_password(url), "{url}");
        }
    }
}
