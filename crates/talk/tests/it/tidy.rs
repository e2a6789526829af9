//! Keeps what the project promises to its readers: that the apps can be read
//! side by side, that documents point to the line, that deployments are the
//! catalogue's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use toml::{Table, Value};

use crate::server::{ALL, root};

#[track_caller]
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

/// The apps that there are, as `sync` for crates/app-sync.
fn apps() -> Vec<String> {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let names = crates.map(|entry| entry.unwrap().file_name());
    let apps: Vec<_> = names
        .filter_map(|name| {
            Some(name.to_str()?.strip_prefix("app-")?.to_owned())
        })
        .collect();
    assert!(apps.len() >= 5, "{apps:?}");
    apps
}

fn main_of(app: &str) -> String {
    read(&format!("crates/app-{app}/src/main.rs"))
}

#[track_caller]
fn table(path: &str) -> Table {
    read(path)
        .parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files that git knows, or would if they were added.
fn files() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is there");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.is_empty(), "git knows no file");
    text.lines().map(str::to_owned).collect()
}

/// The name of the function that a line begins, where it does.
fn function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("async ").unwrap_or(line);
    let rest = rest.strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

#[test]
fn an_app_is_main_serve_application_and_long_network_call() {
    let expected = ["main", "serve", "application", "long_network_call"];
    for app in &apps() {
        let text = main_of(app);
        let functions: Vec<_> = text.lines().filter_map(function).collect();
        assert_eq!(functions, expected, "app-{app}");
        let lines = text.lines().count();
        assert!(lines <= 100, "app-{app} has {lines} lines");
    }
}

#[test]
fn what_is_alike_in_the_apps_is_worded_alike() {
    for app in &apps() {
        let text = main_of(app);
        let lines: Vec<_> = text.lines().collect();
        for (name, comment) in [
            ("serve", "/// A worker serves "),
            ("application", "/// One request: its calls, "),
            ("long_network_call", "/// One call, which "),
        ] {
            let at = lines.iter().position(|l| function(l) == Some(name));
            let above = lines[at.unwrap() - 1];
            assert!(
                above.starts_with(comment),
                "{name} of app-{app} is told of as {above:?}"
            );
        }
        for (what, times) in [
            ("harness::run(\"app-", 1),
            ("let start = Instant::now();", 1),
            ("let seconds = start.elapsed().as_secs_f64();", 1),
            ("plan.work();", 1),
            ("plan.steps()", 1),
            ("lasted {seconds:.3} seconds with ", 1),
            ("call.start();", 1),
            ("let answer = client.get(call.uri());", 1),
            ("call.end(", 1),
        ] {
            let count = text.matches(what).count();
            assert_eq!(count, times, "{what:?} in app-{app}");
        }
    }
}

#[test]
fn an_app_says_its_slides_its_deployments_and_what_to_read_next() {
    for app in &apps() {
        let text = main_of(app);
        let comment = text.lines().take_while(|line| line.starts_with("//!"));
        let comment = comment.collect::<Vec<_>>().join(" ");
        for part in [["Slides: ", "Slide: "], ["Deployments: ", "Deployment: "]]
        {
            assert!(
                part.iter().any(|part| comment.contains(part)),
                "app-{app} has no {part:?}"
            );
        }
        assert!(comment.contains("Read next: "), "app-{app}: read next?");
        for deployment in deployments_of(app) {
            let port = deployment["port"].as_integer().unwrap();
            let name = deployment["name"].as_str().unwrap();
            // A second file of the app tells of its own.
            let folder = format!("crates/app-{app}/src");
            let told = files().iter().any(|file| {
                file.starts_with(&folder) && {
                    let text = read(file).replace("\n//! ", " ");
                    text.contains(&format!("{name} (:{port})"))
                }
            });
            assert!(told, "app-{app} does not tell of {name} (:{port})");
        }
    }
}

/// What the catalogue has for an app.
fn deployments_of(app: &str) -> Vec<Table> {
    let app = format!("app-{app}");
    let all = table("talk.toml")["deployment"].as_array().unwrap().clone();
    let all = all.into_iter().map(|value| match value {
        Value::Table(table) => table,
        other => panic!("no table: {other}"),
    });
    all.filter(|deployment| deployment["app"].as_str() == Some(&app))
        .collect()
}

#[test]
fn deployment_files_are_the_catalogues() {
    for app in &apps() {
        let folder = format!("crates/app-{app}/");
        let in_folder: BTreeSet<_> = files()
            .into_iter()
            .filter_map(|file| {
                let name = file.strip_prefix(&folder)?.strip_suffix(".toml")?;
                (name != "Cargo" && !name.contains('/'))
                    .then(|| name.to_owned())
            })
            .collect();
        let deployments = deployments_of(app);
        let in_catalogue: BTreeSet<_> = deployments
            .iter()
            .map(|d| d["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(in_folder, in_catalogue, "deployments of app-{app}");
        for deployment in deployments {
            let name = deployment["name"].as_str().unwrap();
            let is_tried = ALL.iter().any(|tried| tried.name == name);
            assert!(is_tried, "{name} is not in the tests' list of ALL");
            let path = format!("{folder}{name}.toml");
            let file = table(&path);
            let one = Value::Integer(1);
            let port = &deployment["port"];
            assert_eq!(
                file["http"].as_str(),
                Some(&*format!(":{port}")),
                "{path}"
            );
            assert_eq!(
                file.get("processes").unwrap_or(&one),
                &deployment["processes"],
                "processes of {path}"
            );
            let coroutines = deployment.get("coroutines");
            assert_eq!(file.get("coroutines"), coroutines, "{path}");
            if coroutines.is_none() {
                assert_eq!(
                    file.get("threads").unwrap_or(&one),
                    &deployment["threads"],
                    "threads of {path}"
                );
            }
            if app == "async" {
                let limit = match deployment.contains_key("unlimited") {
                    true => None,
                    false => Some(&one),
                };
                assert_eq!(file.get("in_flight"), limit, "{path}");
            }
        }
    }
}

/// A link of a document, and where it stands.
struct Link {
    document: String,
    label: String,
    path: String,
    line: Option<usize>,
    /// As forges make it of a heading.
    heading: Option<String>,
}

fn links() -> Vec<Link> {
    let mut links = Vec::new();
    for document in files() {
        if !document.ends_with(".md") {
            continue;
        }
        let text = read(&document);
        let mut rest = &*text;
        while let Some(at) = rest.find("](") {
            let (before, after) = rest.split_at(at);
            let label = before.rsplit('[').next().unwrap();
            let target = after[2..].split(')').next().unwrap();
            rest = &after[2..];
            if target.starts_with("http") || target.starts_with('#') {
                continue;
            }
            let (path, place) = match target.split_once('#') {
                Some((path, place)) => (path, Some(place)),
                None => (target, None),
            };
            let number = place.and_then(|place| place.strip_prefix('L'));
            let line = number.and_then(|number| number.parse().ok());
            let heading = place.filter(|_| line.is_none());
            links.push(Link {
                document: document.clone(),
                label: label.trim_matches('`').to_owned(),
                path: path.to_owned(),
                line,
                heading: heading.map(str::to_owned),
            });
        }
    }
    links
}

#[test]
fn documents_point_to_the_line() {
    let links = links();
    assert!(links.iter().filter(|link| link.line.is_some()).count() > 30);
    for Link {
        document,
        label,
        path,
        line,
        heading,
    } in links
    {
        let folder = Path::new(&document).parent().unwrap();
        let file = root().join(folder).join(&path);
        assert!(file.exists(), "{document} points to {path}: nothing there");
        if let Some(heading) = heading {
            let text = fs::read_to_string(&file).unwrap().to_lowercase();
            let headings = text.lines().filter_map(|line| {
                line.strip_prefix('#')?
                    .trim_start_matches('#')
                    .strip_prefix(' ')
            });
            let mut headings = headings.map(|text| text.replace(' ', "-"));
            assert!(
                headings.any(|known| known == heading),
                "{document} points to {path}#{heading}: no such heading"
            );
        }
        let Some(line) = line else { continue };
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = text.lines().collect();
        // A name is to be defined there, anything else to stand there.
        let stands = |text: &str| match path.ends_with(".rs") {
            false => text.contains(&label),
            true => ["fn", "struct", "enum", "const"].iter().any(|kind| {
                let defined = format!("{kind} {label}");
                text.split_once(&defined).is_some_and(|(_, rest)| {
                    !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
                })
            }),
        };
        let right = lines.get(line - 1).is_some_and(|text| stands(text));
        if !right {
            let at = lines.iter().position(|text| stands(text));
            panic!(
                "{document}: {label} is not in line {line} of {path}, but {}",
                at.map_or("nowhere".into(), |at| format!("in {}", at + 1))
            );
        }
    }
}

#[test]
fn documents_name_files_that_are_there() {
    let files = files();
    let mut named = 0;
    for document in files.iter().filter(|file| file.ends_with(".md")) {
        for name in read(document).split('`').skip(1).step_by(2) {
            let is_file =
                [".rs", ".toml"].iter().any(|kind| name.ends_with(kind));
            if is_file && !name.contains([' ', '{', '*']) {
                let end = format!("/{name}");
                let is_it =
                    |file: &String| file == name || file.ends_with(&end);
                assert!(files.iter().any(is_it), "{document}: no {name}");
                named += 1;
            }
        }
    }
    assert!(named > 30, "{named}");
}

#[test]
fn every_unsafe_file_is_named_where_unsafe_is_denied() {
    let document = read("docs/architecture.md");
    let promise = document
        .split("\n- ")
        .find(|item| item.starts_with("**`unsafe` is denied**"))
        .expect("the architecture says where it is allowed");
    // Spelled so that this file is none of them.
    let allowed = concat!("allow(unsafe", "_code)");
    let mut files = files();
    files.retain(|file| file.contains("/src/") && file.ends_with(".rs"));
    files.retain(|file| read(file).contains(allowed));
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        let mut ends = file.match_indices('/').map(|(at, _)| &file[at + 1..]);
        let is_named = ends.any(|end| promise.contains(&format!("`{end}`")));
        assert!(is_named, "{file} is not named in:\n{promise}");
    }
}

#[test]
fn a_list_of_rooms_has_them_all() {
    for (file, as_named) in [
        ("crates/harness/src/lib.rs", ["`NAME`", "[`NAME`]"]),
        ("crates/harness/src/master.rs", ["NAME.rs:", "NAME.rs,"]),
    ] {
        let text = read(file);
        let is_list = |line: &&str| line.starts_with("//!");
        let list: String = text.lines().take_while(is_list).collect();
        let rooms = text.lines().filter_map(|line| {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            line.strip_prefix("mod ")?.strip_suffix(';')
        });
        let rooms: Vec<_> = rooms.collect();
        assert!(rooms.len() > 5, "{file}: {rooms:?}");
        for room in rooms {
            let is_there = as_named
                .iter()
                .any(|named| list.contains(&named.replace("NAME", room)));
            assert!(is_there, "{file} does not tell of {room}");
        }
    }
}

#[test]
fn every_deployment_and_app_has_a_recipe() {
    let justfile = read("justfile");
    let recipes: BTreeSet<_> = justfile
        .lines()
        .filter(|line| line.ends_with(':') && !line.starts_with(' '))
        .filter_map(|line| line.split([' ', ':']).next())
        .collect();
    for app in &apps() {
        let name = format!("app-{app}");
        assert!(recipes.contains(&*name), "no recipe {name}");
        for deployment in deployments_of(app) {
            let name = deployment["name"].as_str().unwrap();
            assert!(recipes.contains(name), "no recipe {name}");
        }
    }
}

#[test]
fn dependencies_go_one_way() {
    for (krate, forbidden) in [
        ("harness", &["tokio", "may", "rayon", "hammer", "talk"][..]),
        ("hammer", &["tokio", "harness", "talk"]),
        ("talk", &["harness"]),
        ("workload", &["tokio", "harness", "hammer", "talk"]),
        ("caveats", &["hammer", "talk"]),
        ("app-coroutine", &["tokio", "reqwest", "rayon"]),
        ("app-sync", &["tokio", "reqwest", "rayon", "may"]),
        ("app-threaded", &["tokio", "reqwest", "may"]),
    ] {
        let manifest = table(&format!("crates/{krate}/Cargo.toml"));
        let dependencies = manifest["dependencies"].as_table().unwrap();
        for name in dependencies.keys() {
            assert!(!name.starts_with("app-"), "{krate} depends on {name}");
            assert!(!forbidden.contains(&&**name), "{krate} depends on {name}");
        }
    }
}

#[test]
fn nothing_is_left_lying_about() {
    // Spelled so that this file is not one that has them.
    let leftovers = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
    ];
    for file in files() {
        let Ok(text) = fs::read_to_string(root().join(&file)) else {
            continue;
        };
        for leftover in leftovers {
            assert!(!text.contains(leftover), "{leftover} in {file}");
        }
    }
}

#[test]
fn the_versions_that_are_named_agree() {
    let manifest = table("Cargo.toml");
    let version = manifest["workspace"]["package"]["rust-version"].as_str();
    let readme = read("README.md");
    let named = format!("({} or later)", version.unwrap());
    assert!(readme.contains(&named), "README does not say {named}");
}
