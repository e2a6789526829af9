use super::*;

fn load(text: &str) -> Result<Deployment, String> {
    load_with(text, Keys::default())
}

fn load_with(text: &str, flags: Keys) -> Result<Deployment, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.toml");
    fs::write(&path, text).unwrap();
    let own = ["threads", "heavy"];
    Deployment::load("app-test", &own, Some(&path), flags).map_err(|e| {
        let message = e.to_string();
        let (_, message) = message.split_once("test.toml:").unwrap();
        message.to_owned()
    })
}

#[test]
fn an_empty_file_is_the_slides_basic_deployment() {
    let deployment = load("").unwrap();
    assert_eq!(deployment.http, "127.0.0.1:5000".parse().unwrap());
    assert_eq!(deployment.processes, 1);
    let eighths = Calls::Durations(vec![0.125, 0.25, 0.375, 0.5]);
    assert_eq!(deployment.calls, eighths);
    assert_eq!(deployment.timeout, Duration::from_secs(5));
    assert_eq!(deployment.in_flight, None);
}

#[test]
fn keys_are_read_and_flags_override_them() {
    let text = "http = \"0.0.0.0:5001\"\nprocesses = \"cores\"\n\
                threads = 2\ncalls = [0, 0.5]\ntimeout = 2.5\n";
    let flags = Keys {
        timeout: Some("1".parse().unwrap()),
        ..Keys::default()
    };
    let deployment = load_with(text, flags).unwrap();
    assert_eq!(deployment.http, "0.0.0.0:5001".parse().unwrap());
    assert_eq!(deployment.processes, cores());
    assert_eq!(deployment.threads, 2);
    assert_eq!(deployment.calls, Calls::Durations(vec![0.0, 0.5]));
    assert_eq!(deployment.timeout, Duration::from_secs(1));
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_key() {
    let cases = [
        ("http = \":1\"\nproceses = 4", "2: unknown field `proceses`"),
        ("processes = 0", "1: processes: `0` workers cannot serve"),
        ("processes = 1001", "1: processes: `1001` workers cannot"),
        ("\n\nthreads = 0", "3: threads: `0` is no count; give 1 to"),
        ("threads = 1000001", "1: threads: `1000001` is no count"),
        ("threads = 1.5", "1: threads: `1.5` is no count"),
        ("http = \"5001\"", "1: http: `5001` is no address"),
        ("timeout = 0", "1: timeout: `0` is no time limit"),
        ("timeout = -1.5", "1: timeout: `-1.5` is no time limit"),
        ("calls = [0.1, nan]", "1: calls: `NaN` is no delay"),
        (
            "calls = [1]\nworkload = \"shop.toml\"",
            "2: workload: calls are there too; give one of the two",
        ),
        ("workload = 3", "1: workload: invalid type: integer `3`"),
        ("harakiri = 0", "1: harakiri: `0` is no time limit"),
        (
            "heartbeat = 2.5",
            "1: heartbeat: `2.5` is too short to tell",
        ),
        ("max_requests = 0", "1: max_requests: invalid value"),
        ("shed_above = -1", "1: shed_above: invalid value"),
        ("listen = 0", "1: listen: `0` is no length"),
        ("backend = \"7001\"", "1: backend: `7001` is no backend"),
        ("lazy_apps = 1", "1: lazy_apps: invalid type: integer `1`"),
        (
            "listen = 5\ncoroutines = 50",
            "2: coroutines: app-test has no",
        ),
        (
            "listen = 5\n\"coroutines\" = 50",
            "2: coroutines: app-test has no",
        ),
        ("\n'listen' = 0", "2: listen: `0` is no length"),
        (
            "processes = 2\nprocesses = 3",
            "2: processes: duplicate key",
        ),
        ("processes", "1: "),
    ];
    for (text, expected) in cases {
        let error = load(text).unwrap_err();
        assert!(error.starts_with(expected), "{text:?} gave {error:?}");
        assert!(!error.contains('\n'), "{text:?} gave {error:?}");
    }
}

#[test]
fn a_workload_is_named_as_seen_from_its_deployment() {
    let parse = |text, flags| {
        let path = Path::new("shop/app.toml");
        Deployment::parse("app-test", &["heavy"], path, text, flags).unwrap()
    };
    let named = |file| Calls::Workload(PathBuf::from(file));
    let text = "workload = \"load.toml\"";
    let deployment = parse(text, Keys::default());
    assert_eq!(deployment.calls, named("shop/load.toml"));
    assert_eq!(deployment.heavy, Duration::ZERO);
    let flags = Keys {
        workload: Some("load.toml".into()),
        heavy: Some("0.5".parse().unwrap()),
        ..Keys::default()
    };
    let deployment = parse("calls = [1]", flags);
    assert_eq!(deployment.calls, named("load.toml"));
    assert_eq!(deployment.heavy, Duration::from_millis(500));
    let flags = Keys {
        calls: Some(vec!["2".parse().unwrap()]),
        ..Keys::default()
    };
    let deployment = parse(text, flags);
    assert_eq!(deployment.calls, Calls::Durations(vec![2.0]));
    assert_eq!(deployment.heavy, Duration::from_secs(1));
}

#[test]
fn a_flag_of_another_app_is_refused() {
    let flags = Keys {
        pool_per_core: Some(Count(5)),
        ..Keys::default()
    };
    let error = Deployment::load("app-test", &[], None, flags);
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "--pool-per-core: app-test has no use for it");
}

#[test]
fn a_request_without_calls_is_refused() {
    let path = Path::new("calls.toml");
    let keys = Keys::parse(path, "calls = []").unwrap();
    let error = Deployment::load("app-test", &[], None, keys);
    assert!(matches!(error, Err(DeploymentError::NoCalls)));
}
