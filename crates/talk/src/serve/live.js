"use strict";
// Draws what the deployments record, as it comes.
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const one = (what, where = document) => where.querySelector(what);
  const all = (what, where = document) => [...where.querySelectorAll(what)];
  const line = one("#line");
  const tip = one("#tip");
  const figures = new Map();
  let span = 30000;
  // What is to be added to the server's clock to have ours.
  let offset = Infinity;
  const now = () => performance.now() - offset;
  // The moment that is shown, where the page does not go on with time.
  let held = null;
  // Whether something was not drawn, since nobody could see it.
  let missed = false;
  let pointer = null;

  class Lane {
    constructor(figure, id, [worker, pid, tid, name]) {
      this.rows = [];
      this.gone = false;
      this.node = document.createElement("div");
      this.node.className = "lane";
      const who = document.createElement("span");
      who.className = "who";
      const label = document.createElement("b");
      label.textContent = name;
      who.append(label, ` pid ${pid}, thread ${tid}`);
      this.svg = document.createElementNS(NS, "svg");
      this.svg.setAttribute("preserveAspectRatio", "none");
      this.svg.setAttribute("aria-hidden", "true");
      this.node.append(who, this.svg);
      const rank = name.includes("core") ? 0 : 1;
      this.key = `${worker} ${pid} ${rank} ${name}`;
      const plot = one(".plot", figure.node);
      const after = [...figure.lanes.values()].filter((other) =>
        other.key.localeCompare(this.key, undefined, { numeric: true }) > 0);
      after.sort((a, b) =>
        a.key.localeCompare(b.key, undefined, { numeric: true }));
      plot.insertBefore(this.node, after[0]?.node ?? null);
    }

    take() {
      const free = this.rows.indexOf(false);
      const row = free < 0 ? this.rows.length : free;
      this.rows[row] = true;
      return row;
    }

    rect(kind, x, y, height, text) {
      const rect = document.createElementNS(NS, "rect");
      rect.setAttribute("class", kind);
      rect.setAttribute("x", x);
      rect.setAttribute("y", y);
      rect.setAttribute("height", height);
      rect.dataset.t = text;
      this.svg.append(rect);
      return rect;
    }

    // Drops what is out of the window that is shown, and, where that is
    // held, out of the one that would be shown else.
    drop(shown, at) {
      for (const rect of [...this.svg.children]) {
        const begin = Number(rect.getAttribute("x"));
        const end = begin + Number(rect.getAttribute("width"));
        const seen = end >= shown - span && begin <= shown;
        if (!rect.dataset.open && !seen && end < at - span) rect.remove();
      }
      if (!this.svg.children.length) this.rows = [];
    }

    // A unit of height is a row.
    show(shown) {
      const rows = Math.max(this.rows.length, 1);
      const height = Math.min(18, Math.max(3, 120 / rows));
      this.svg.setAttribute("viewBox", `${shown - span} 0 ${span} ${rows}`);
      this.svg.setAttribute("height", height * rows);
      this.svg.classList.toggle("tall", height > 8);
    }
  }

  const end = (rect, at) => {
    const x = Number(rect.getAttribute("x"));
    rect.setAttribute("width", Math.max(at - x, 0));
  };
  const close = (rect, at, text) => {
    end(rect, at);
    delete rect.dataset.open;
    const x = Number(rect.getAttribute("x"));
    rect.dataset.t = `${text}, ${(at - x).toFixed(1)} ms`;
  };

  class Figure {
    constructor(node) {
      this.node = node;
      this.button = one("button", node);
      this.lanes = new Map();
      this.requests = new Map();
    }

    lane(id, lanes) {
      if (!this.lanes.has(id)) {
        this.lanes.set(id, new Lane(this, id, lanes[id]));
      }
      return this.lanes.get(id);
    }

    forget() {
      for (const lane of this.lanes.values()) lane.node.remove();
      this.lanes.clear();
      this.requests.clear();
    }

    count({ accepted, answered, in_hand, lost, undrawn }) {
      const more = (count, what) => count ? `, ${count} ${what}` : "";
      one(".counts", this.node).textContent = accepted
        ? `${in_hand} in hand, ${answered} answered`
          + more(lost, "lost with a worker")
          + more(undrawn, "not drawn") + "."
        : "No request yet.";
    }

    tell(outcome, bad = false) {
      const node = one(".outcome", this.node);
      node.textContent = outcome;
      node.classList.toggle("bad", bad);
    }

    draw(shown, at) {
      for (const rect of all("rect[data-open]", this.node)) end(rect, at);
      for (const [id, lane] of this.lanes) {
        lane.drop(shown, at);
        lane.show(shown);
        if (!lane.gone || lane.svg.children.length) continue;
        lane.node.remove();
        this.lanes.delete(id);
      }
    }

    hear([kind, laneId, id, at, more], lanes) {
      const lane = this.lane(laneId, lanes);
      if (kind === "a") {
        const row = lane.take();
        const rect = lane.rect("r", at, row, 0.9, `request ${more}`);
        rect.dataset.open = "1";
        this.requests.set(id, {
          lane, row, rect, number: more, calls: [], open: 0, idle: at,
          strips: [],
        });
        return;
      }
      const request = this.requests.get(id);
      // It was accepted before this page began.
      if (!request) return;
      if (kind === "s") this.started(request, lane, at, more);
      else if (kind === "e" || kind === "f") {
        const call = request.calls.findLast((c) => c.nth === more && !c.done);
        if (call) this.ended(request, call, at, kind === "f");
      } else {
        const how = kind === "g" ? "given up by its client" : more;
        this.over(id, at, how, kind === "g" || more !== 200);
      }
    }

    // A process ended, and what it had in hand with it.
    gone(pid, at) {
      const its = (id) => id.startsWith(`${pid}.`);
      for (const id of [...this.requests.keys()].filter(its)) {
        this.over(id, at, "lost with its worker", true);
      }
      for (const [id, lane] of this.lanes) if (its(id)) lane.gone = true;
    }

    over(id, at, how, failed) {
      const request = this.requests.get(id);
      if (request.open === 0) this.idle(request, at);
      if (failed) request.rect.classList.add("f");
      close(request.rect, at, `request ${request.number}: ${how}`);
      request.lane.rows[request.row] = false;
      for (const call of request.calls.filter((c) => !c.done)) {
        this.ended(request, call, at, true);
      }
      this.requests.delete(id);
    }

    idle(request, at) {
      const rect = request.lane.rect("w", request.idle, request.row, 0.9, "");
      close(rect, at, `request ${request.number}, no call under way`);
    }

    started(request, lane, at, nth) {
      if (request.open === 0) this.idle(request, at);
      request.open += 1;
      const text = `call ${nth + 1} of request ${request.number}`;
      const call = { nth, lane, text, done: false };
      if (lane === request.lane) {
        const free = request.strips.indexOf(false);
        call.strip = free < 0 ? request.strips.length : free;
        request.strips[call.strip] = true;
        call.rect = lane.rect("c", at, request.row, 0.9, text);
      } else {
        call.row = lane.take();
        call.rect = lane.rect("c", at, call.row, 0.9, text);
      }
      call.rect.dataset.open = "1";
      request.calls.push(call);
      const height = 0.8 / request.strips.length;
      for (const { rect, strip } of request.calls) {
        if (strip === undefined) continue;
        rect.setAttribute("y", request.row + 0.05 + strip * height);
        rect.setAttribute("height", height * 0.94);
      }
    }

    ended(request, call, at, failed) {
      call.done = true;
      request.open -= 1;
      if (request.open === 0) request.idle = at;
      if (failed) call.rect.classList.add("f");
      close(call.rect, at, call.text + (failed ? ", failed" : ""));
      if (call.strip !== undefined) request.strips[call.strip] = false;
      else call.lane.rows[call.row] = false;
    }
  }

  for (const node of all(".live")) {
    figures.set(node.dataset.d, new Figure(node));
  }

  // It may be another server than before, with another clock, and what
  // happened meanwhile is not known.
  const begin = (data) => {
    const told = JSON.parse(data);
    offset = performance.now() - told.now;
    if (held !== null) held = now();
    for (const { d, counts, hammering } of told.all) {
      const figure = figures.get(d);
      if (!figure) continue;
      figure.forget();
      figure.count(counts);
      figure.tell("");
      figure.button.disabled = hammering;
    }
  };
  const news = new EventSource("/news");
  news.onerror = () => { line.textContent = "not connected"; };
  news.addEventListener("begin", ({ data }) => {
    line.textContent = "live";
    begin(data);
  });
  news.addEventListener("behind", ({ data }) => {
    line.textContent = "live; some of it was too fast for this page";
    begin(data);
  });
  news.onmessage = ({ data }) => {
    const told = JSON.parse(data);
    const figure = figures.get(told.d);
    if (!figure) return;
    if (told.wrong !== undefined) return figure.tell(told.wrong, true);
    if (told.hammering !== undefined) {
      figure.tell(told.hammered ?? "");
      figure.button.disabled = told.hammering;
      return;
    }
    offset = Math.min(offset, performance.now() - told.now);
    figure.count(told.counts);
    // What is not drawn is not dropped either, and would pile up.
    if (document.hidden) {
      missed = true;
      return;
    }
    for (const event of told.events) figure.hear(event, told.lanes);
    for (const pid of told.gone) figure.gone(pid, told.now);
  };

  const draw = () => {
    if (Number.isFinite(offset) && !document.hidden) {
      if (missed && held === null) {
        for (const figure of figures.values()) figure.forget();
        missed = false;
      }
      const at = now();
      for (const figure of figures.values()) figure.draw(held ?? at, at);
      // The bars move, though the pointer may not.
      point();
    }
    if (calm.matches) setTimeout(draw, 500);
    else requestAnimationFrame(draw);
  };

  const point = () => {
    const under = pointer && document.elementFromPoint(pointer.x, pointer.y);
    const rect = under?.closest(".live rect[data-t]");
    tip.hidden = !rect;
    if (!rect) return;
    if (tip.textContent !== rect.dataset.t) tip.textContent = rect.dataset.t;
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.min(pointer.x + 12, innerWidth - width - 8);
    const below = pointer.y + 16;
    const top = below + height > innerHeight ? pointer.y - height - 8 : below;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${top}px`;
  };

  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  draw();

  one("#window").addEventListener("change", ({ target }) => {
    span = Number(target.value) * 1000;
    const ago = `${target.selectedOptions[0].textContent} ago`;
    for (const scale of all(".ago")) scale.textContent = ago;
  });
  one("#pause").addEventListener("click", ({ target }) => {
    held = held === null ? now() : null;
    target.setAttribute("aria-pressed", String(held !== null));
  });
  for (const figure of figures.values()) {
    figure.button.addEventListener("click", async () => {
      figure.button.disabled = true;
      figure.tell("");
      const path = `/hammer/${encodeURIComponent(figure.node.dataset.d)}`;
      let why;
      try {
        const answer = await fetch(path, { method: "POST" });
        if (answer.ok) return;
        why = await answer.text();
      } catch {
        why = "nobody answers";
      }
      figure.tell(why.trim(), true);
      figure.button.disabled = false;
    });
  }
  for (const plot of all(".live .plot")) {
    plot.addEventListener("pointermove", ({ clientX: x, clientY: y }) => {
      pointer = { x, y };
      point();
    });
    plot.addEventListener("pointerleave", () => {
      pointer = null;
      tip.hidden = true;
    });
  }
})();
