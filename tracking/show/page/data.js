// The event: columns from base64, and who touches whom.
const TYPES = { f4: Float32Array, u1: Uint8Array, i2: Int16Array, i4: Int32Array, i8: BigInt64Array };

function unpack(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  if (!("base64" in value)) return Object.fromEntries(Object.entries(value).map(([name, v]) => [name, unpack(v)]));
  const text = atob(value.base64), bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return new TYPES[value.type](bytes.buffer);
}

// Rows of a column by its values 0 ... n - 1: those of value v are order[first[v]] to order[first[v + 1] - 1].
function rowsBy(column, n) {
  const first = new Int32Array(n + 1), order = new Int32Array(column.length);
  for (const v of column) first[v + 1]++;
  for (let v = 0; v < n; v++) first[v + 1] += first[v];
  const next = first.slice();
  for (let k = 0; k < column.length; k++) order[next[column[k]]++] = k;
  return (v) => order.subarray(first[v], first[v + 1]);
}

const event = unpack(JSON.parse(document.getElementById("event").textContent));
const nHits = event.hits.hit_id.length, nTracks = event.tracks.pt.length;
const hitPosition = event.hits.position;
// Of a beam of particles, which flies along x of its frame, planes are shown as disks are: across z, the first at 0.
const planes = event.distance > 0, firstPlane = planes ? Math.min(...event.layers.radius) : 0;
const placed = (p) => (planes ? [p[1], p[2], p[0] - firstPlane] : p);
if (planes) {
  const turnAll = (values, shift) => {
    for (let k = 0; k < values.length; k += 3) values.set([values[k + 1], values[k + 2], values[k] - shift], k);
  };
  turnAll(hitPosition, firstPlane);
  turnAll(event.tracks.line, firstPlane);
  turnAll(event.modules.center, firstPlane);
  turnAll(event.modules.axes, 0);
}
const isFake = (t) => Boolean(event.truth) && event.tracks.particle_id[t] === 0n;
const index = {
  conesOf: rowsBy(event.cones.hit, nHits),
  edgesOut: rowsBy(event.edges.source, nHits),
  edgesIn: rowsBy(event.edges.target, nHits),
  windowOut: rowsBy(event.window.source, nHits),
};
const hitsOfTrack = (t) => event.tracks.hits.subarray(event.tracks.start[t], event.tracks.start[t + 1]);
const etaOf = (t) => -Math.log(Math.tan(event.tracks.theta[t] / 2));
