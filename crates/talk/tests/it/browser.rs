//! A real browser, where there is one, driven by its DevTools protocol.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use headless_chrome::browser::tab::Tab;
use headless_chrome::protocol::cdp::Emulation::{
    MediaFeature, SetDeviceMetricsOverride, SetEmulatedMedia,
};
use headless_chrome::protocol::cdp::Page::CaptureScreenshotFormatOption;
use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::{Browser, LaunchOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::server::{PATIENCE, wait_until};

/// A page in a browser of its own, and all that went wrong on it.
pub(crate) struct Page {
    tab: Arc<Tab>,
    wrongs: Arc<Mutex<Vec<String>>>,
    _browser: Browser,
    _profile: TempDir,
}

/// The browser that is installed.
fn installed() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&folders).collect();
    ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

impl Page {
    /// Opens a page; `None`, and said aloud, where there is no browser.
    #[track_caller]
    pub(crate) fn open(url: &str) -> Option<Self> {
        let Some(path) = installed() else {
            eprintln!("skipped: no chromium is installed");
            return None;
        };
        let profile = TempDir::new().unwrap();
        let flags = [
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
        ];
        let options = LaunchOptions {
            path: Some(path),
            sandbox: false,
            enable_gpu: false,
            window_size: Some((1280, 900)),
            user_data_dir: Some(profile.path().to_owned()),
            idle_browser_timeout: PATIENCE,
            args: flags.map(OsStr::new).to_vec(),
            ..LaunchOptions::default()
        };
        let browser = Browser::new(options).unwrap();
        let tab = browser.new_tab().unwrap();
        tab.set_default_timeout(PATIENCE);
        let wrongs = Arc::new(Mutex::new(Vec::new()));
        let heard = wrongs.clone();
        let listen = move |event: &Event| {
            let wrong = match event {
                Event::LogEntryAdded(entry) => {
                    let entry = &entry.params.entry;
                    format!("{:?}: {}", entry.level, entry.text)
                }
                Event::RuntimeExceptionThrown(thrown) => {
                    format!("{:?}", thrown.params.exception_details)
                }
                Event::RuntimeConsoleAPICalled(call) => {
                    format!("console: {:?}", call.params.args)
                }
                _ => return,
            };
            heard.lock().unwrap().push(wrong);
        };
        tab.add_event_listener(Arc::new(listen)).unwrap();
        tab.enable_log().unwrap().enable_runtime().unwrap();
        tab.navigate_to(url).unwrap();
        tab.wait_until_navigated().unwrap();
        Some(Self {
            tab,
            wrongs,
            _browser: browser,
            _profile: profile,
        })
    }

    #[track_caller]
    pub(crate) fn open_file(path: &Path) -> Option<Self> {
        Self::open(&format!("file://{}", path.display()))
    }

    /// What an expression comes to.
    #[track_caller]
    pub(crate) fn value(&self, expression: &str) -> Value {
        let result = self.tab.evaluate(expression, true);
        let result = result.unwrap_or_else(|e| panic!("{expression}: {e}"));
        result.value.unwrap_or(Value::Null)
    }

    #[track_caller]
    pub(crate) fn text(&self, expression: &str) -> String {
        let value = self.value(expression);
        let text = value.as_str();
        text.unwrap_or_else(|| panic!("{expression} is {value}"))
            .to_owned()
    }

    #[track_caller]
    pub(crate) fn number(&self, expression: &str) -> f64 {
        let value = self.value(expression);
        value
            .as_f64()
            .unwrap_or_else(|| panic!("{expression} is {value}"))
    }

    /// Clicks with a pointer, as a user does.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let element = self.tab.wait_for_element(selector).unwrap();
        element.click().unwrap();
    }

    /// Moves the pointer over an element.
    #[track_caller]
    pub(crate) fn hover(&self, selector: &str) {
        let element = self.tab.wait_for_element(selector).unwrap();
        element.move_mouse_over().unwrap();
    }

    #[track_caller]
    pub(crate) fn press(&self, key: &str) {
        self.tab.press_key(key).unwrap();
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, condition: &str) {
        wait_until(condition, || self.value(condition) == Value::Bool(true));
    }

    /// As on a screen of this width, light or dark.
    pub(crate) fn look(&self, width: u32, scheme: &str) {
        self.screen(width, 900);
        let feature = MediaFeature {
            name: "prefers-color-scheme".to_owned(),
            value: scheme.to_owned(),
        };
        let media = SetEmulatedMedia {
            media: None,
            features: Some(vec![feature]),
        };
        self.tab.call_method(media).unwrap();
    }

    /// As in print.
    pub(crate) fn on_paper(&self) {
        let media = SetEmulatedMedia {
            media: Some("print".to_owned()),
            features: None,
        };
        self.tab.call_method(media).unwrap();
    }

    fn screen(&self, width: u32, height: u32) {
        let metrics = SetDeviceMetricsOverride {
            width,
            height,
            device_scale_factor: 1.0,
            mobile: width < 500,
            scale: None,
            screen_width: None,
            screen_height: None,
            position_x: None,
            position_y: None,
            dont_set_visible_size: None,
            screen_orientation: None,
            viewport: None,
            display_feature: None,
            device_posture: None,
        };
        self.tab.call_method(metrics).unwrap();
    }

    /// Keeps a picture of the whole page, where TALK_SCREENSHOTS names a
    /// folder for those who want to look.
    pub(crate) fn keep(&self, name: &str) {
        let Some(folder) = std::env::var_os("TALK_SCREENSHOTS") else {
            return;
        };
        let width = self.number("innerWidth") as u32;
        let height = self.number("document.documentElement.scrollHeight");
        self.screen(width, height as u32);
        let format = CaptureScreenshotFormatOption::Png;
        let picture = self.tab.capture_screenshot(format, None, None, true);
        let path = Path::new(&folder).join(format!("{name}.png"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(path, picture.unwrap()).unwrap();
        self.screen(width, 900);
    }

    /// Fails where anything was said on the console, or went wrong.
    #[track_caller]
    pub(crate) fn nothing_went_wrong(&self) {
        let wrongs = self.wrongs.lock().unwrap();
        assert!(wrongs.is_empty(), "{wrongs:#?}");
    }
}
