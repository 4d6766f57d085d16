"use strict";
// Sorts tables and runs the flip browser. Text of others only ever becomes a text node.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const byId = (id) => document.getElementById(id);

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  // ---- tables

  function keyOf(row, column, kind) {
    const key = row.cells[column].dataset.key;
    if (key === undefined) return null;
    return kind === "number" ? Number(key) : key;
  }

  function compare(one, other, sign) {
    if (one === null || other === null) return (one === null) - (other === null);
    const order = typeof one === "number" && typeof other === "number"
      ? one - other : String(one).localeCompare(String(other), "en", { numeric: true });
    return sign * order;
  }

  function sortBy(table, heading) {
    const column = heading.cellIndex;
    const numbers = [...table.tBodies[0].rows].every((row) => {
      const key = row.cells[column].dataset.key;
      return key === undefined || Number.isFinite(Number(key));
    });
    const kind = numbers ? "number" : "text";
    const was = heading.getAttribute("aria-sort");
    const first = heading.dataset.kind === "number" ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const now = was === first ? second : first;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", now);
    const sign = now === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows];
    rows.sort((one, other) =>
      compare(keyOf(one, column, kind), keyOf(other, column, kind), sign));
    table.tBodies[0].append(...rows);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const heading of table.tHead.rows[0].cells) {
      const button = element("button", heading.textContent);
      button.type = "button";
      heading.replaceChildren(button);
      button.addEventListener("click", () => sortBy(table, heading));
    }
  }

  // ---- print: everything open, as it was afterwards

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
    opened = [];
  });

  // ---- flips

  const ROWS = 25;
  const SEARCH_PAUSE = 120;
  const EVERY = "";

  async function unpack(data) {
    if (!data.packed) return data;
    const bytes = Uint8Array.from(atob(data.packed), (sign) => sign.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  function answer(parts, side) {
    return parts.filter((part) => part[0] === "=" || part[0] === side)
      .map((part) => part.slice(1)).join("");
  }

  function readFlip(row, data) {
    const [candidate, task, gained, item, question, target, baseRead, read, parts] = row;
    const whole = parts.length > 0;
    return {
      candidate, task: data.tasks[task], gained: gained === 1, item, question, target,
      baseRead, read, parts,
      base: whole ? answer(parts, "-") : row[9],
      answer: whole ? answer(parts, "+") : row[10],
    };
  }

  function haystack(flip) {
    return [flip.task, flip.item, flip.question, flip.target, flip.base, flip.answer,
      flip.baseRead, flip.read].join("\n").toLowerCase();
  }

  class Browser {
    constructor(data) {
      this.data = data;
      this.flips = data.flips.map((row) => readFlip(row, data));
      this.texts = this.flips.map(haystack);
      this.found = this.flips.map((_, place) => place);
      this.at = 0;
      this.list = byId("flip-list");
      this.fillChoices();
      this.listen();
      byId("flip-browser").hidden = false;
      this.filter();
    }

    fillChoices() {
      const fill = (id, every, values) => {
        const select = byId(id);
        if (!select) return;
        select.append(new Option(every, EVERY));
        for (const [value, text] of values) select.append(new Option(text, value));
        select.addEventListener("change", () => this.filter());
      };
      fill("flip-candidate", "all candidates",
        this.data.candidates.map((name, place) => [String(place), name]));
      fill("flip-task", "all tasks", this.data.tasks.map((name) => [`=${name}`, name]));
      fill("flip-direction", "both directions",
        [["gained", "gained: the candidate is right"], ["lost", "lost: the base was right"]]);
    }

    listen() {
      byId("flip-search").addEventListener("input", () => {
        clearTimeout(this.waiting);
        this.waiting = setTimeout(() => this.filter(), SEARCH_PAUSE);
      });
      byId("flip-back").addEventListener("click", () => this.turn(-1));
      byId("flip-on").addEventListener("click", () => this.turn(1));
      this.list.addEventListener("click", (event) => {
        const row = event.target.closest("[role=option]");
        if (row) this.choose(Number(row.dataset.place), true);
      });
      this.list.addEventListener("keydown", (event) => this.listKey(event));
      document.addEventListener("keydown", (event) => this.pageKey(event));
    }

    filter() {
      clearTimeout(this.waiting);
      this.waiting = undefined;
      const task = byId("flip-task").value;
      const direction = byId("flip-direction").value;
      const candidate = byId("flip-candidate")?.value ?? EVERY;
      const words = byId("flip-search").value.toLowerCase().split(/\s+/).filter(Boolean);
      this.found = [];
      for (const [place, flip] of this.flips.entries()) {
        if (task !== EVERY && `=${flip.task}` !== task) continue;
        if (direction !== EVERY && flip.gained !== (direction === "gained")) continue;
        if (candidate !== EVERY && String(flip.candidate) !== candidate) continue;
        if (!words.every((word) => this.texts[place].includes(word))) continue;
        this.found.push(place);
      }
      this.choose(0, false);
    }

    listKey(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const last = this.found.length - 1;
      const goal = {
        ArrowDown: this.at + 1, ArrowUp: this.at - 1, Home: 0, End: last,
        PageDown: Math.min(last, this.at + ROWS), PageUp: Math.max(0, this.at - ROWS),
      }[event.key];
      if (goal === undefined) return;
      event.preventDefault();
      this.choose(goal, true);
    }

    pageKey(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const inField = event.target.matches("input:not([type=checkbox]), select, textarea");
      const leaves = event.key === "Escape" || event.key === "Enter";
      if (leaves && event.target === byId("flip-search")) {
        if (this.waiting !== undefined) this.filter();
        this.focusRow();
        return;
      }
      if (inField || !byId("flip-keys").checked) return;
      if (event.key === "/") byId("flip-search").focus();
      else if (event.key === "j") this.choose(this.at + 1, true);
      else if (event.key === "k") this.choose(this.at - 1, true);
      else return;
      event.preventDefault();
    }

    turn(pages) {
      const first = (Math.floor(this.at / ROWS) + pages) * ROWS;
      this.choose(first, false);
    }

    choose(place, focus) {
      this.at = Math.max(0, Math.min(place, this.found.length - 1));
      this.drawList();
      this.drawFlip();
      if (focus) this.focusRow();
    }

    focusRow() {
      const row = this.list.querySelector("[aria-selected=true]");
      if (!row) return;
      row.focus();
      row.scrollIntoView({ block: "nearest", behavior: "instant" });
    }

    drawList() {
      const total = this.found.length;
      const page = Math.floor(this.at / ROWS);
      const pages = Math.max(1, Math.ceil(total / ROWS));
      const rows = this.found.slice(page * ROWS, (page + 1) * ROWS)
        .map((place, number) => this.row(this.flips[place], page * ROWS + number, total));
      this.list.replaceChildren(...rows);
      this.list.hidden = total === 0;
      byId("flip-page").textContent = `Page ${page + 1} of ${pages}`;
      byId("flip-back").disabled = page === 0;
      byId("flip-on").disabled = page >= pages - 1;
      const all = this.flips.length.toLocaleString("en");
      const status = total === this.flips.length
        ? `${all} flips` : `${total.toLocaleString("en")} of ${all} flips`;
      if (byId("flip-status").textContent !== status) byId("flip-status").textContent = status;
    }

    row(flip, place, total) {
      const row = element("div");
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", String(place === this.at));
      row.setAttribute("aria-posinset", String(place + 1));
      row.setAttribute("aria-setsize", String(total));
      row.tabIndex = place === this.at ? 0 : -1;
      row.dataset.place = String(place);
      const head = element("span", undefined, "line");
      head.append(
        element("span", flip.gained ? "▲ gained" : "▼ lost", flip.gained ? "better" : "worse"),
        " ", element("bdi", `${flip.task} ${flip.item}`));
      const line = element("span", undefined, "line muted");
      line.append(element("bdi", flip.question.slice(0, 120).replace(/\s+/g, " ")));
      row.append(head, line);
      return row;
    }

    drawFlip() {
      const detail = byId("flip-detail");
      const flip = this.flips[this.found[this.at]];
      if (!flip) {
        detail.replaceChildren(element("p", "No flip fits this filter.", "muted"));
        return;
      }
      const title = element("h3");
      title.append(element("bdi", flip.task), " · item ", element("bdi", flip.item),
        ` · ${flip.gained ? "gained" : "lost"}`);
      const name = this.data.candidates[flip.candidate];
      if (this.data.candidates.length > 1) title.append(" · ", element("bdi", name));
      const answers = element("div", undefined, "answers");
      answers.append(
        this.answer(this.data.base, !flip.gained, flip, "-"),
        this.answer(name, flip.gained, flip, "+"));
      detail.replaceChildren(title, ...this.block("Question", flip.question),
        ...this.block("Target", flip.target), answers);
    }

    block(title, text) {
      const said = element("p", text, "said");
      said.dir = "auto";
      return [element("h4", title), said];
    }

    answer(name, right, flip, side) {
      const outcome = right ? "right" : "wrong";
      const heading = element("h4");
      heading.append(element("bdi", name), " ", element("span", outcome, `outcome ${outcome}`));
      const said = element("p", undefined, "said");
      said.dir = "auto";
      if (flip.parts.length === 0) said.textContent = side === "-" ? flip.base : flip.answer;
      for (const part of flip.parts) {
        if (part[0] === "=") said.append(part.slice(1));
        else if (part[0] === side) said.append(element(side === "-" ? "del" : "ins", part.slice(1)));
      }
      const read = element("p", "Read as: ", "small");
      const extracted = side === "-" ? flip.baseRead : flip.read;
      read.append(extracted ? element("code", extracted) : element("span", "nothing", "muted"));
      const made = element("div");
      made.append(heading, said, read);
      return made;
    }
  }

  const holder = byId("flip-data");
  if (!byId("flip-browser")) return;
  unpack(JSON.parse(holder.textContent)).then((data) => new Browser(data)).catch(() => {
    // An old browser that cannot unpack: the flips that stand in the page are all it shows.
    byId("flip-static").style.display = "block";
  });
})();
