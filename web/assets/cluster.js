// The page about the members and what is wrong with them.
import {el, svg, renew, ask, number, count} from "./util.js";

const every = 1000; // milliseconds between two looks

export class ClusterPage {
  constructor() {
    this.element = el("section", {class: "cluster", "aria-label": "Cluster"});
  }

  start() {
    if (this.running) return;
    this.running = true;
    this.look();
  }

  stop() {
    this.running = false;
    clearTimeout(this.timer);
  }

  async look() {
    clearTimeout(this.timer);
    const status = document.hidden ? null : await ask("/_/status", {}).catch(() => undefined);
    if (this.running) this.timer = setTimeout(() => this.look(), every);
    this.element.classList.toggle("stale", status === undefined);
    if (status) this.draw(status);
  }

  draw(s) {
    renew(this.element, this.health(s), plots(s.rates), members(s), facts(s));
  }

  health({trouble, advice, members, cut}) {
    const well = trouble.length === 0 && !cut;
    const voters = members.filter((m) => m.role === "voter").length;
    const title = cut ? "No majority: nothing can be written" : well ? "All is well" : trouble.length === 1 ? "One thing is wrong" : trouble.length + " things are wrong";
    return el("div", {class: "health " + (well ? "well" : "ill"), role: "status"},
      el("h2", {}, title), el("p", {class: "quiet"}, count(members.length, "member", "members") + ", " + count(voters, "voter", "voters")),
      !well && el("ul", {}, ...trouble.map((t) => el("li", {}, t))), ...advice.map((a) => el("p", {class: "advice"}, a)));
  }
}

// Plots.

function plots({every, revs, reads, writes}) {
  return el("div", {class: "plots"},
    plot("Changes", "of the whole cluster", revs, every),
    reads.length > 0 && plot("Reads", "by clients of this node", reads, every),
    writes.length > 0 && plot("Writes", "by clients of this node", writes, every));
}

const width = 300, height = 64;
const spans = [60, 150, 300];

function plot(title, about, values, every) {
  const most = Math.max(...values, 0);
  const top = nice(most);
  const now = values.length ? values[values.length - 1] : 0;
  const span = spans.find((n) => n >= values.length) ?? values.length; // points of the whole plot: the newest is at the right edge
  const x = (i) => width - (values.length - 1 - i) * width / (span - 1);
  const y = (v) => height - 2 - v / top * (height - 8);
  const line = values.map((v, i) => x(i).toFixed(1) + "," + y(v).toFixed(1)).join(" ");
  const drawing = svg("svg", {viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", class: "plot", role: "img", "aria-label": `${title}: ${rate(now)} per second now, at most ${rate(most)}`});
  if (values.length > 1) {
    drawing.append(
      svg("polygon", {points: `${x(0)},${height} ${line} ${width},${height}`, class: "area"}),
      svg("polyline", {points: line, class: "line", "vector-effect": "non-scaling-stroke"}));
  }
  drawing.append(svg("line", {x1: 0, x2: width, y1: height - 1, y2: height - 1, class: "axis", "vector-effect": "non-scaling-stroke"}));
  return el("figure", {"data-key": title}, el("figcaption", {}, el("span", {class: "plot-title"}, title), el("span", {class: "quiet"}, about), el("b", {class: "now"}, rate(now), el("small", {}, "/s"))),
    drawing, el("p", {class: "quiet scale"}, el("span", {}, "last " + Math.round(span * every / 60) + " minutes"), el("span", {}, "at most " + rate(most) + "/s")));
}

function rate(v) {
  if (v === 0) return "0";
  return v >= 100 ? number(Math.round(v)) : v >= 9.95 ? v.toFixed(0) : v.toFixed(1);
}

// nice returns a round number that is not less.
function nice(most) {
  if (most <= 1) return 1;
  const unit = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= most);
}

// Members.

const unknown = "–";

function duration(seconds) {
  if (seconds === undefined) return unknown;
  if (seconds < 0.001) return Math.round(seconds * 1e6) + " µs";
  if (seconds < 1) return (seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0) + " ms";
  if (seconds < 100) return seconds.toFixed(1) + " s";
  return Math.round(seconds / 60) + " min";
}

const isLate = (m) => m.silence > 3;

// The clocks of two nodes' loops do not measure more finely than that.
const finest = 0.0001;

function roundTrip(m) {
  if (m.self || isLate(m)) return unknown;
  return m.roundTrip < finest ? "< 0.1 ms" : duration(m.roundTrip);
}

function heard(m) {
  if (m.self) return "this node";
  if (m.silence === undefined) return "not known";
  return m.silence < 1 ? "now" : duration(m.silence) + " ago";
}

const columns = [
  ["Slot", (m) => m.slot || unknown, "slot"],
  ["Role", (m) => el("span", {class: "role " + m.role}, m.role), "role-cell"],
  ["Address", (m) => m.addr || unknown, "addr"],
  ["Host", (m) => m.hostname || unknown, "host"],
  ["Id", (m) => m.id, "id"],
  ["Heard", (m) => el("span", {class: isLate(m) ? "late" : m.silence === undefined ? "" : "alive"}, heard(m)), "heard"],
  ["Applied", (m) => m.applied === undefined ? unknown : number(m.applied), "num", "The rev that it had applied when it last said so in the tree, at its pulse."],
  ["Lag", (m) => m.lag === undefined || isLate(m) ? unknown : number(m.lag), "num", "Decisions that it is behind this node. A few hundred mean nothing: idle voters give their turns away in such portions."],
  ["Round trip", roundTrip, "num"],
  ["Version", (m) => m.version || unknown, "release"],
];

function members(s) {
  return el("div", {class: "table"}, el("table", {},
    el("thead", {}, el("tr", {}, ...columns.map(([title, , kind, about]) => el("th", {class: kind, scope: "col", title: about ?? null}, title)))),
    el("tbody", {}, ...s.members.map((m) => el("tr", {"data-key": m.id, class: m.self ? "self" : ""}, ...columns.map(([title, cell, kind]) => el("td", {class: kind, "data-title": title}, cell(m))))))));
}

function facts(s) {
  const rows = [
    ["Rev", number(s.rev)], ["History from rev", number(s.oldest)], ["Waits", number(s.waits)],
    s.conns !== undefined && ["Client connections", number(s.conns)], ["Pages and scripts that follow", number(s.streams)], ["Up for", duration(s.uptime)],
  ].filter(Boolean);
  return el("dl", {class: "facts-list"}, ...rows.map(([title, value]) => el("div", {}, el("dt", {}, title), el("dd", {}, value))));
}
