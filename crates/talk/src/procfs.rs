//! What a server costs, as the kernel tells it in `/proc` (proc(5)).

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};

/// Why a measurement of a family that [is not whole](Family::is_whole) at
/// its end does not hold.
pub(crate) const REPLACED: &str = "a worker was replaced meanwhile";

/// A master and its workers.
pub(crate) struct Family {
    master: u32,
    pub(crate) workers: Vec<u32>,
}

impl Family {
    pub(crate) fn of(master: u32) -> Self {
        Self {
            master,
            workers: children(master),
        }
    }

    /// Whether its workers are the ones that its master has now.
    pub(crate) fn is_whole(&self) -> bool {
        children(self.master) == self.workers
    }

    /// Processor time of all its threads so far; `None` where the kernel
    /// does not tell.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let all = self.workers.iter().chain([&self.master]);
        all.map(|&process| cpu(process)).sum()
    }

    /// The most memory that one worker ever had resident, in bytes.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let all = self.workers.iter();
        all.filter_map(|&worker| peak_memory(worker)).max()
    }

    /// What all workers have resident together, now, in bytes; one that has
    /// just ended has nothing.
    pub(crate) fn memory(&self) -> u64 {
        let each = self.workers.iter().copied();
        each.filter_map(|worker| memory(worker, "VmRSS:")).sum()
    }

    /// The threads and the resident bytes of all workers together, now.
    pub(crate) fn size(&self) -> Option<(usize, u64)> {
        let each = self.workers.iter().map(|&worker| size(worker));
        each.reduce(|all, one| {
            let ((threads, bytes), (more, further)) = (all?, one?);
            Some((threads + more, bytes + further))
        })?
    }

    /// How often its threads that live now left a core so far; `None` where
    /// the kernel does not tell.
    pub(crate) fn switches(&self) -> Option<Switches> {
        let all = self.workers.iter().chain([&self.master]);
        let mut sum = Switches::default();
        for &process in all {
            for task in tasks(process) {
                sum.add(Switches::of(process, task)?);
            }
        }
        Some(sum)
    }

    /// The most threads that a worker has.
    pub(crate) fn threads(&self) -> usize {
        let all = self.workers.iter();
        all.map(|&worker| tasks(worker).len()).max().unwrap_or(0)
    }
}

/// How often threads left a core.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Switches {
    /// To wait.
    pub(crate) voluntary: u64,
    /// Since it was another's turn.
    pub(crate) involuntary: u64,
}

impl Switches {
    fn of(process: u32, thread: u32) -> Option<Self> {
        let file = format!("/proc/{process}/task/{thread}/status");
        let text = fs::read_to_string(file).ok()?;
        let figure = |name| -> Option<u64> {
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix(name))?;
            line.trim().parse().ok()
        };
        Some(Self {
            voluntary: figure("voluntary_ctxt_switches:")?,
            involuntary: figure("nonvoluntary_ctxt_switches:")?,
        })
    }

    fn add(&mut self, other: Self) {
        self.voluntary += other.voluntary;
        self.involuntary += other.involuntary;
    }

    pub(crate) fn since(self, before: Self) -> Self {
        let Self {
            voluntary,
            involuntary,
        } = self;
        Self {
            voluntary: voluntary.saturating_sub(before.voluntary),
            involuntary: involuntary.saturating_sub(before.involuntary),
        }
    }
}

/// A process as it is at one moment.
pub(crate) struct Process {
    /// What is resident, in bytes.
    pub(crate) memory: Option<u64>,
    /// In the order in which they started.
    pub(crate) threads: Vec<Thread>,
    /// The inodes of the sockets that it has open.
    pub(crate) sockets: HashSet<u64>,
}

/// A thread as it is at one moment.
pub(crate) struct Thread {
    pub(crate) tid: u32,
    /// As far as the kernel keeps it: 15 bytes.
    pub(crate) name: String,
    /// Processor time so far.
    pub(crate) cpu: Option<Duration>,
}

impl Process {
    /// Without a thread where it is gone.
    pub(crate) fn of(process: u32) -> Self {
        let threads = tasks(process).into_iter().filter_map(|tid| {
            let file = format!("/proc/{process}/task/{tid}/comm");
            let name = fs::read(file).ok()?;
            Some(Thread {
                tid,
                name: String::from_utf8_lossy(&name).trim_end().to_owned(),
                cpu: thread_cpu(process, tid),
            })
        });
        Self {
            memory: memory(process, "VmRSS:"),
            threads: threads.collect(),
            sockets: sockets(process),
        }
    }
}

/// How many files a process has open.
pub(crate) fn files(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

pub(crate) fn children(process: u32) -> Vec<u32> {
    let file = format!("/proc/{process}/task/{process}/children");
    let text = fs::read_to_string(file).unwrap_or_default();
    let children = text.split_ascii_whitespace();
    children.filter_map(|pid| pid.parse().ok()).collect()
}

/// The threads of a process that live now.
pub(crate) fn tasks(process: u32) -> Vec<u32> {
    let folder = fs::read_dir(format!("/proc/{process}/task"));
    let tasks = folder.into_iter().flatten().flatten();
    tasks
        .filter_map(|task| task.file_name().to_str()?.parse().ok())
        .collect()
}

fn sockets(process: u32) -> HashSet<u64> {
    let folder = fs::read_dir(format!("/proc/{process}/fd"));
    let files = folder.into_iter().flatten().flatten();
    let sockets = files.filter_map(|file| {
        let target = fs::read_link(file.path()).ok()?;
        let inode = target.to_str()?.strip_prefix("socket:[")?;
        inode.strip_suffix(']')?.parse().ok()
    });
    sockets.collect()
}

/// It knows the threads that live only; no model here ends threads while
/// it serves.
pub(crate) fn cpu(process: u32) -> Option<Duration> {
    let tasks = tasks(process);
    if tasks.is_empty() {
        return None;
    }
    let tasks = tasks.into_iter();
    tasks.map(|task| thread_cpu(process, task)).sum()
}

/// What this process has used, its threads that have ended included: the
/// hammer's end with their load.
pub(crate) fn own_cpu() -> Option<Duration> {
    let clock = ClockId::CLOCK_PROCESS_CPUTIME_ID;
    clock_gettime(clock).ok().map(Duration::from)
}

fn thread_cpu(process: u32, thread: u32) -> Option<Duration> {
    Some(schedstat(process, thread)?.0)
}

/// How long its threads ran so far, or waited for a core.
pub(crate) fn busy(process: u32) -> Duration {
    let tasks = tasks(process).into_iter();
    let each = tasks.filter_map(|task| schedstat(process, task));
    each.map(|(ran, waited)| ran + waited).sum()
}

/// How long a thread ran, and how long it waited for a core: in nanoseconds,
/// where stat counts hundredths of a second.
fn schedstat(process: u32, thread: u32) -> Option<(Duration, Duration)> {
    let file = format!("/proc/{process}/task/{thread}/schedstat");
    let text = fs::read_to_string(file).ok()?;
    let mut nanos = text.split_ascii_whitespace().map(str::parse);
    let mut next = || Some(Duration::from_nanos(nanos.next()?.ok()?));
    Some((next()?, next()?))
}

/// Busy time of all cores since boot, whoever used them, time stolen by other
/// guests included. `None` where this process may not use every core.
pub(crate) fn machine(cores: usize) -> Option<Duration> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    worked(&text, cores)
}

fn worked(text: &str, cores: usize) -> Option<Duration> {
    let all = text.lines().filter(|line| line.starts_with("cpu"));
    // The first is the sum of the others.
    if all.count() != cores + 1 {
        return None;
    }
    let mut figures = text.lines().next()?.split_ascii_whitespace().skip(1);
    let mut next = || figures.next()?.parse::<u64>().ok();
    let (user, nice, system) = (next()?, next()?, next()?);
    let (_idle, _waits) = (next()?, next()?);
    let (hard, soft, stolen) = (next()?, next()?, next()?);
    // Hundredths of a second, on every machine that this is built for.
    let ticks = user + nice + system + hard + soft + stolen;
    Some(Duration::from_millis(ticks * 10))
}

/// All that the machine has, in bytes.
pub(crate) fn memory_of_machine() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    kib(&text, "MemTotal:")
}

fn peak_memory(process: u32) -> Option<u64> {
    memory(process, "VmHWM:")
}

fn size(process: u32) -> Option<(usize, u64)> {
    Some((tasks(process).len(), memory(process, "VmRSS:")?))
}

/// A figure of `status`, in bytes.
pub(crate) fn memory(process: u32, figure: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    kib(&text, figure)
}

/// Whether this process ignores a signal.
pub(crate) fn ignores(signal: Signal) -> bool {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or(0) & (1 << (signal as i32 - 1)) != 0
}

/// A figure in units of 1024, in bytes.
fn kib(text: &str, figure: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(figure))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_told_of() {
        let here = std::process::id();
        assert!(cpu(here).is_none_or(|cpu| !cpu.is_zero()));
        assert!(peak_memory(here).unwrap() > 100_000);
        assert!(!tasks(here).is_empty());
        let process = Process::of(here);
        assert!(process.memory <= peak_memory(here), "resident now and ever");
        // A test has a thread of its own, which has its name.
        let test = std::thread::current();
        let test = &test.name().unwrap().as_bytes()[..15];
        let mut names = process.threads.iter().map(|t| t.name.as_bytes());
        assert!(names.any(|name| test.starts_with(name)));
        let _socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!Process::of(here).sockets.is_empty());
        let (threads, bytes) = size(here).unwrap();
        assert!(threads >= 1 && bytes > 100_000);
        assert!(memory_of_machine() > Some(bytes));
    }

    #[test]
    fn what_a_thread_used_that_has_ended_is_not_forgotten() {
        let worked = Duration::from_millis(30);
        let work = move || {
            let so_far = || {
                let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
                clock_gettime(clock).map(Duration::from).unwrap()
            };
            while so_far() < worked {}
        };
        let before = own_cpu().unwrap();
        std::thread::spawn(work).join().unwrap();
        let used = own_cpu().unwrap() - before;
        assert!(used >= worked, "{used:?}");
    }

    #[test]
    fn a_machine_works_for_whom_ever() {
        let text = "cpu  10 1 5 900 50 2 3 4 0 0\n\
                    cpu0 5 1 2 450 25 1 1 2 0 0\n\
                    cpu1 5 0 3 450 25 1 2 2 0 0\n\
                    intr 12345\n";
        assert_eq!(worked(text, 2), Some(Duration::from_millis(250)));
        assert_eq!(worked(text, 1), None, "one of two cores may be used");
        assert_eq!(worked("", 1), None);
    }

    #[test]
    fn who_sleeps_leaves_the_core_and_is_not_busy() {
        let here = std::process::id();
        let thread = nix::unistd::gettid().as_raw().unsigned_abs();
        let switches = || Switches::of(here, thread).unwrap();
        let before = switches();
        std::thread::sleep(Duration::from_millis(1));
        let since = switches().since(before);
        assert!(since.voluntary >= 1, "{since:?}");
        let (ran, waited) = schedstat(here, thread).unwrap();
        assert!(busy(here) >= ran + waited);
    }

    #[test]
    fn a_process_that_is_gone_costs_nothing() {
        // No process has pid 0.
        let gone = Family::of(0);
        assert!(gone.workers.is_empty());
        assert_eq!((gone.peak_memory(), gone.threads()), (None, 0));
        assert_eq!(gone.size(), None);
        let gone = Process::of(0);
        assert!(gone.memory.is_none() && gone.threads.is_empty());
    }
}
