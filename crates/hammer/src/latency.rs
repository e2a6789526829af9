//! A distribution of latencies, as the report and the reader see it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{
    Deserializer, Serializer as _, V2DeflateSerializer,
};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::counts;

/// Latencies, to three significant digits, in constant memory.
///
/// Serialized as its percentiles in seconds, and as `histogram`: the counts
/// in HdrHistogram's compressed V2 form, in nanoseconds. Only the latter is
/// read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency(Histogram<u64>);

/// The quantiles that every report names.
pub const QUANTILES: [(&str, f64); 7] = [
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
];

impl Latency {
    /// How many were measured.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The shortest.
    pub fn min(&self) -> Duration {
        Duration::from_nanos(self.0.min())
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// The arithmetic mean.
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.0.mean() as u64)
    }

    /// The standard deviation.
    pub fn deviation(&self) -> Duration {
        Duration::from_nanos(self.0.stdev() as u64)
    }

    /// Half took at most this long.
    pub fn median(&self) -> Duration {
        self.quantile(0.5)
    }

    /// 95 of 100 took at most this long.
    pub fn p95(&self) -> Duration {
        self.quantile(0.95)
    }

    /// 99 of 100 took at most this long.
    pub fn p99(&self) -> Duration {
        self.quantile(0.99)
    }

    /// That share (0 to 1) took at most this long; zero where none was
    /// measured.
    pub fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(quantile))
    }

    /// The same of these and so many others that took longer than all of
    /// them; `None` where it is one of the others.
    pub fn quantile_beside(
        &self,
        quantile: f64,
        longer: u64,
    ) -> Option<Duration> {
        let count = self.count();
        let rank = ((count + longer) as f64 * quantile).ceil();
        // The quotient times the count may be above the rank, which is then
        // the next one's; half a rank before it is not.
        (rank <= count as f64)
            .then(|| self.quantile((rank - 0.5) / count as f64))
    }

    /// The counts behind it, in nanoseconds.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    pub(crate) fn histogram_mut(&mut self) -> &mut Histogram<u64> {
        &mut self.0
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self(counts::histogram())
    }
}

impl From<Histogram<u64>> for Latency {
    fn from(histogram: Histogram<u64>) -> Self {
        Self(histogram)
    }
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.0, &mut bytes)
            .map_err(|error| serde::ser::Error::custom(format!("{error:?}")))?;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("count", &self.count())?;
        if self.count() > 0 {
            map.serialize_entry("min", &self.min().as_secs_f64())?;
            map.serialize_entry("mean", &self.mean().as_secs_f64())?;
            let deviation = self.deviation().as_secs_f64();
            map.serialize_entry("deviation", &deviation)?;
            for (name, quantile) in QUANTILES {
                let value = self.quantile(quantile).as_secs_f64();
                map.serialize_entry(name, &value)?;
            }
            map.serialize_entry("max", &self.max().as_secs_f64())?;
            map.serialize_entry("histogram", &BASE64.encode(&bytes))?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Counts {
            histogram: Option<String>,
        }
        use serde::de::Error;
        let Some(text) = Counts::deserialize(from)?.histogram else {
            return Ok(Self::default());
        };
        let bytes = BASE64.decode(&text).map_err(D::Error::custom)?;
        Deserializer::new()
            .deserialize(&mut &bytes[..])
            .map(Self)
            .map_err(|error| {
                D::Error::custom(format!("bad histogram: {error:?}"))
            })
    }
}
