//! What a sweep is asked for: the workload, the target, the models. All that
//! can be refused is refused here, before anything starts.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::resource::{Resource, getrlimit};
use workload::{Call, Delay, LONGEST, Manner, Workload};

use super::alone::Alone;
use super::answer;
use super::held::TIMEOUT;
use super::pace::FASTEST;
use super::record::{self, Machine, Model, Target, VERSION};
use crate::bound::Shape;
use crate::catalogue::Deployment;
use crate::options::{Order, Sweep};
use crate::procfs;
use crate::results;
use crate::site::Site;

/// One request a day: of fewer nobody waits for a step's end.
const SLOWEST: f64 = 1.0 / (24.0 * 3600.0);

/// What is asked for.
pub(super) struct Asked<'a> {
    pub(super) sweep: record::Sweep,
    pub(super) workload: Workload,
    /// In the order of the sweep's models.
    pub(super) deployments: Vec<&'a Deployment>,
    /// Indices of the models that can hold the target at all.
    pub(super) able: Vec<usize>,
}

impl<'a> Asked<'a> {
    pub(super) fn of(site: &'a Site, options: &Sweep) -> Result<Self> {
        let deployments = site.catalogue.select(&options.names)?;
        let workload = workload(options)?;
        let target = match options.target {
            Some(target) => target,
            None => default_target(&workload),
        };
        let models = deployments.iter().map(|d| model(site, d));
        let models: Vec<_> = models.collect();
        if let Some(name) = &options.fail_if_not
            && !models.iter().any(|model| model.name == *name)
        {
            bail!("--fail-if-not {name}: it is not among those to sweep");
        }
        if let Some(rate) = options.rate {
            check_rate(rate)?;
        }
        let able = able(&models, &workload, &target)?;
        let rounds = options.rounds.unwrap_or(match options.quick {
            true => 3,
            false => 6,
        });
        let sweep = record::Sweep {
            version: VERSION,
            workload: workload.to_toml(),
            target,
            rate: options.rate,
            models,
            rounds,
            seed: options.seed,
            quick: options.quick,
            machine: machine(),
        };
        Ok(Self {
            sweep,
            workload,
            deployments,
            able,
        })
    }
}

fn check_rate(rate: f64) -> Result<()> {
    if !(SLOWEST..=FASTEST).contains(&rate) {
        bail!(
            "--rate {rate:e}/s: give one request a day at the least, and \
             {FASTEST}/s at the most"
        );
    }
    Ok(())
}

/// Indices of the models whose request, alone, meets the target: load makes
/// none quicker.
fn able(
    models: &[Model],
    workload: &Workload,
    target: &Target,
) -> Result<Vec<usize>> {
    let alone = Alone::of_each(models, target, workload);
    let alone = alone.iter().map(|alone| alone.slowest);
    let able = alone.clone().enumerate();
    let able = able.filter(|(_, alone)| *alone <= target.seconds);
    let able: Vec<_> = able.map(|(place, _)| place).collect();
    if able.is_empty() {
        let quickest = alone.reduce(f64::min).unwrap_or_default();
        bail!(
            "no model here can hold {}: a request that is alone takes \
             {quickest:.3} s at that quantile even in the quickest; give a \
             higher --target",
            answer::target(target)
        );
    }
    Ok(able)
}

fn workload(options: &Sweep) -> Result<Workload> {
    if let Some(path) = &options.workload {
        return Ok(Workload::load(path)?);
    }
    let Sweep {
        calls,
        delay,
        order,
        fails,
        hangs,
        work,
        size,
        ..
    } = options;
    let described = calls.is_some()
        || delay.is_some()
        || order.is_some()
        || size.is_some()
        || [fails, hangs, work].iter().any(|given| given.is_some());
    if !described {
        return Ok(Workload::slides());
    }
    let eighth = Duration::from_millis(125);
    let call = Call {
        delay: delay.clone().unwrap_or(Delay::Fixed(eighth)),
        fails: fails.unwrap_or(0.0),
        hangs: hangs.unwrap_or(0.0),
        size: size.unwrap_or(0),
    };
    let calls = vec![call; calls.unwrap_or(1)];
    let work = Duration::try_from_secs_f64(work.unwrap_or(0.0));
    let workload = Workload {
        seed: 0,
        work: work.context("--work: it is no time in seconds")?,
        steps: match order {
            Some(Order::InSequence) => {
                calls.into_iter().map(|call| vec![call]).collect()
            }
            _ => vec![calls],
        },
    };
    workload.check().map_err(|bad| anyhow::anyhow!("--{bad}"))?;
    Ok(workload)
}

/// What a service is content with that makes its calls one after the other,
/// and is half as quick as it could be.
fn default_target(workload: &Workload) -> Target {
    let quantile = 0.99;
    let in_turn = workload.time(Manner::InTurn, quantile, TIMEOUT);
    // To the millisecond, so that it can be told and typed; calls of no time
    // take some, too.
    let seconds = (2.0 * in_turn.as_secs_f64() * 1e3).ceil().max(1.0) / 1e3;
    let seconds = seconds.min(LONGEST.as_secs_f64());
    Target { quantile, seconds }
}

fn model(site: &Site, deployment: &Deployment) -> Model {
    let shape = Shape::of(&site.catalogue, deployment);
    let takers = deployment.threads + deployment.coroutines;
    Model {
        name: deployment.name.clone(),
        app: deployment.app.clone(),
        processes: deployment.processes.count() as u64,
        threads: takers as u64,
        slots: shape.slots,
        at_once: deployment.at_once,
    }
}

fn machine() -> Machine {
    let results::Machine {
        processor,
        cores,
        kernel,
    } = results::Machine::this();
    let (_, files) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or_default();
    Machine {
        processor,
        cores: cores as u64,
        memory_bytes: procfs::memory_of_machine().unwrap_or_default(),
        kernel,
        files,
    }
}

impl FromStr for Target {
    type Err = String;

    /// `p99=800ms`, `p50=0.2s`.
    fn from_str(text: &str) -> Result<Self, String> {
        let how = || "try p99=800ms, or p50=0.2s".to_owned();
        let (quantile, time) = text.split_once('=').ok_or_else(how)?;
        let percent = quantile.strip_prefix('p').ok_or_else(how)?;
        let percent: f64 = percent.parse().map_err(|_| how())?;
        let (number, unit) = match time.strip_suffix("ms") {
            Some(number) => (number, 1e-3),
            None => (time.strip_suffix('s').ok_or_else(how)?, 1.0),
        };
        let seconds = number.parse::<f64>().map_err(|_| how())? * unit;
        if !(percent > 0.0 && percent < 100.0) {
            return Err("the quantile has to be between p0 and p100".into());
        }
        if !(seconds > 0.0 && seconds <= LONGEST.as_secs_f64()) {
            let error = "the time has to be more than 0, and a day at most";
            return Err(error.to_owned());
        }
        Ok(Self {
            // So that 99.9 is as near to 0.999 as a number can be.
            quantile: (percent * 1e6).round() / 1e8,
            seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::answer::made_up::MadeUp;

    #[test]
    fn a_target_is_a_quantile_and_a_time() {
        for (text, quantile, seconds) in [
            ("p99=800ms", 0.99, 0.8),
            ("p50=0.2s", 0.5, 0.2),
            ("p99.9=1s", 0.999, 1.0),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target, Target { quantile, seconds }, "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused_with_one_that_is() {
        for text in ["", "800ms", "p99", "99=1s", "p99=800", "px=1s", "p9=xs"] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains("p99=800ms"), "{text}: {error}");
        }
        for text in ["p0=1s", "p100=1s", "p-1=1s", "p50=0s", "p50=-1ms"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        assert!("p50=infs".parse::<Target>().is_err());
        for text in ["p99=86401s", "p99=1e20s"] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains("a day at most"), "{text}: {error}");
        }
        assert!("pNaN=1s".parse::<Target>().is_err());
    }

    #[test]
    fn no_rate_is_asked_for_that_no_clock_or_counter_has() {
        for rate in [1e-9, 100_001.0, 1e18] {
            let error = check_rate(rate).unwrap_err().to_string();
            assert!(error.contains("100000/s at the most"), "{error}");
        }
        for rate in [0.001, 50.0, 100_000.0] {
            assert!(check_rate(rate).is_ok(), "{rate}");
        }
    }

    #[test]
    fn who_works_beside_its_calls_is_able_where_others_are_not() {
        let made_up = MadeUp::of("work = 0.1\ncalls = [{ delay = 0.1 }]", 0.15);
        let mut sweep = made_up.sweep.clone();
        let able = |sweep: &record::Sweep| {
            able(&sweep.models, &made_up.workload(), &sweep.target)
        };
        let told = able(&sweep).unwrap_err().to_string();
        assert!(told.contains("takes 0.200 s"), "{told}");
        sweep.models[3].app = "app-offload".to_owned();
        assert_eq!(able(&sweep).unwrap(), [3]);
        sweep.target.seconds = 0.05;
        let told = able(&sweep).unwrap_err().to_string();
        assert!(told.contains("takes 0.100 s"), "{told}");
    }

    #[test]
    fn without_a_target_it_is_twice_what_calls_in_sequence_take() {
        let target = default_target(&Workload::slides());
        assert_eq!(answer::target(&target), "p99 ≤ 2.5 s");
        let made_up = MadeUp::of("calls = [{ delay = 0 }]", 1.0);
        let target = default_target(&made_up.workload());
        assert_eq!(Ok(target), "p99=1ms".parse());
    }
}
