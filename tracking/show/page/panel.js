// The picked hit: its cluster as the sensor saw it, its estimate, cone, edges and track.
const TARGET_LABELS = ["x [µm]", "y [µm]", "cot α", "cot β"], TARGET_SCALES = [1000, 1000, 1, 1], TARGET_DIGITS = [2, 2, 3, 4];
const VIRIDIS = [[68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140], [40, 174, 128], [94, 201, 98], [173, 220, 48], [253, 231, 37]];

function viridis(share) {
  const at = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1), k = Math.min(Math.floor(at), VIRIDIS.length - 2);
  return `rgb(${VIRIDIS[k].map((v, i) => Math.round(v + (at - k) * (VIRIDIS[k + 1][i] - v))).join(",")})`;
}

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const fixed = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits).replace("-", "−") : "–");
const row = (...cells) => `<tr><th>${cells[0]}</th>${cells.slice(1).map((c) => `<td>${c}</td>`).join("")}</tr>`;
const head = (...cells) => `<thead><tr>${cells.map((c) => `<th>${c}</th>`).join("")}</tr></thead>`;

// A step of 1, 2 or 5 times a power of ten that gives about n ticks.
function niceStep(range, n) {
  const power = 10 ** Math.floor(Math.log10(range / n));
  return power * [1, 2, 5, 10].find((k) => k * power >= range / n);
}

function drawCluster(canvas, h, slice) {
  const { first, row: rows, column: columns, charge } = event.pixels, n = event.slices.length, m = event.hits.module[h];
  const px = 1000 * event.modules.pitch_x[m], py = 1000 * event.modules.pitch_y[m];
  const width = 346, height = 250, ratio = window.devicePixelRatio || 1, box = { x: 48, y: 12, w: 218, h: 190 };
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d"), style = getComputedStyle(document.body);
  pen.scale(ratio, ratio);
  const ink = style.color, dim = style.getPropertyValue("--dim");
  const pixels = Array.from({ length: first[h + 1] - first[h] }, (_, k) => first[h] + k);
  // um on the module, from the lower corner of the cluster's first pixel, whose place on the module is named below.
  const c0 = Math.min(...pixels.map((k) => columns[k])), r0 = Math.min(...pixels.map((k) => rows[k]));
  const wide = Math.max(...pixels.map((k) => columns[k])) - c0 + 1, tall = Math.max(...pixels.map((k) => rows[k])) - r0 + 1;
  const x0 = c0 * px - 1000 * event.modules.half_x[m], y0 = r0 * py - 1000 * event.modules.half_y[m];
  const at = (values) => [1000 * values[0] - x0, 1000 * values[1] - y0];
  const estimate = at(event.hits.mean.subarray(4 * h, 4 * h + 2));
  const low = [-px, -1.5 * py], high = [(wide + 1) * px, (tall + 1.5) * py];
  [0, 1].forEach((k) => { low[k] = Math.min(low[k], estimate[k] - 0.5 * py); high[k] = Math.max(high[k], estimate[k] + 0.5 * py); });
  const span = [high[0] - low[0], high[1] - low[1]], fit = [box.w / span[0], box.h / span[1]];
  const scale = [Math.min(fit[0], 4 * fit[1]), Math.min(fit[1], 4 * fit[0])];
  const left = box.x + (box.w - scale[0] * span[0]) / 2, top = box.y + (box.h - scale[1] * span[1]) / 2;
  const X = (x) => left + scale[0] * (x - low[0]), Y = (y) => top + scale[1] * (high[1] - y);
  const values = pixels.map((k) => charge[k * n + slice]), most = Math.max(...values, 1), least = Math.min(...values, 0);
  pen.save();
  pen.beginPath();
  pen.rect(X(low[0]), Y(high[1]), scale[0] * span[0], scale[1] * span[1]);
  pen.clip();
  pen.strokeStyle = style.getPropertyValue("--line");
  pen.lineWidth = 0.5;
  for (let c = Math.ceil(low[0] / px); c * px <= high[0]; c++) { pen.beginPath(); pen.moveTo(X(c * px), Y(low[1])); pen.lineTo(X(c * px), Y(high[1])); pen.stroke(); }
  for (let r = Math.ceil(low[1] / py); r * py <= high[1]; r++) { pen.beginPath(); pen.moveTo(X(low[0]), Y(r * py)); pen.lineTo(X(high[0]), Y(r * py)); pen.stroke(); }
  pixels.forEach((k, i) => {
    pen.fillStyle = viridis((values[i] - least) / (most - least));
    pen.fillRect(X((columns[k] - c0) * px) + 0.5, Y((rows[k] - r0 + 1) * py) + 0.5, scale[0] * px - 1, scale[1] * py - 1);
  });
  // The track's way through the sensor, seen from the pixel side: thickness times the cotangents, about the midplane.
  const way = (middle, cots, color, dash) => {
    const t = 500 * event.modules.thickness[m];
    for (const [stroke, size] of [["#000", 4], [color, 2]]) {
      pen.strokeStyle = stroke;
      pen.lineWidth = size;
      pen.setLineDash(dash);
      pen.beginPath();
      pen.moveTo(X(middle[0] - t * cots[0]), Y(middle[1] - t * cots[1]));
      pen.lineTo(X(middle[0] + t * cots[0]), Y(middle[1] + t * cots[1]));
      pen.stroke();
    }
    pen.setLineDash([]);
    pen.fillStyle = color;
    pen.strokeStyle = "#000";
    pen.lineWidth = 1;
    pen.beginPath();
    pen.arc(X(middle[0]), Y(middle[1]), 3.5, 0, 7);
    pen.fill();
    pen.stroke();
  };
  if (event.truth && Number.isFinite(event.truth.target[4 * h])) {
    const truth = event.truth.target.subarray(4 * h, 4 * h + 4);
    way(at(truth), truth.subarray(2), "#ffffff", [5, 3]);
  }
  // Other hits of the same cluster.
  for (let k = 0; k < nHits && event.hits.n_parts[h] > 1; k++) {
    if (k !== h && event.hits.hit_id[k] === event.hits.hit_id[h]) way(at(event.hits.mean.subarray(4 * k, 4 * k + 2)), event.hits.mean.subarray(4 * k + 2, 4 * k + 4), "#F0E442", [2, 3]);
  }
  way(estimate, event.hits.mean.subarray(4 * h + 2, 4 * h + 4), "#D55E00", []);
  const [sx, sy] = event.hits.sigma.subarray(4 * h, 4 * h + 2), rho = event.hits.correlation[6 * h];
  pen.strokeStyle = "#D55E00";
  pen.lineWidth = 1.2;
  pen.beginPath();
  for (let i = 0; i <= 48; i++) {
    const u = Math.cos((i * Math.PI) / 24), v = Math.sin((i * Math.PI) / 24);
    pen.lineTo(X(estimate[0] + 1000 * sx * u), Y(estimate[1] + 1000 * sy * (rho * u + Math.sqrt(Math.max(1 - rho * rho, 0)) * v)));
  }
  pen.stroke();
  pen.restore();
  pen.fillStyle = ink;
  pen.strokeStyle = dim;
  pen.lineWidth = 1;
  pen.font = "11px system-ui, DejaVu Sans, sans-serif";
  pen.strokeRect(X(low[0]), Y(high[1]), scale[0] * span[0], scale[1] * span[1]);
  pen.textAlign = "center";
  const stepX = niceStep(high[0] - low[0], 5), stepY = niceStep(high[1] - low[1], 5);
  for (let x = Math.ceil(low[0] / stepX) * stepX; x <= high[0]; x += stepX) pen.fillText(fixed(x, 0), X(x), Y(low[1]) + 13);
  pen.textAlign = "right";
  for (let y = Math.ceil(low[1] / stepY) * stepY; y <= high[1]; y += stepY) pen.fillText(fixed(y, 0), X(low[0]) - 5, Y(y) + 4);
  pen.textAlign = "center";
  pen.fillText("x − x₀ [µm]", box.x + box.w / 2, Y(low[1]) + 28);
  pen.save();
  pen.translate(12, box.y + box.h / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText("y − y₀ [µm]", 0, 0);
  pen.restore();
  const bar = { x: 292, y: box.y, w: 12, h: box.h };
  for (let k = 0; k < bar.h; k++) { pen.fillStyle = viridis(1 - k / bar.h); pen.fillRect(bar.x, bar.y + k, bar.w, 1.5); }
  pen.fillStyle = ink;
  pen.textAlign = "left";
  const step = niceStep(most - least, 4);
  for (let q = Math.ceil(least / step) * step; q <= most; q += step) {
    pen.fillText(fixed(q / 1000, step < 1000 ? (step < 100 ? 2 : 1) : 0), bar.x + bar.w + 4, bar.y + bar.h * (1 - (q - least) / (most - least)) + 4);
  }
  pen.textAlign = "right";
  pen.fillText("charge [ke]", width - 1, bar.y + bar.h + 28);
  return [x0, y0];
}

// Of a cluster that gives several hits: which of them this is.
function partText(h) {
  const n = event.hits.n_parts[h];
  if (n < 2) return "";
  return `<br><b>${event.hits.shared[h] ? "shared" : "split"} cluster</b>: hit ${event.hits.part[h] + 1} of ${n}`;
}

function panelText(h, slice) {
  const { hits, modules, layers, truth, tracks, edges } = event, m = hits.module[h], [x, y, z] = pointOf(h), r = Math.hypot(x, y), t = hits.track[h];
  const n = event.pixels.first[h + 1] - event.pixels.first[h], parts = [];
  const buttons = event.slices.map((s, k) => `<button data-slice="${k}" class="${k === slice ? "on" : ""}" title="charge induced up to ${(0.2 * (s + 1)).toFixed(1)} ns">${(0.2 * (s + 1)).toFixed(1)} ns</button>`);
  parts.push(`<button class="close" title="key Esc">close</button><h1>Hit ${hits.hit_id[h]}</h1><p>${escaped(layers.name[hits.layer[h]])}: volume ${modules.volume_id[m]}, layer ${modules.layer_id[m]}, module ${modules.module_id[m]}<br>`
    + `r ${fixed(r, 2)} mm, φ ${fixed(Math.atan2(y, x), 4)} rad, z ${fixed(z, 2)} mm<br>${n} pixel${n > 1 ? "s" : ""}, ${fixed(hits.charge[h] / 1000, 1)} ke${hits.flagged[h] ? ", <b>cut off: covariance inflated</b>" : ""}${partText(h)}</p>`);
  parts.push(`<h2>Cluster <span id="slices">${event.slices.length > 1 ? buttons.join("") : ""}</span></h2><canvas id="cluster"></canvas><p id="origin"></p>`);
  const table = TARGET_LABELS.map((label, k) => {
    const value = hits.mean[4 * h + k] * TARGET_SCALES[k], sigma = hits.sigma[4 * h + k] * TARGET_SCALES[k], digits = TARGET_DIGITS[k];
    const true_ = truth ? truth.target[4 * h + k] * TARGET_SCALES[k] : NaN;
    return row(label, fixed(value, digits), fixed(sigma, digits), ...(truth ? [fixed(true_, digits), fixed((value - true_) / sigma, 2)] : []));
  });
  parts.push(`<h2>Estimate, in the module's frame</h2><table>${head("", "mean", "sigma", ...(truth ? ["truth", "pull"] : []))}${table.join("")}</table>`);
  const short = ["x", "y", "cot α", "cot β"], correlation = [];
  for (let i = 0, k = 0; i < 3; i++) {
    const cells = short.slice(1).map((_, j) => (j < i ? "" : fixed(hits.correlation[6 * h + k++], 2)));
    correlation.push(row(short[i], ...cells));
  }
  parts.push(`<table id="correlation">${head("correlation", ...short.slice(1))}${correlation.join("")}</table>`);
  if (truth) {
    const one = truth.n_particles[h];
    parts.push(`<p>${one ? `truth: particle ${truth.particle_id[h]}, p<sub>T</sub> ${fixed(truth.pt[h], 3)} GeV here, ${fixed(100 * truth.share[h], 0)} % of the charge${one > 1 ? `, ${one} particles in the cluster` : ""}` : "truth: no particle (noise)"}</p>`);
  }
  const cones = Array.from(index.conesOf(h), (c) => {
    const steps = event.cones.surface.length / event.cones.hit.length, k = c * steps + steps - 1, layer = event.cones.layer[c];
    const half = [0, 2].map((i) => event.gate * Math.sqrt(event.cones.covariance[3 * k + i]));
    return row(escaped(layers.name[layer]), ...(layers.barrel[layer] ? [`r Δφ ±${fixed(half[0], 2)}`, `Δz ±${fixed(half[1], 2)}`] : [`Δx ±${fixed(half[0], 2)}`, `Δy ±${fixed(half[1], 2)}`]));
  });
  parts.push(`<h2>Cone to the next layer, ${fixed(100 * event.quantile, 3).replace(/0+$/, "")} %</h2>${cones.length ? `<table>${head("layer", "half width [mm]", "")}${cones.join("")}</table>` : "<p>its middle meets no further layer</p>"}`);
  const inOut = [...Array.from(index.edgesIn(h), (e) => [edges.source[e], e, "from"]), ...Array.from(index.edgesOut(h), (e) => [edges.target[e], e, "to"])];
  inOut.sort((a, b) => edges.score[b[1]] - edges.score[a[1]]);
  const lines = inOut.slice(0, 12).map(([other, e, way]) => `<tr class="go" data-hit="${other}">` + row(`${way} ${hits.hit_id[other]} (${escaped(layers.name[hits.layer[other]])})`, fixed(edges.chi2[e], 1), fixed(edges.pt[e], 2), fixed(edges.score[e], 3), ...(truth ? [edges.true[e] ? "yes" : "no"] : [])).slice(4));
  const windowed = event.counts.n_window_edges === event.window.source.length ? `the window would open ${index.windowOut(h).length} to the next layers; ` : "";
  parts.push(`<h2>Edges ${event.graph === "cone" ? "that the cones of both ends allow" : "of the window"}</h2><p>${windowed}${index.edgesOut(h).length} outwards, ${index.edgesIn(h).length} inwards${inOut.length > 12 ? "; the best 12" : ""}. In the view: grey of the window, orange in the cones, green kept by the network.</p>`);
  if (lines.length) parts.push(`<table>${head("hit", "χ²", "<i>p</i><sub>T</sub> [GeV]", "score", ...(truth ? ["true"] : []))}${lines.join("")}</table>`);
  if (t < 0) parts.push("<h2>Track</h2><p>on no track</p>");
  else {
    const s = tracks.sigma.subarray(5 * t, 5 * t + 5);
    const rows = [
      row("<i>p</i><sub>T</sub> [GeV]", fixed(tracks.pt[t], 3), `± ${fixed(tracks.pt_sigma[t], 3)}`),
      row("charge", tracks.qop[t] > 0 ? "+1" : "−1", ""), row("η", fixed(etaOf(t), 3), ""), row("φ [rad]", fixed(tracks.phi[t], 4), `± ${fixed(s[2], 4)}`),
      row("θ [rad]", fixed(tracks.theta[t], 4), `± ${fixed(s[3], 4)}`), row("d₀ [µm]", fixed(1000 * tracks.d0[t], 0), `± ${fixed(1000 * s[0], 0)}`),
      row("z₀ [mm]", fixed(tracks.z0[t], 3), `± ${fixed(s[1], 3)}`), row("χ² / ndf", `${fixed(tracks.chi2[t], 1)} / ${tracks.ndf[t]}`, ""),
      row("mean edge score", fixed(tracks.score[t], 3), ""),
      row("vertex", tracks.vertex[t] >= 0 ? `z ${fixed(event.vertices.z[tracks.vertex[t]], 3)} mm` : "none", tracks.vertex[t] >= 0 ? `${event.vertices.n_tracks[tracks.vertex[t]]} tracks` : ""),
    ];
    if (truth) {
      const known = tracks.particle_id[t] !== 0n;
      rows.push(row("matched particle", known ? tracks.particle_id[t] : "none: fake", `${fixed(100 * tracks.hit_fraction[t], 0)} % of hits`));
      if (known) rows.push(row("its true <i>p</i><sub>T</sub> [GeV]", fixed(tracks.true_pt[t], 3), ""));
    }
    parts.push(`<h2>Track ${t}, ${hitsOfTrack(t).length} hits</h2><table>${rows.join("")}</table>`);
  }
  return parts.join("");
}

function showPanel(panel, h, slice, choose, chooseSlice) {
  panel.hidden = h < 0;
  if (h < 0) return;
  const scrolled = panel.scrollTop;
  panel.innerHTML = panelText(h, slice);
  const [x0, y0] = drawCluster(panel.querySelector("#cluster"), h, slice);
  panel.querySelector("#origin").innerHTML = `orange: estimate in the midplane, its 1 σ ellipse, and the way through the sensor${event.truth ? "; white, dashed: truth" : ""}. `
    + `x₀ = ${fixed(x0, 1)} µm, y₀ = ${fixed(y0, 1)} µm on the module.${event.layers.barrel[event.hits.layer[h]] ? " In the barrel charge drifts in the field: it lies beside the track." : ""}`;
  panel.querySelector(".close").onclick = () => choose(-1);
  panel.querySelectorAll("[data-slice]").forEach((b) => (b.onclick = () => chooseSlice(Number(b.dataset.slice))));
  panel.querySelectorAll("[data-hit]").forEach((b) => (b.onclick = () => choose(Number(b.dataset.hit))));
  panel.scrollTop = scrolled;
}
