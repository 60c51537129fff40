// WebGL 2: points, thin and thick lines, triangles, all seen in parallel projection.
const PLACE = `#version 300 es
precision highp float;
uniform mat3 turn; uniform vec3 center; uniform vec2 scale, shift; uniform float squash; uniform bool rz, planes;
vec4 place(vec3 p) {
  vec3 q = rz ? vec3(p.z * squash, planes ? p.y : length(p.xy), 0.0) : vec3(p.xy, p.z * squash);
  q = turn * (q - center);
  return vec4(q.xy * scale + shift, -q.z / 20000.0, 1.0);
}
`;
const FLAT = `in vec4 tint; uniform float fade; out vec4 result; void main() { result = vec4(tint.rgb, tint.a * fade); }`;
const PROGRAMS = {
  points: [`in vec3 a; in vec4 color; uniform float size; out vec4 tint;
    void main() { gl_Position = color.a > 0.0 ? place(a) : vec4(2, 2, 2, 1); gl_PointSize = size; tint = color; }`,
  `in vec4 tint; uniform bool ring; uniform float fade; out vec4 result;
    void main() { float r = length(gl_PointCoord - 0.5); if (r > 0.5 || (ring && r < 0.36)) discard; result = vec4(tint.rgb, tint.a * fade); }`],
  thin: [`in vec3 a; uniform vec4 flat_color; out vec4 tint; void main() { gl_Position = place(a); tint = flat_color; }`,
  FLAT],
  thick: [`in vec3 a; in vec3 b; in vec4 color; uniform vec2 pixels; uniform float size; out vec4 tint;
    void main() {
      vec4 p = place(a), q = place(b); vec2 along = (q.xy - p.xy) * pixels; float n = length(along);
      vec2 across = n > 0.0 ? vec2(-along.y, along.x) / n : vec2(0.0, 1.0);
      gl_Position = (gl_VertexID & 1) == 0 ? p : q;
      gl_Position.xy += across * (gl_VertexID < 2 ? 1.0 : -1.0) * size / pixels; tint = color;
    }`,
  FLAT],
  mesh: [`in vec3 a; in vec4 color; out vec4 tint; void main() { gl_Position = place(a); tint = color; }`,
  FLAT],
};

function makeRenderer(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
  if (!gl) throw new Error("this browser shows no WebGL 2, which the display needs; switch on hardware acceleration or use another browser");
  const programs = {};
  for (const [name, [vertex, fragment]] of Object.entries(PROGRAMS)) {
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, PLACE + vertex], [gl.FRAGMENT_SHADER, "#version 300 es\nprecision highp float;\n" + fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    ["a", "b", "color"].forEach((attribute, k) => gl.bindAttribLocation(program, k, attribute));
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    const uniforms = {};
    for (let k = 0; k < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); k++) {
      const { name: uniform } = gl.getActiveUniform(program, k);
      uniforms[uniform] = gl.getUniformLocation(program, uniform);
    }
    programs[name] = { program, uniforms };
  }

  // A drawable part: kind of program, and arrays {a, b, color: four bytes each, elements}.
  function part(kind) {
    const vao = gl.createVertexArray(), buffers = {};
    const made = { kind, vao, n: 0, size: 1, ring: false, solid: false, over: false, fade: 1, color: [1, 1, 1, 1] };
    made.fill = (arrays, n) => {
      gl.bindVertexArray(vao);
      for (const [name, array] of Object.entries(arrays)) {
        const target = name === "elements" ? gl.ELEMENT_ARRAY_BUFFER : gl.ARRAY_BUFFER;
        buffers[name] ??= gl.createBuffer();
        gl.bindBuffer(target, buffers[name]);
        gl.bufferData(target, array, gl.DYNAMIC_DRAW);
        if (name === "elements") continue;
        const place = { a: 0, b: 1, color: 2 }[name];
        gl.enableVertexAttribArray(place);
        if (name === "color") gl.vertexAttribPointer(place, 4, gl.UNSIGNED_BYTE, true, 0, 0);
        else gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
        gl.vertexAttribDivisor(place, kind === "thick" ? 1 : 0);
      }
      gl.bindVertexArray(null);
      made.n = n;
      return made;
    };
    return made;
  }

  function draw(parts, camera, back) {
    const ratio = canvas.width / canvas.clientWidth;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(...back, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.enable(gl.DEPTH_TEST);
    for (const p of parts) {
      if (!p.n) continue;
      const { program, uniforms } = programs[p.kind];
      gl.useProgram(program);
      gl.uniformMatrix3fv(uniforms.turn, true, camera.rows);
      gl.uniform3fv(uniforms.center, camera.center);
      gl.uniform2f(uniforms.scale, (2 * camera.zoom) / canvas.clientWidth, (2 * camera.zoom) / canvas.clientHeight);
      gl.uniform2f(uniforms.shift, (2 * camera.shift[0]) / canvas.clientWidth, (2 * camera.shift[1]) / canvas.clientHeight);
      gl.uniform1f(uniforms.squash, camera.squash);
gl.uniform1i(uniforms.rz, camera.rz ? 1 : 0); gl.uniform1i(uniforms.planes, planes ? 1 : 0);
      gl.uniform1f(uniforms.fade, p.fade);
      gl.depthMask(p.solid);
      gl.depthFunc(p.over ? gl.ALWAYS : gl.LEQUAL);
      gl.bindVertexArray(p.vao);
      if (p.kind === "points") {
        gl.uniform1f(uniforms.size, p.size * ratio);
        gl.uniform1i(uniforms.ring, p.ring ? 1 : 0);
        gl.drawArrays(gl.POINTS, 0, p.n);
      } else if (p.kind === "thin") {
        gl.uniform4fv(uniforms.flat_color, p.color);
        gl.drawElements(gl.LINES, p.n, gl.UNSIGNED_INT, 0);
      } else if (p.kind === "thick") {
        gl.uniform2f(uniforms.pixels, canvas.width, canvas.height);
        gl.uniform1f(uniforms.size, p.size * ratio);
        gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, p.n);
      } else gl.drawArrays(gl.TRIANGLES, 0, p.n);
    }
    gl.depthMask(true);
    gl.bindVertexArray(null);
  }
  return { gl, part, draw };
}
