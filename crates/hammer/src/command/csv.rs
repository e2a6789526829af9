//! The run second by second, for a spreadsheet.

use std::io::Write;
use std::path::Path;

use hammer::Second;

use super::file::ReportFile;

/// A file with a line per second.
pub(crate) struct Csv(ReportFile);

const HEADING: &str =
    "run,second,answered,failed,shed,bytes_received,p50,p90,p99,max";

impl Csv {
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let mut file = ReportFile::create(path)?;
        file.write(|file| Ok(writeln!(file, "{HEADING}")?))?;
        Ok(Self(file))
    }

    pub(crate) fn write(
        &mut self,
        run: u32,
        seconds: &[Second],
    ) -> anyhow::Result<()> {
        self.0.write(|file| {
            for second in seconds {
                write!(
                    file,
                    "{run},{},{},{},{},{}",
                    second.number,
                    second.answered,
                    second.failed,
                    second.shed,
                    second.bytes_received,
                )?;
                // Nothing to time is no time of zero.
                let timed = !second.latency.0.is_empty();
                for time in [second.p50, second.p90, second.p99, second.max] {
                    match timed {
                        true => write!(file, ",{:.9}", time.as_secs_f64())?,
                        false => write!(file, ",")?,
                    }
                }
                writeln!(file)?;
            }
            Ok(())
        })
    }
}
