"use strict";
// Sorts tables, zooms timelines, tells what is under the pointer, shows one
// curve alone, and switches the code. Without it the page reads the same.
(() => {
  const all = (what, where = document) => [...where.querySelectorAll(what)];
  const one = (what, where = document) => where.querySelector(what);

  // Tables.
  for (const table of all("table.sortable")) {
    const heads = all("thead th", table);
    const body = one("tbody", table);
    const first = all("tr", body);
    const value = (row, at) => {
      const cell = row.cells[at];
      const data = cell.dataset.v;
      if (data !== undefined) return Number(data);
      return cell.classList.contains("number") ? NaN : cell.textContent;
    };
    const compare = (a, b) => {
      if (typeof a === "string" && typeof b === "string") {
        return a.localeCompare(b);
      }
      return a - b;
    };
    heads.forEach((head, at) => {
      one("button", head).addEventListener("click", () => {
        const was = head.getAttribute("aria-sort");
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        // A third press brings back the catalogue's order.
        if (was === "descending") return body.append(...first);
        const order = was === "ascending" ? "descending" : "ascending";
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const missing = (v) => Number.isNaN(v);
        const rows = [...first].sort((x, y) => {
          const [a, b] = [value(x, at), value(y, at)];
          // What has no value is last, whichever way.
          if (missing(a) || missing(b)) return missing(a) - missing(b);
          return sign * compare(a, b);
        });
        body.append(...rows);
      });
    });
  }

  // Timelines: all show the same window.
  const lanes = one("#lanes");
  const tip = one("#tip");
  if (lanes) {
    const whole = Number(lanes.dataset.length) / 1000;
    const shortest = 0.05;
    let [from, to] = [0, whole];
    const step = (length) => {
      const rough = length / 6;
      const decade = 10 ** Math.floor(Math.log10(rough));
      return [1, 2, 5, 10].map((n) => n * decade).find((n) => n >= rough);
    };
    // Decimals of seconds that tell moments apart that lie so many ms apart.
    const digits = (by) => Math.max(0, 3 - Math.floor(Math.log10(by)));
    const show = (a, b) => {
      const length = Math.min(Math.max(b - a, shortest), whole);
      from = Math.min(Math.max(a, 0), whole - length);
      to = from + length;
      for (const svg of all(".lane svg", lanes)) {
        const box = svg.viewBox.baseVal;
        box.x = from;
        box.width = length;
      }
      const by = step(length);
      for (const axis of all(".axis", lanes)) {
        axis.replaceChildren();
        for (let at = Math.ceil(from / by) * by; at <= to; at += by) {
          const tick = document.createElement("span");
          const share = (at - from) / length;
          tick.style.left = `${share * 100}%`;
          tick.classList.toggle("late", share > 0.9);
          tick.textContent = `${Number((at / 1000).toFixed(digits(by)))} s`;
          axis.append(tick);
        }
      }
      const [begin, end] = [from, to].map((ms) =>
        (ms / 1000).toFixed(Math.max(3, digits(by))));
      one("#window").textContent = `${begin} – ${end} s`;
      tip.hidden = true;
    };
    const zoom = (by, around = (from + to) / 2) => {
      const share = (around - from) / (to - from);
      const length = Math.min((to - from) * by, whole);
      show(around - share * length, around - share * length + length);
    };
    const pan = (by) => {
      const shift = (to - from) * by;
      show(from + shift, to + shift);
    };
    const deeds = {
      in: () => zoom(0.5),
      out: () => zoom(2),
      left: () => pan(-0.25),
      right: () => pan(0.25),
      short: () => show(0, 2500),
      all: () => show(0, whole),
    };
    for (const button of all("[data-zoom]")) {
      button.addEventListener("click", () => deeds[button.dataset.zoom]());
    }

    const on = (rect, x, y) => {
      one("rect[data-on]", lanes)?.removeAttribute("data-on");
      if (!rect) {
        tip.hidden = true;
        return;
      }
      rect.dataset.on = "";
      const who = one(".who", rect.closest(".lane")).textContent;
      tip.textContent = `${rect.dataset.t}. ${who}`;
      tip.hidden = false;
      const { width, height } = tip.getBoundingClientRect();
      tip.style.left =
        `${Math.max(8, Math.min(x + 12, innerWidth - width - 8))}px`;
      tip.style.top = `${y + 16 + height > innerHeight ? y - height - 8 : y + 16}px`;
    };
    const moment = (plot, x) => {
      const box = one("svg", plot).getBoundingClientRect();
      return from + ((x - box.left) / box.width) * (to - from);
    };
    const through = (plot, by) => {
      const rects = all("rect", plot);
      const at = rects.indexOf(one("rect[data-on]", plot));
      const next = rects[Math.min(Math.max(at + by, 0), rects.length - 1)];
      const begin = Number(next.getAttribute("x"));
      const end = begin + Number(next.getAttribute("width"));
      if (end < from || begin > to) {
        const half = (to - from) / 2;
        show(begin - half, begin + half);
      }
      const box = next.getBoundingClientRect();
      on(next, Math.max(box.left, 8), box.bottom);
    };
    for (const plot of all(".plot", lanes)) {
      let begun = null;
      let brush = null;
      plot.addEventListener("pointermove", (event) => {
        if (begun === null) {
          const rect = event.target.closest("rect[data-t]");
          return on(rect, event.clientX, event.clientY);
        }
        const box = plot.getBoundingClientRect();
        const [a, b] = [begun, event.clientX].sort((x, y) => x - y);
        if (!brush) {
          brush = document.createElement("div");
          brush.className = "brush";
          plot.append(brush);
        }
        brush.style.left = `${a - box.left}px`;
        brush.style.width = `${b - a}px`;
      });
      plot.addEventListener("pointerleave", () => on(null));
      plot.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || event.pointerType === "touch") return;
        begun = event.clientX;
        plot.setPointerCapture(event.pointerId);
      });
      plot.addEventListener("pointerup", (event) => {
        if (begun === null) return;
        const [a, b] = [begun, event.clientX].sort((x, y) => x - y);
        begun = null;
        brush?.remove();
        brush = null;
        if (b - a > 5) show(moment(plot, a), moment(plot, b));
      });
      plot.addEventListener("pointercancel", () => {
        begun = null;
        brush?.remove();
        brush = null;
      });
      // A plain wheel scrolls the page.
      plot.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        zoom(event.deltaY > 0 ? 1.25 : 0.8, moment(plot, event.clientX));
      }, { passive: false });
      plot.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const deed = {
          "+": deeds.in, "=": deeds.in, "-": deeds.out, "−": deeds.out,
          "0": deeds.all, ArrowLeft: deeds.left, ArrowRight: deeds.right,
          ArrowDown: () => through(plot, 1),
          ArrowUp: () => through(plot, -1),
          Escape: () => on(null),
        }[event.key];
        if (!deed) return;
        event.preventDefault();
        deed();
      });
      plot.addEventListener("blur", () => on(null));
    }
  }

  // Curves.
  for (const figure of all(".curves")) {
    const buttons = all(".legend button", figure);
    const highlight = (name) => {
      figure.classList.toggle("alone", name !== undefined);
      for (const curve of all(".curve", figure)) {
        const owner = curve.dataset.curve
          ?? curve.closest("button")?.dataset.curve;
        curve.toggleAttribute("data-on", owner === name);
      }
    };
    const pressed = () =>
      buttons.find((b) => b.getAttribute("aria-pressed") === "true");
    for (const button of buttons) {
      const name = button.dataset.curve;
      button.addEventListener("pointerenter", () => highlight(name));
      button.addEventListener("pointerleave", () =>
        highlight(pressed()?.dataset.curve));
      button.addEventListener("click", () => {
        const was = button.getAttribute("aria-pressed") === "true";
        buttons.forEach((b) => b.setAttribute("aria-pressed", "false"));
        button.setAttribute("aria-pressed", String(!was));
        highlight(was ? undefined : name);
      });
    }
  }

  // Code.
  const [left, right] = [one("#left"), one("#right")];
  if (left && right) {
    const choose = () => {
      const [a, b] = [Number(left.value), Number(right.value)];
      const wanted = `${Math.min(a, b)}-${Math.max(a, b)}`;
      for (const pair of all(".pair")) {
        pair.hidden = pair.dataset.pair !== wanted;
        pair.classList.toggle("turned", a > b);
      }
      one("#same").hidden = a !== b;
    };
    left.addEventListener("change", choose);
    right.addEventListener("change", choose);
    // A browser may remember another choice than the page's.
    choose();
  }
})();
