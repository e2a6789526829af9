//! HdrHistogram's interval log: a histogram per second, in full precision.
//! Logs of several machines add up to what one would have measured, which
//! percentiles never do.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hammer::{Latency, Second};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use super::file::ReportFile;

/// A log that is being written.
pub(crate) struct Hlog {
    file: ReportFile,
    serializer: V2DeflateSerializer,
    start: SystemTime,
    /// When the run's first second began.
    began: Duration,
}

/// One histogram of a log, in nanoseconds.
pub(crate) struct Interval {
    /// Since 1970.
    pub(crate) start: Duration,
    length: Duration,
    pub(crate) tag: Option<String>,
    pub(crate) histogram: Histogram<u64>,
}

impl Hlog {
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        Self::create_at(path, SystemTime::now())
    }

    /// Times in the log are relative to `start`.
    pub(crate) fn create_at(
        path: &Path,
        start: SystemTime,
    ) -> anyhow::Result<Self> {
        let mut file = ReportFile::create(path)?;
        let mut serializer = V2DeflateSerializer::new();
        file.write(|file| {
            IntervalLogWriterBuilder::new()
                .add_comment("[Histogram log format version 1.3]")
                .add_comment("Latencies in nanoseconds, by hammer")
                .with_start_time(start)
                .with_base_time(start)
                .begin_log_with(file, &mut serializer)?;
            // A legend, which other readers of the format skip.
            Ok(writeln!(
                file,
                "\"StartTimestamp\",\"Interval_Length\",\
                 \"Interval_Max\",\"Interval_Compressed_Histogram\""
            )?)
        })?;
        Ok(Self {
            file,
            serializer,
            start,
            began: Duration::ZERO,
        })
    }

    /// A run begins now, whose first second begins after its warm-up.
    pub(crate) fn begin(&mut self, warmup: Duration) {
        self.began = self.start.elapsed().unwrap_or_default() + warmup;
    }

    pub(crate) fn write(&mut self, seconds: &[Second]) -> anyhow::Result<()> {
        for second in seconds {
            let mut histogram = Latency::default().histogram().clone();
            for &(nanos, count) in &second.latency.0 {
                histogram.saturating_record_n(nanos, count);
            }
            let start = self.began + Duration::from_secs(second.number);
            self.append(&histogram, start, Duration::from_secs(1), None)?;
        }
        Ok(())
    }

    pub(crate) fn copy(&mut self, interval: &Interval) -> anyhow::Result<()> {
        let start = self.start.duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = interval.start.saturating_sub(start);
        let tag = interval.tag.as_deref().and_then(Tag::new);
        self.append(&interval.histogram, start, interval.length, tag)
    }

    fn append(
        &mut self,
        histogram: &Histogram<u64>,
        start: Duration,
        length: Duration,
        tag: Option<Tag<'_>>,
    ) -> anyhow::Result<()> {
        let serializer = &mut self.serializer;
        self.file.write(|file| {
            IntervalLogWriterBuilder::new()
                .begin_log_with(file, serializer)?
                .write_histogram(histogram, start, length, tag)
                .map_err(|error| anyhow!("{error}"))
        })
    }
}

/// Reads a log, whoever wrote it.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Interval>> {
    let read = || {
        let text = std::fs::read(path)?;
        parse(&text)
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

fn parse(log: &[u8]) -> anyhow::Result<Vec<Interval>> {
    let mut intervals = Vec::new();
    let mut base = Duration::ZERO;
    let mut deserializer = Deserializer::new();
    // The parser takes a legend for an error.
    let lines = log.split_inclusive(|&byte| byte == b'\n');
    let lines: Vec<_> = lines.filter(|line| !line.starts_with(b"\"")).collect();
    for entry in IntervalLogIterator::new(&lines.concat()) {
        let interval = match entry {
            Ok(LogEntry::Interval(interval)) => interval,
            Ok(LogEntry::BaseTime(time)) => {
                base = time;
                continue;
            }
            Ok(LogEntry::StartTime(_)) => continue,
            Err(_) => bail!("it is no HdrHistogram interval log"),
        };
        let bytes = BASE64.decode(interval.encoded_histogram())?;
        let histogram = deserializer
            .deserialize(&mut &bytes[..])
            .map_err(|error| anyhow!("a histogram is damaged: {error}"))?;
        intervals.push(Interval {
            start: base + interval.start_timestamp(),
            length: interval.duration(),
            tag: interval.tag().map(|tag| tag.as_str().to_owned()),
            histogram,
        });
    }
    if intervals.is_empty() {
        bail!("it has no histogram");
    }
    Ok(intervals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hammer::Counted;

    fn second(number: u64, pairs: &[(u64, u64)]) -> Second {
        Second {
            number,
            answered: 0,
            failed: 0,
            shed: 0,
            bytes_received: 0,
            latency: Counted(pairs.to_vec()),
            p50: Duration::ZERO,
            p90: Duration::ZERO,
            p99: Duration::ZERO,
            max: Duration::ZERO,
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) =
            (directory.path().join("1"), directory.path().join("2"));
        let start = UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        let mut log = Hlog::create_at(&one, start).unwrap();
        log.write(&[second(0, &[(1000, 2), (5_000_000, 1)])])
            .unwrap();
        log.write(&[second(7, &[(2000, 3)])]).unwrap();
        let intervals = read(&one).unwrap();
        let times = intervals.iter().map(|interval| interval.start);
        let expected = [1_700_000_000_500, 1_700_000_007_500];
        assert!(times.eq(expected.map(Duration::from_millis)));
        assert_eq!(intervals[0].histogram.len(), 3);
        assert_eq!(intervals[1].histogram.max(), 2000);

        let mut copy = Hlog::create_at(&other, start).unwrap();
        for interval in &intervals {
            copy.copy(interval).unwrap();
        }
        let bytes = |path| std::fs::read(path).unwrap();
        assert_eq!(bytes(&one), bytes(&other));
    }

    #[test]
    fn a_log_of_the_java_library_is_read() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        histogram.record(77).unwrap();
        let mut bytes = Vec::new();
        use hdrhistogram::serialization::Serializer as _;
        V2DeflateSerializer::new()
            .serialize(&histogram, &mut bytes)
            .unwrap();
        let log = format!(
            "#[Histogram log format version 1.3]\n\
             #[StartTime: 1441812279.474 (seconds since epoch), Wed Sep 09]\n\
             \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"H\"\n\
             Tag=A,1441812279.6,1.007,2.769,{}\n",
            BASE64.encode(&bytes)
        );
        let intervals = parse(log.as_bytes()).unwrap();
        assert_eq!(intervals[0].tag.as_deref(), Some("A"));
        assert_eq!(intervals[0].histogram.max(), 77);
        assert_eq!(intervals[0].start.as_secs(), 1_441_812_279);
    }

    #[test]
    fn what_is_no_log_is_refused() {
        for text in ["", "hello\n", "#comment\n", "1.0,1.0,1.0,AAAA\n"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
