// Draw points with WebGL 2: first colour and depth, then shading by depth (eye-dome lighting).

const POINT_VERTEX = `#version 300 es
layout(location = 0) in vec3 place;
layout(location = 1) in vec4 color;
uniform mat4 matrix; uniform vec3 scale; uniform float size, cut, front;
out vec3 shade;
void main() {
  vec3 point = place * scale;
  gl_Position = matrix * vec4(point, 1.0);
  gl_PointSize = clamp(size / gl_Position.w, 1.5, 28.0);
  shade = color.rgb;
  if (point.z > cut || gl_Position.w < front || color.a == 0.0) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}`;
const POINT_FRAGMENT = `#version 300 es
precision mediump float;
in vec3 shade; out vec4 result;
void main() {
  vec2 place = gl_PointCoord - 0.5;
  if (dot(place, place) > 0.25) discard;
  result = vec4(shade, 1.0);
}`;
const SCREEN_VERTEX = `#version 300 es
void main() {
  gl_Position = vec4(vec2(gl_VertexID == 1 ? 3 : -1, gl_VertexID == 2 ? 3 : -1), 0.0, 1.0);
}`;
const SCREEN_FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D color; uniform sampler2D depth;
uniform vec2 first, last; uniform vec2 range; uniform float radius; uniform vec3 back;
out vec4 result;
float metres(vec2 place) {
  float d = texelFetch(depth, ivec2(clamp(place, first, last)), 0).r;
  return d >= 1.0 ? 1e6 : range.x * range.y / (range.y - d * (range.y - range.x));
}
void main() {
  vec2 here = gl_FragCoord.xy;
  float own = metres(here);
  if (own >= 1e6) { result = vec4(back, 1.0); return; }
  float sum = 0.0;
  for (int i = 0; i < 8; i++) {
    float turn = 0.785398 * float(i);
    float other = metres(here + radius * vec2(cos(turn), sin(turn)));
    sum += clamp(log2(own / other), 0.0, 0.04);
  }
  result = vec4(texelFetch(color, ivec2(here), 0).rgb * exp(-3.2 * sum), 1.0);
}`;
const MOVING_POINTS = 600000;   // drawn while the camera moves, of larger clouds, at first
const SLOW_FRAME = 80, FAST_FRAME = 25;   // milliseconds

class Cloud {
  constructor(canvas) {
    this.canvas = canvas;
    const gl = canvas.getContext('webgl2', { antialias: false, preserveDrawingBuffer: true });
    if (!gl) throw new Error('this browser has no WebGL 2');
    this.gl = gl;
    this.points = this.program(POINT_VERTEX, POINT_FRAGMENT);
    this.screen = this.program(SCREEN_VERTEX, SCREEN_FRAGMENT);
    this.place = gl.createBuffer();
    this.colors = [gl.createBuffer(), gl.createBuffer()];
    this.frame = gl.createFramebuffer();
    this.array = gl.createVertexArray();
    this.empty = gl.createVertexArray();
    this.moving = MOVING_POINTS;
    this.last = 0;
  }

  program(...sources) {
    const gl = this.gl, program = gl.createProgram();
    sources.forEach((source, index) => {
      const shader = gl.createShader(index ? gl.FRAGMENT_SHADER : gl.VERTEX_SHADER);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    });
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      throw new Error(`WebGL: ${gl.getProgramInfoLog(program)}`);
    }
    const uniforms = {};
    const count = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS);
    for (let i = 0; i < count; i++) {
      const { name } = gl.getActiveUniform(program, i);
      uniforms[name] = gl.getUniformLocation(program, name);
    }
    return { program, uniforms };
  }

  show(scene) {
    this.scene = scene;
    this.upload(this.place, scene.xyz);
  }

  // Set the colours of one view: [4 N] red, green, blue, and 0 for points that are hidden.
  paint(view, rgba) { this.upload(this.colors[view], rgba); }

  upload(buffer, data) {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, buffer);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, data, this.gl.DYNAMIC_DRAW);
  }

  resize(width, height) {
    const gl = this.gl;
    if (this.canvas.width === width && this.canvas.height === height && this.texture) return;
    this.canvas.width = width;
    this.canvas.height = height;
    for (const texture of this.texture ? [this.texture, this.depth] : []) gl.deleteTexture(texture);
    this.texture = this.target(gl.RGBA8, width, height);
    this.depth = this.target(gl.DEPTH_COMPONENT24, width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.texture, 0);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, this.depth, 0);
  }

  target(format, width, height) {
    const gl = this.gl, texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, format, width, height);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    return texture;
  }

  // Draw views next to each other; options: views, cut, front, size, moving, ratio, back.
  draw(camera, options) {
    const gl = this.gl, { width, height } = this.canvas;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.frame);
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 1);
    gl.enable(gl.DEPTH_TEST);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const part = Math.floor(width / options.views);
    for (let view = 0; view < options.views; view++) {
      gl.viewport(view * part, 0, part, height);
      this.drawPoints(view, camera.matrix(part / height), Math.min(part, height), options);
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.disable(gl.DEPTH_TEST);
    gl.viewport(0, 0, width, height);
    for (let view = 0; view < options.views; view++) {
      this.shade(camera, [view * part, 0], [part * (view + 1) - 1, height - 1], options);
    }
  }

  // Choose how many points are drawn while the camera moves, by the time since the last frame.
  adapt(now) {
    const elapsed = now - this.last;
    this.last = now;
    if (elapsed > 1500) return;   // it stood still
    if (elapsed > SLOW_FRAME) this.moving = Math.max(60000, 0.7 * this.moving);
    if (elapsed < FAST_FRAME) this.moving = Math.min(8e6, 1.3 * this.moving);
  }

  drawPoints(view, matrix, height, options) {
    const gl = this.gl, { uniforms, program } = this.points;
    const every = options.moving ? Math.min(31, Math.ceil(this.scene.count / this.moving)) : 1;
    gl.useProgram(program);
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.place);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 3, gl.UNSIGNED_SHORT, false, 8 * every, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.colors[view]);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, 4 * every, 0);
    gl.uniformMatrix4fv(uniforms.matrix, false, matrix);
    gl.uniform3fv(uniforms.scale, this.scene.scale);
    const metres = 2.0 * this.scene.spacing * Math.sqrt(every) * options.size;
    gl.uniform1f(uniforms.size, metres * height / 2 / Math.tan(FIELD_OF_VIEW / 2));
    gl.uniform1f(uniforms.cut, options.cut);
    gl.uniform1f(uniforms.front, options.front);
    gl.drawArrays(gl.POINTS, 0, Math.floor(this.scene.count / every));
  }

  shade(camera, first, last, options) {
    const gl = this.gl, { uniforms, program } = this.screen;
    gl.useProgram(program);
    gl.bindVertexArray(this.empty);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(first[0], 0, last[0] - first[0] + 1, last[1] + 1);
    [this.texture, this.depth].forEach((texture, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
    });
    gl.uniform1i(uniforms.color, 0);
    gl.uniform1i(uniforms.depth, 1);
    gl.uniform2fv(uniforms.first, first);
    gl.uniform2fv(uniforms.last, last);
    gl.uniform2f(uniforms.range, camera.distance / 200, camera.distance * 50);
    gl.uniform1f(uniforms.radius, 1.4 * options.ratio);
    gl.uniform3fv(uniforms.back, options.back);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.disable(gl.SCISSOR_TEST);
  }
}
