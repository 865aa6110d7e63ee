// Charts and the switch between light and dark; everything else is plain links and forms, and works without this file.
"use strict";

const root = document.documentElement;
const kept = localStorage.getItem("drivetrain-theme");
if (kept) root.dataset.theme = kept;

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function ink(name) {
  return getComputedStyle(root).getPropertyValue(name).trim();
}

function draw(element) {
  const { data, layout } = JSON.parse(element.querySelector("script").textContent);
  const axis = { gridcolor: ink("--rule"), zerolinecolor: ink("--grid"), linecolor: ink("--grid"), automargin: true };
  const own = {
    ...layout,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 56, r: 18, t: 16, b: 48 },
    font: { color: ink("--ink"), family: "system-ui, Segoe UI, Helvetica, Arial, sans-serif", size: 13 },
    hoverlabel: { bgcolor: ink("--card"), bordercolor: ink("--grid"), font: { color: ink("--ink") } },
    xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis },
  };
  Plotly.react(element.querySelector(".plot"), data, own, { responsive: true, displayModeBar: false });
  element.querySelector(".waiting")?.remove();
  element.dataset.drawn = "yes";
}

function drawAll() {
  document.querySelectorAll(".chart").forEach(draw);
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelector("#theme")?.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    localStorage.setItem("drivetrain-theme", root.dataset.theme);
    if (window.Plotly) drawAll();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => window.Plotly && drawAll());
  document.querySelectorAll("select[data-go]").forEach((each) => each.addEventListener("change", () => each.form.submit()));
  document.querySelectorAll(".graph rect.marked").forEach((each) => each.scrollIntoView({ block: "nearest", inline: "center" }));
  document.querySelectorAll(".heat").forEach((grid) => grid.addEventListener("keydown", move));
  if (document.querySelector(".chart")) {
    const script = document.createElement("script");
    script.src = document.querySelector("main").dataset.plotly;
    script.addEventListener("load", drawAll);
    script.addEventListener("error", () => {
      document.querySelectorAll(".chart .waiting").forEach((each) => { each.textContent = "The chart could not be loaded; its numbers stand below."; });
    });
    document.head.append(script);
  }
});

// Arrow keys move between the cells of a grid.
function move(event) {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  const cell = event.target.closest("td");
  if (!step || !cell) return;
  const row = cell.parentElement;
  const rows = [...row.parentElement.children];
  const next = rows[rows.indexOf(row) + step[0]]?.children[[...row.children].indexOf(cell) + step[1]];
  const link = next?.querySelector("a");
  if (link) { event.preventDefault(); link.focus(); }
}
