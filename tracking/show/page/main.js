// Camera, mouse, keys and switches.
const view = document.getElementById("view"), labels = document.getElementById("labels"), panel = document.getElementById("panel");
const find = (id) => document.getElementById(id);
const SWITCHES = [
  ["hits", "hits", "H"], ["layers", "layers", "L"], ["window", "window edges", "W"],
  ["cone", event.graph === "cone" ? "cone edges" : "edges to be scored", "C"], ["kept", "kept edges", "K"], ["tracks", "tracks", "T"],
  ["cones", "cone of the picked hit", "O"], ["vertices", "vertices", "V"],
  ...(event.missed ? [["missed", "missed particles", "M"]] : []),
];
const state = {
  show: { hits: true, layers: true, window: false, cone: false, kept: false, tracks: true, cones: true, vertices: true, missed: false },
  only: "all", pt: 0, score: event.min_score, hit: -1, slice: event.slices.length - 1, wholeTrack: false, theme: "dark", view: "3d",
};
const camera = { yaw: 0, pitch: 0, zoom: 1, center: [0, 0, 0], squash: 1, rz: false, shift: [0, 0], rows: new Float32Array(9) };
const squashes = { "3d": 0.25, xy: 1, rz: 0.08 };
let renderer, scene, share = 1, waiting = false, settle = 0;

function turn() {
  const [a, b] = [camera.yaw, camera.pitch], toward = [Math.sin(a) * Math.cos(b), Math.sin(b), Math.cos(a) * Math.cos(b)];
  const right = [Math.cos(a), 0, -Math.sin(a)];
  const up = [toward[1] * right[2] - toward[2] * right[1], toward[2] * right[0] - toward[0] * right[2], toward[0] * right[1] - toward[1] * right[0]];
  camera.rows.set([...right, ...up, ...toward]);
}

// Beside the beam tracks of planes lie on both sides of it.
const beside = (p) => (planes ? p[1] : Math.hypot(p[0], p[1]));
const inView = (p) => (camera.rz ? [p[2] * camera.squash, beside(p), 0] : [p[0], p[1], p[2] * camera.squash]);

// Pixels from the upper left corner, and the depth towards the viewer.
function project(p) {
  const q = inView(p), d = [0, 1, 2].map((k) => q[k] - camera.center[k]), r = camera.rows;
  const at = [0, 1, 2].map((k) => r[3 * k] * d[0] + r[3 * k + 1] * d[1] + r[3 * k + 2] * d[2]);
  return [view.clientWidth / 2 + camera.shift[0] + camera.zoom * at[0], view.clientHeight / 2 - camera.shift[1] - camera.zoom * at[1], at[2]];
}

// Room for the view between the boxes.
function room() {
  const left = 290, right = panel.hidden ? 20 : 400, width = Math.max(view.clientWidth - left - right, 200);
  camera.shift = [(left - right) / 2, state.view === "3d" ? 0 : 12];
  return [width, view.clientHeight - 70];
}

// How far the detector reaches from the beam and along it, mm.
function extent() {
  const { r_max, radius, z_min, z_max, low, high } = event.layers;
  if (planes) return { r: Math.max(...low.map(Math.abs), ...high.map(Math.abs)), from: 0, to: Math.max(...radius) - firstPlane };
  return { r: Math.max(...r_max, 1), from: Math.min(...z_min, -1), to: Math.max(...z_max, 1) };
}
if (planes) {
  // A telescope is long and narrow.
  const { r, to } = extent();
  squashes["3d"] = squashes.rz = Math.min(1, (5 * r) / Math.max(to, 1e-9));
}

function reset() {
  const { r, from, to } = extent(), length = to - from;
  camera.rz = state.view === "rz";
  camera.squash = squashes[state.view];
  [camera.yaw, camera.pitch] = state.view === "3d" ? [-1.1, 0.32] : [0, 0];
  camera.center = camera.rz ? [planes ? (to / 2) * camera.squash : 0, planes ? 0 : r / 2, 0] : [0, 0, planes ? (to / 2) * camera.squash : 0];
  turn();
  const [width, height] = room();
  const spans = { "3d": [length * camera.squash * 0.95 + r, 2.6 * r + 0.1 * length * camera.squash], xy: [2.15 * r, 2.15 * r], rz: [1.04 * length * camera.squash, (planes ? 2.2 : 1.08) * r] }[state.view];
  camera.zoom = Math.min(width / spans[0], height / spans[1]);
  redraw();
}

function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(draw);
}

function draw() {
  waiting = false;
  const ratio = window.devicePixelRatio || 1;
  for (const [canvas, fine] of [[view, share < 0.6 ? 0.5 * ratio : ratio], [labels, ratio]]) {
    const [w, h] = [Math.round(canvas.clientWidth * fine), Math.round(canvas.clientHeight * fine)];
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  }
  room();
  renderer.draw(scene.visible(share), camera, scene.theme().back);
  drawLabels(ratio);
}

// While things move: as many of the thin edges, and as fine a picture, as the machine can follow; all when they rest.
let lastMove = 0;
function moved() {
  const now = performance.now(), took = now - lastMove;
  lastMove = now;
  if (took < 500) share = took > 50 ? Math.max(share / 2, 0.02) : Math.min(share * 1.1, 1);
  clearTimeout(settle);
  settle = setTimeout(() => { if (share < 1) { share = 1; redraw(); } }, 250);
  redraw();
}

function drawLabels(ratio) {
  const pen = labels.getContext("2d"), style = getComputedStyle(document.body), [w, h] = [view.clientWidth, view.clientHeight];
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, w, h);
  pen.font = "12px system-ui, DejaVu Sans, sans-serif";
  pen.fillStyle = pen.strokeStyle = style.getPropertyValue("--dim");
  pen.textAlign = "center";
  pen.lineWidth = 1;
  const words = (text, x, y) => {
    pen.strokeStyle = style.getPropertyValue("--back");
    pen.lineWidth = 3;
    pen.strokeText(text, x, y);
    pen.strokeStyle = pen.fillStyle;
    pen.lineWidth = 1;
    pen.fillText(text, x, y);
  };
  const line = (p, q) => { pen.beginPath(); pen.moveTo(...p); pen.lineTo(...q); pen.stroke(); };
  const { barrel, name, radius, r_max, z, z_max } = event.layers, { r, to: far } = extent();
  if (state.show.layers) {
    for (let k = 0; k < barrel.length; k++) {
      if (state.view === "xy" && (!barrel[k] || planes)) continue;
      if (planes) {
        const p = project([0, event.layers.high[2 * k + 1], radius[k] - firstPlane]);
        words(name[k], p[0], p[1] - 5);
        continue;
      }
      const p = project(state.view === "xy" ? [0.7071 * radius[k], -0.7071 * radius[k], 0] : barrel[k] ? [0, radius[k], z_max[k]] : [0, r_max[k], z[k]]);
      if (state.view === "rz" && barrel[k]) words(name[k], p[0] + 11, p[1] + 4);
      else words(name[k], p[0], p[1] - 5);
    }
  }
  if (state.view === "3d") {
    const axes = [["x", [1, 0, 0], 1.25 * r, planes ? niceStep(r, 3) : 50], ["y", [0, 1, 0], 1.25 * r, planes ? niceStep(r, 3) : 50],
      ["z", [0, 0, 1], 1.05 * far, planes ? niceStep(far, 4) : 500]];
    for (const [label, d, length, step] of axes) {
      line(project([0, 0, 0]).slice(0, 2), project(d.map((v) => v * length)).slice(0, 2));
      const end = project(d.map((v) => v * (length * 1.02 + 12)));
      words(`${label} [mm]`, end[0], end[1] + 4);
      for (let at = step; at < length; at += step) {
        const p = project(d.map((v) => v * at));
        pen.fillRect(p[0] - 1.5, p[1] - 1.5, 3, 3);
        if (planes || label === "z" || at % 100 === 0) words(at, p[0], p[1] + 15);
      }
    }
    return;
  }
  const [right, x0, y0] = [w - (panel.hidden ? 20 : 400), 340, h - 34], squash = camera.rz ? camera.squash : 1;
  const [cx, cy] = [w / 2 + camera.shift[0], h / 2 - camera.shift[1]];
  line([x0, y0], [right, y0]);
  line([x0, 20], [x0, y0]);
  const across = (px) => ((px - cx) / camera.zoom + camera.center[0]) / squash, upward = (py) => (cy - py) / camera.zoom + camera.center[1];
  const stepX = niceStep(across(right) - across(x0), 7), stepY = niceStep(upward(20) - upward(y0), 6);
  const digits = (step) => Math.max(0, -Math.floor(Math.log10(step)));
  for (let k = Math.ceil(across(x0) / stepX); k * stepX <= across(right); k++) {
    const px = cx + camera.zoom * (k * stepX * squash - camera.center[0]);
    line([px, y0], [px, y0 + 5]);
    words(fixed(k * stepX, digits(stepX)), px, y0 + 17);
  }
  pen.textAlign = "right";
  for (let k = Math.ceil(upward(y0) / stepY); k * stepY <= upward(20); k++) {
    const py = cy - camera.zoom * (k * stepY - camera.center[1]);
    line([x0 - 5, py], [x0, py]);
    words(fixed(k * stepY, digits(stepY)), x0 - 8, py + 4);
  }
  words(camera.rz ? "z [mm]" : "x [mm]", right, y0 + 30);
  pen.textAlign = "left";
  words(camera.rz && !planes ? "r [mm]" : "y [mm]", x0 + 6, 24);
}

function nearestHit(x, y) {
  let best = -1, least = 10;
  if (!state.show.hits) return best;
  let depth = -Infinity;
  for (let h = 0; h < nHits; h++) {
    const p = project(hitPosition.subarray(3 * h, 3 * h + 3)), d = Math.hypot(p[0] - x, p[1] - y);
    if (d < least - 1 || (d < least + 1 && d < 10 && p[2] > depth)) { best = h; least = Math.min(d, least); depth = p[2]; }
  }
  return best;
}

function choose(h) {
  state.hit = h;
  showPanel(panel, h, state.slice, choose, (slice) => { state.slice = slice; choose(state.hit); });
  scene.selection();
  refresh();
}

function goTo(h) {
  if (h < 0) return;
  camera.center = inView(pointOf(h));
  camera.zoom = Math.max(camera.zoom, 6);
  redraw();
}

function alongTrack(step) {
  const t = state.hit < 0 ? -1 : event.hits.track[state.hit];
  if (t < 0) return;
  const hits = Array.from(hitsOfTrack(t)), at = hits.indexOf(state.hit) + step;
  if (at >= 0 && at < hits.length) choose(hits[at]);
}

function setView(name) {
  state.view = name;
  reset();
  refresh();
}

function toggle(name) {
  state.show[name] = !state.show[name];
  refresh();
}

function setTheme(name) {
  state.theme = name;
  document.body.classList.toggle("light", name === "light");
  scene.all();
  choose(state.hit);
}

function refresh() {
  const theme = scene.theme(), colors = { hits: theme.noise, layers: theme.layers, window: theme.window, cone: theme.cone, kept: theme.kept, tracks: theme.tracks[0], cones: theme.cone, vertices: theme.vertex, missed: theme.missed };
  for (const [name] of SWITCHES) {
    const label = find(`show-${name}`).parentElement;
    find(`show-${name}`).checked = state.show[name];
    label.querySelector(".swatch").style.background = name === "hits" || name === "tracks" ? `linear-gradient(90deg, ${(name === "hits" ? [theme.noise] : []).concat(theme.tracks).join(",")})` : colors[name];
    label.querySelector(".n").textContent = scene.shown[name].toLocaleString("en");
  }
  document.querySelectorAll("[data-view]").forEach((b) => b.classList.toggle("on", b.dataset.view === state.view));
  find("background").textContent = state.theme === "dark" ? "light" : "dark";
  find("only").value = state.only;
  find("pt-value").textContent = state.pt ? `${state.pt.toPrecision(2)} GeV` : "0";
  find("score-value").textContent = state.score.toFixed(2);
  find("scale").value = camera.squash;
  find("scale-value").textContent = `${camera.squash.toFixed(2)} of its length`;
  find("scale-row").hidden = state.view === "xy";
  redraw();
}

// From 0.1 to 20 GeV, and 0.
function readPt() {
  const at = Number(find("pt").value);
  state.pt = at ? 0.1 * 200 ** (at / 100) : 0;
}

function setUp() {
  const c = event.counts;
  find("title").textContent = `${event.file}, event ${event.event}`;
  document.title = `${event.file}, event ${event.event}: smartpix`;
  const rate = (part, all) => (all ? `${((100 * part) / all).toFixed(1)} %` : "–");
  find("counts").innerHTML = `B = ${fixed(event.field, 2)} T along z; ${c.n_hits.toLocaleString("en")} hits; ${c.n_window_edges.toLocaleString("en")} edges in the window, ${c.n_edges.toLocaleString("en")} in cones, ${c.n_kept_edges.toLocaleString("en")} kept`
    + (event.truth ? `<br>${c.n_found} of ${c.n_findable} findable particles found, ${rate(c.n_fake, c.n_tracks)} fakes` : "");
  const notes = ["Parallel projection. A hit's cone is what it says by itself; an edge must fit both its ends. Tracks are the helices fitted at the beam line; scattering leads the hits away from them."];
  if (event.window.source.length < c.n_window_edges) notes.push("The window has too many edges for this page: they are counted, not drawn.");
  find("note").textContent = notes.join(" ");
  for (const [name, text, key] of SWITCHES) {
    const label = document.createElement("label");
    label.title = `key ${key}`;
    label.innerHTML = `<input type="checkbox" id="show-${name}"><span class="swatch"></span>${text}<span class="n"></span>`;
    label.firstChild.onchange = () => toggle(name);
    find("toggles").append(label);
  }
  find("score").value = state.score;
  find("only-row").hidden = !event.truth;
  find("only").onchange = (e) => { state.only = e.target.value; scene.tracks(); refresh(); };
  if (planes) document.querySelector("[data-view=rz]").textContent = "z-y";
  find("pt").oninput = () => { readPt(); scene.edges(); scene.tracks(); refresh(); };
  find("score").oninput = (e) => { state.score = Number(e.target.value); scene.edges(); scene.selection(); refresh(); };
  find("scale").oninput = (e) => { camera.center[camera.rz ? 0 : 2] *= e.target.value / camera.squash; camera.squash = squashes[state.view] = Number(e.target.value); refresh(); };
  document.querySelectorAll("[data-view]").forEach((b) => (b.onclick = () => setView(b.dataset.view)));
  find("reset").onclick = reset;
  find("background").onclick = () => setTheme(state.theme === "dark" ? "light" : "dark");
}

function listen() {
  let from = null, travelled = 0;
  const pan = (dx, dy) => { for (const k of [0, 1, 2]) camera.center[k] -= (dx * camera.rows[k] - dy * camera.rows[3 + k]) / camera.zoom; };
  const orbit = (dx, dy) => {
    camera.yaw -= dx * 0.006;
    camera.pitch = Math.min(Math.max(camera.pitch + dy * 0.006, -Math.PI / 2), Math.PI / 2);
    turn();
  };
  view.onpointerdown = (e) => { from = [e.clientX, e.clientY]; travelled = 0; view.setPointerCapture(e.pointerId); view.focus(); };
  view.onpointermove = (e) => {
    if (!from) return;
    const d = [e.clientX - from[0], e.clientY - from[1]];
    from = [e.clientX, e.clientY];
    travelled += Math.hypot(...d);
    if (state.view !== "3d" || e.shiftKey || e.buttons & 2) pan(...d);
    else orbit(...d);
    moved();
  };
  view.onpointerup = (e) => {
    if (from && travelled < 4 && e.button === 0) {
      const h = nearestHit(e.clientX, e.clientY);
      if (h >= 0) choose(h);
    }
    from = null;
  };
  view.oncontextmenu = (e) => e.preventDefault();
  const zoomAt = (factor, x, y) => {
    const before = camera.zoom;
    camera.zoom = Math.min(Math.max(camera.zoom * factor, 0.05), 20000);
    const k = 1 / before - 1 / camera.zoom, dx = (x - view.clientWidth / 2 - camera.shift[0]) * k, dy = (y - view.clientHeight / 2 + camera.shift[1]) * k;
    for (const i of [0, 1, 2]) camera.center[i] += dx * camera.rows[i] - dy * camera.rows[3 + i];
    moved();
  };
  view.addEventListener("wheel", (e) => { e.preventDefault(); zoomAt(Math.exp(-e.deltaY * 0.0015), e.clientX, e.clientY); }, { passive: false });
  const keys = {
    1: () => setView("3d"), 2: () => setView("xy"), 3: () => setView("rz"), r: reset, b: () => find("background").click(), f: () => goTo(state.hit),
    n: () => alongTrack(1), p: () => alongTrack(-1), a: () => { state.wholeTrack = !state.wholeTrack; choose(state.hit); }, escape: () => choose(-1),
    "+": () => zoomAt(1.2, view.clientWidth / 2 + camera.shift[0], view.clientHeight / 2), "-": () => zoomAt(1 / 1.2, view.clientWidth / 2 + camera.shift[0], view.clientHeight / 2),
    ...Object.fromEntries(SWITCHES.map(([name, , key]) => [key.toLowerCase(), () => toggle(name)])),
  };
  for (const [key, d] of [["arrowleft", [-25, 0]], ["arrowright", [25, 0]], ["arrowup", [0, -25]], ["arrowdown", [0, 25]]]) {
    keys[key] = () => { (state.view === "3d" ? orbit : pan)(...d); moved(); };
  }
  window.addEventListener("keydown", (e) => {
    const act = keys[e.key.toLowerCase()];
    if (!act || e.ctrlKey || e.metaKey || e.altKey || e.target.tagName === "INPUT" && e.key.startsWith("Arrow")) return;
    e.preventDefault();
    act();
  });
  window.addEventListener("resize", redraw);
}

try {
  renderer = makeRenderer(view);
  scene = makeScene(renderer, state);
  // Where tracks are many, only the stiff ones at first.
  if (nTracks > 600) find("pt").value = (100 * Math.log(10)) / Math.log(200);
  readPt();
  setUp();
  scene.all();
  listen();
  // docs/display.md says what may stand there.
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const name of (asked.get("show") ?? "").split(",")) if (name in state.show) state.show[name] = true;
  state.wholeTrack = asked.has("track");
  if (event.truth && ["matched", "fakes"].includes(asked.get("only"))) { state.only = asked.get("only"); scene.tracks(); }
  if (asked.has("theme")) setTheme(asked.get("theme") === "light" ? "light" : "dark");
  if (asked.has("hit")) choose(event.hits.hit_id.findIndex((id) => String(id) === asked.get("hit")));
  setView(["3d", "xy", "rz"].includes(asked.get("view")) ? asked.get("view") : "3d");
  if (asked.has("focus")) { goTo(state.hit); camera.zoom = Number(asked.get("focus")) || camera.zoom; }
  // Show what another page shows, but for the hit that is picked.
  const take = (other) => {
    if (state.theme !== other.state.theme) setTheme(other.state.theme);
    const { show, view: name, only, pt, score } = other.state, { center, yaw, pitch, zoom, squash, rz } = other.camera;
    Object.assign(state, { view: name, only, pt, score, show: { ...state.show, ...show } });
    Object.assign(camera, { center: Array.from(center), yaw, pitch, zoom, squash, rz });
    squashes[name] = squash;
    for (const id of ["pt", "score"]) find(id).value = id === "pt" ? (pt ? (100 * Math.log(10 * pt)) / Math.log(200) : 0) : score;
    turn();
    scene.edges();
    scene.tracks();
    scene.selection();
    refresh();
  };
  window.smartpix = { event, state, camera, project: (h) => project(pointOf(h)), choose, setView, draw, take };
} catch (error) {
  find("title").textContent = "The event cannot be shown";
  find("counts").textContent = error.message;
  throw error;
}
