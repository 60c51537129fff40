// What is drawn, made anew when the state changes. Colours are Okabe and Ito's, told apart by all kinds of colour vision.
const THEMES = {
  dark: {
    back: [0.063, 0.078, 0.102], noise: "#7d8590", layers: "#5b6675", window: "#9aa3af", cone: "#E69F00", kept: "#009E73", mark: "#ffffff", missed: "#ff5c8a",
    vertex: "#CC79A7", tracks: ["#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#F0E442"],
  },
  light: {
    back: [1, 1, 1], noise: "#a3a9b1", layers: "#b9c0c9", window: "#6b7280", cone: "#E69F00", kept: "#009E73", mark: "#000000", missed: "#d1004b",
    vertex: "#CC79A7", tracks: ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"],
  },
};
const RING = 40;
const STRIDE = 7919; // a prime: the first few of strided rows are spread over all

const bytesOf = (hex, alpha = 1) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)).concat(Math.round(255 * alpha));
const floatsOf = (hex, alpha = 1) => bytesOf(hex, alpha).map((v) => v / 255);
const pointOf = (h) => Array.from(hitPosition.subarray(3 * h, 3 * h + 3));

// Segments as thick lines: [a, b, colour bytes].
function segments(list) {
  const a = new Float32Array(3 * list.length), b = new Float32Array(3 * list.length), color = new Uint8Array(4 * list.length);
  list.forEach(([p, q, c], k) => { a.set(p, 3 * k); b.set(q, 3 * k); color.set(c, 4 * k); });
  return [{ a, b, color }, list.length];
}

function coneRings(c) {
  const steps = event.cones.surface.length / event.cones.hit.length, barrel = event.layers.barrel[event.cones.layer[c]], rings = [];
  for (let s = 0; s < steps; s++) {
    const k = c * steps + s, surface = event.cones.surface[k], [x, y] = event.cones.local.subarray(2 * k, 2 * k + 2);
    const [xx, xy, yy] = event.cones.covariance.subarray(3 * k, 3 * k + 3);
    const l = Math.sqrt(xx), m = xy / l, n = Math.sqrt(Math.max(yy - m * m, 0)), ring = [];
    for (let i = 0; i <= RING; i++) {
      const angle = (2 * Math.PI * i) / RING, u = event.gate * Math.cos(angle), v = event.gate * Math.sin(angle);
      const p = x + l * u, q = y + m * u + n * v;
      ring.push(placed(barrel ? [surface * Math.cos(p / surface), surface * Math.sin(p / surface), q] : [p, q, surface]));
    }
    rings.push(ring);
  }
  return rings;
}

function makeScene(renderer, state) {
  const parts = {};
  for (const [name, kind] of Object.entries({
    layers: "thin", window: "thin", cone: "thin", kept: "thick", tracks: "thick", missed: "thick", hits: "points", vertices: "thick",
    coneMesh: "mesh", coneRim: "thick", around: "thick", chosenTrack: "thick", module: "thick", mark: "points",
  })) parts[name] = renderer.part(kind);
  const shown = {};
  const theme = () => THEMES[state.theme];
  // Without a field a track has no pT, and none is hidden for it.
  const stiff = (pt) => !(pt < state.pt);
  const wanted = { all: () => true, matched: (t) => !isFake(t), fakes: isFake };
  const trackShown = (t) => t >= 0 && stiff(event.tracks.pt[t]) && wanted[state.only](t);
  const trackColor = (t) => theme().tracks[t % theme().tracks.length];

  function layers() {
    const points = [], lines = [], { barrel, r_min, r_max, radius, z, z_min, z_max } = event.layers;
    const ring = (r, at) => {
      const first = points.length / 3;
      for (let k = 0; k < 72; k++) {
        points.push(r * Math.cos((k * Math.PI) / 36), r * Math.sin((k * Math.PI) / 36), at);
        lines.push(first + k, first + ((k + 1) % 72));
      }
      return first;
    };
    for (let k = 0; k < barrel.length; k++) {
      if (planes) {
        const { low, high } = event.layers, [a, b, c, d] = [low[2 * k], low[2 * k + 1], high[2 * k], high[2 * k + 1]], first = points.length / 3;
        for (const [x, y] of [[a, b], [c, b], [c, d], [a, d]]) points.push(x, y, radius[k] - firstPlane);
        for (let i = 0; i < 4; i++) lines.push(first + i, first + ((i + 1) % 4));
        continue;
      }
      if (!barrel[k]) {
        const a = ring(r_min[k], z[k]), b = ring(r_max[k], z[k]);
        for (let i = 9; i < 72; i += 18) lines.push(a + i, b + i);
        continue;
      }
      const a = ring(radius[k], z_min[k]), b = ring(radius[k], z_max[k]);
      for (let i = 0; i < 72; i += 6) lines.push(a + i, b + i);
    }
    parts.layers.fill({ a: new Float32Array(points), elements: new Uint32Array(lines) }, lines.length);
    parts.layers.color = floatsOf(theme().layers, 0.55);
    shown.layers = barrel.length;
  }

  // Edges as pairs of hits; in an order whose beginning is a fair sample, for when all are too many to move.
  function pairs(edges, keep) {
    const n = edges.source.length, stride = n % STRIDE ? STRIDE : STRIDE + 2, elements = new Uint32Array(2 * n);
    let m = 0;
    for (let k = 0, e = 0; k < n; k++, e = (e + stride) % n) if (keep(e)) { elements[m++] = edges.source[e]; elements[m++] = edges.target[e]; }
    return elements.subarray(0, m);
  }

  function edges() {
    for (const [name, alpha] of [["window", 0.3], ["cone", 0.6]]) {
      const of = name === "window" ? event.window : event.edges, elements = pairs(of, (e) => stiff(of.pt[e]));
      parts[name].fill({ a: hitPosition, elements }, elements.length);
      parts[name].color = floatsOf(theme()[name], Math.min(alpha, Math.max(0.06, (alpha * 8000) / Math.max(elements.length, 1))));
      shown[name] = elements.length / 2;
    }
    const { source, target, pt, score } = event.edges, list = [], color = bytesOf(theme().kept, 0.9);
    for (let e = 0; e < source.length; e++) if (score[e] >= state.score && stiff(pt[e])) list.push([pointOf(source[e]), pointOf(target[e]), color]);
    parts.kept.fill(...segments(list));
    parts.kept.size = 1.4;
    shown.kept = list.length;
  }

  const trackSegments = (t, alpha) => {
    const { line } = event.tracks, points = line.length / nTracks / 3, list = [], color = bytesOf(trackColor(t), alpha);
    for (let k = 0; k + 1 < points; k++) {
      const at = 3 * (t * points + k);
      list.push([line.subarray(at, at + 3), line.subarray(at + 3, at + 6), color]);
    }
    return list;
  };

  function tracks() {
    const list = [], few = nTracks < 600;
    shown.tracks = 0;
    for (let t = 0; t < nTracks; t++) if (trackShown(t)) { list.push(...trackSegments(t, few ? 0.85 : 0.5)); shown.tracks++; }
    parts.tracks.fill(...segments(list));
    parts.tracks.size = few ? 1.3 : 1;
    const color = new Uint8Array(4 * nHits), noise = bytesOf(theme().noise, nHits > 15000 ? 0.35 : 0.75), palette = theme().tracks.map((c) => bytesOf(c));
    for (let h = 0; h < nHits; h++) {
      const t = event.hits.track[h];
      color.set(trackShown(t) ? palette[t % palette.length] : noise, 4 * h);
    }
    parts.hits.fill({ a: hitPosition, color }, nHits);
    parts.hits.size = nHits > 15000 ? 2.2 : 3.4;
    shown.hits = nHits;
    missed();
    const { z, sigma } = event.vertices, marks = [], tint = bytesOf(theme().vertex);
    if (!planes) z.forEach((at, k) => {
      const d = Math.max(sigma[k], 0.4);
      marks.push([[-5, 0, at], [5, 0, at], tint], [[0, -5, at], [0, 5, at], tint], [[0, 0, at - d], [0, 0, at + d], tint]);
    });
    parts.vertices.fill(...segments(marks));
    parts.vertices.size = 1.6;
    shown.vertices = z.length;
  }

  // Findable particles without a track: their hits in a row.
  function missed() {
    const list = [], color = bytesOf(theme().missed);
    shown.missed = 0;
    if (event.missed) for (let p = 0; p < event.missed.pt.length; p++) {
      if (!stiff(event.missed.pt[p])) continue;
      shown.missed++;
      for (let k = event.missed.start[p]; k + 1 < event.missed.start[p + 1]; k++) list.push([pointOf(event.missed.hits[k]), pointOf(event.missed.hits[k + 1]), color]);
    }
    parts.missed.fill(...segments(list));
    parts.missed.size = 2.6;
  }

  function selection() {
    const h = state.hit, t = h < 0 ? -1 : event.hits.track[h];
    const chosen = h < 0 ? [] : state.wholeTrack && t >= 0 ? Array.from(hitsOfTrack(t)) : [h];
    const cones = chosen.flatMap((k) => Array.from(index.conesOf(k)));
    const triangles = [], rims = [];
    for (const c of cones) {
      const tip = pointOf(event.cones.hit[c]), rings = coneRings(c), last = rings[rings.length - 1];
      let before = last.map(() => tip);
      for (const ring of rings) {
        for (let i = 0; i < RING; i++) triangles.push(before[i], ring[i], ring[i + 1], before[i], ring[i + 1], before[i + 1]);
        before = ring;
      }
      for (let i = 0; i < RING; i++) rims.push([last[i], last[i + 1], bytesOf(theme().cone)]);
    }
    const a = new Float32Array(triangles.flat()), color = new Uint8Array(4 * triangles.length), tint = bytesOf(theme().cone, 0.16);
    for (let k = 0; k < triangles.length; k++) color.set(tint, 4 * k);
    parts.coneMesh.fill({ a, color }, triangles.length);
    parts.coneRim.fill(...segments(rims));
    parts.coneRim.size = 1.5;
    shown.cones = cones.length;
    const around = [], link = (edges, e, hex, alpha) => around.push([pointOf(edges.source[e]), pointOf(edges.target[e]), bytesOf(hex, alpha)]);
    if (h >= 0) {
      for (const e of index.windowOut(h)) link(event.window, e, theme().window, 0.3);
      for (const e of [...index.edgesIn(h), ...index.edgesOut(h)]) {
        link(event.edges, e, event.edges.score[e] >= state.score ? theme().kept : theme().cone, 1);
      }
    }
    parts.around.fill(...segments(around));
    parts.around.size = 1.6;
    parts.chosenTrack.fill(...segments(t >= 0 ? trackSegments(t, 1) : []));
    parts.chosenTrack.size = 3;
    const outline = [];
    if (h >= 0) {
      const m = event.hits.module[h], { center, axes, half_x, half_y } = event.modules;
      const corner = (p, q) => [0, 1, 2].map((k) => center[3 * m + k] + p * half_x[m] * axes[9 * m + k] + q * half_y[m] * axes[9 * m + 3 + k]);
      const corners = [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)];
      corners.forEach((p, k) => outline.push([p, corners[(k + 1) % 4], bytesOf(theme().mark, 0.5)]));
    }
    parts.module.fill(...segments(outline));
    parts.mark.fill({ a: new Float32Array(h < 0 ? [] : pointOf(h)), color: new Uint8Array(bytesOf(theme().mark)) }, h < 0 ? 0 : 1);
    parts.mark.size = 17;
    parts.mark.ring = true;
  }

  parts.hits.solid = parts.tracks.solid = true;
  for (const name of ["missed", "vertices", "coneMesh", "coneRim", "around", "chosenTrack", "module", "mark"]) parts[name].over = true;
  function visible(share) {
    const s = state.show, out = [];
    // What is picked stands out.
    for (const name of ["kept", "tracks", "hits", "cone", "window"]) parts[name].fade = state.hit < 0 ? 1 : name === "hits" ? 0.6 : 0.35;
    if (s.layers) out.push(parts.layers);
    for (const name of ["window", "cone"]) if (s[name]) out.push({ ...parts[name], n: 2 * Math.ceil((share * parts[name].n) / 2) });
    if (s.kept) out.push(parts.kept);
    if (s.tracks) out.push(parts.tracks);
    if (s.missed) out.push(parts.missed);
    if (s.hits) out.push(parts.hits);
    if (s.vertices) out.push(parts.vertices);
    out.push(parts.module);
    if (s.cones) out.push(parts.coneMesh, parts.coneRim);
    if (s.tracks) out.push(parts.chosenTrack);
    out.push(parts.around);
    out.push(parts.mark);
    return out;
  }
  const all = () => { layers(); edges(); tracks(); selection(); };
  return { all, edges, tracks, selection, visible, shown, theme };
}
