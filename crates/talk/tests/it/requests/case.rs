//! A request as a case: its bytes, what becomes of it, and why.

use std::fmt;

/// Bytes that a client sends on a connection of their own.
pub(super) struct Case {
    /// What is wrong, or right, with them; one of a kind.
    pub(super) name: &'static str,
    /// The section that asks for the answer, or the reason for it.
    pub(super) why: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) then: Then,
    answer: &'static str,
    hyper: Option<&'static str>,
    minihttp: Option<&'static str>,
}

/// What the client does once it has sent the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Then {
    /// It reads what comes.
    Reads,
    /// It says that no more will come, and reads.
    HalfCloses,
    /// It waits until the time for a head is over.
    Waits,
}

/// Whose code reads the requests of a deployment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reader {
    /// The harness: every app but those below.
    Harness,
    /// hyper, and the harness's judgement after it: app-async.
    Hyper,
    /// may_minihttp, and the same: coroutine (:5200).
    Minihttp,
}

impl Reader {
    pub(super) fn of(deployment: &str) -> Self {
        match deployment {
            "async" | "async-threads" | "native" => Self::Hyper,
            "coroutine" => Self::Minihttp,
            _ => Self::Harness,
        }
    }
}

/// What comes back on the connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Outcome {
    pub(super) statuses: Vec<u16>,
    pub(super) end: End,
}

/// What becomes of the connection after the answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// It takes further requests.
    Open,
    /// The server closes it.
    Closed,
    /// The server waits for more, without a limit.
    Held,
}

impl Outcome {
    /// Reads `200 404 closed` and the like.
    fn of(text: &str) -> Self {
        let mut end = End::Open;
        let mut statuses = Vec::new();
        for word in text.split(' ') {
            match word {
                "closed" => end = End::Closed,
                "held" => end = End::Held,
                status => statuses.push(status.parse().unwrap()),
            }
        }
        Self { statuses, end }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<_> =
            self.statuses.iter().map(ToString::to_string).collect();
        match self.end {
            End::Open if words.is_empty() => words.push("nothing".to_owned()),
            End::Open => {}
            End::Closed => words.push("closed".to_owned()),
            End::Held => words.push("held".to_owned()),
        }
        f.write_str(&words.join(" "))
    }
}

/// A request that every app answers in the same way. `answer` is the status
/// of each answer, then `closed` where the connection does not go on.
pub(super) fn answered(
    answer: &'static str,
    name: &'static str,
    why: &'static str,
    bytes: impl AsRef<[u8]>,
) -> Case {
    Case {
        name,
        why,
        bytes: bytes.as_ref().to_owned(),
        then: Then::Reads,
        answer,
        hyper: None,
        minihttp: None,
    }
}

/// A request that is refused: the last answer says so and the connection
/// closes. may_minihttp closes it without that answer.
pub(super) fn refused(
    answer: &'static str,
    name: &'static str,
    why: &'static str,
    bytes: impl AsRef<[u8]>,
) -> Case {
    let case = answered(answer, name, why, bytes);
    assert!(answer.ends_with(" closed"), "{name} is not refused");
    case.minihttp("closed")
}

impl Case {
    /// What app-async answers instead, since hyper reads its requests.
    pub(super) fn hyper(self, answer: &'static str) -> Self {
        let hyper = Some(answer);
        Self { hyper, ..self }
    }

    /// What coroutine (:5200) answers instead, since may_minihttp does.
    pub(super) fn minihttp(self, answer: &'static str) -> Self {
        let minihttp = Some(answer);
        Self { minihttp, ..self }
    }

    pub(super) fn half_closes(self) -> Self {
        let then = Then::HalfCloses;
        Self { then, ..self }
    }

    pub(super) fn waits(self) -> Self {
        let then = Then::Waits;
        Self { then, ..self }
    }

    /// The answer as the list has it; `a or b` where it depends on timing.
    pub(super) fn answer(&self, reader: Reader) -> &'static str {
        let instead = match reader {
            Reader::Harness => None,
            Reader::Hyper => self.hyper,
            Reader::Minihttp => self.minihttp,
        };
        instead.unwrap_or(self.answer)
    }

    /// What may come back.
    pub(super) fn outcomes(&self, reader: Reader) -> Vec<Outcome> {
        let answer = self.answer(reader);
        answer.split(" or ").map(Outcome::of).collect()
    }

    /// Whether the answers are to HEAD, and so have no body.
    pub(super) fn is_head(&self) -> bool {
        self.bytes.starts_with(b"HEAD ")
    }
}

/// `GET /` with these header lines besides Host.
pub(super) fn get(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

/// `POST /` with these header lines besides Host, and a body.
pub(super) fn post(lines: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n{body}")
}
