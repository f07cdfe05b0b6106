// The camera: it turns around a target point; z is up. Matrices are in column order.

const FIELD_OF_VIEW = 45 * Math.PI / 180;

class Camera {
  constructor() {
    this.target = [0, 0, 0];
    this.distance = 5;
    this.azimuth = 0.6;    // of the direction from the target to the camera, radians
    this.elevation = 0.7;
  }

  axes() {
    const [ca, sa] = [Math.cos(this.azimuth), Math.sin(this.azimuth)];
    const [ce, se] = [Math.cos(this.elevation), Math.sin(this.elevation)];
    return { right: [-sa, ca, 0], up: [-se * ca, -se * sa, ce], back: [ce * ca, ce * sa, se] };
  }

  // Return the matrix from the scene to clip space.
  matrix(aspect) {
    const { right, up, back } = this.axes();
    const focal = 1 / Math.tan(FIELD_OF_VIEW / 2);
    const sx = focal / Math.max(aspect, 1e-6) * Math.min(1, aspect);
    const sy = focal * Math.min(1, aspect);
    const near = this.distance / 200, far = this.distance * 50;
    const a = (far + near) / (near - far), b = 2 * far * near / (near - far);
    const dot = (u) => u[0] * this.target[0] + u[1] * this.target[1] + u[2] * this.target[2];
    const shift = -dot(back) - this.distance;
    return new Float32Array([
      sx * right[0], sy * up[0], a * back[0], -back[0],
      sx * right[1], sy * up[1], a * back[1], -back[1],
      sx * right[2], sy * up[2], a * back[2], -back[2],
      -sx * dot(right), -sy * dot(up), a * shift + b, -shift]);
  }

  turn(across, down) {
    this.azimuth -= across * 0.006;
    this.elevation = Math.min(1.57, Math.max(-1.57, this.elevation + down * 0.006));
  }

  // Move the target by pixels of a view of some height.
  move(across, down, height) {
    const { right, up } = this.axes();
    const metres = 2 * this.distance * Math.tan(FIELD_OF_VIEW / 2) / height;
    for (let axis = 0; axis < 3; axis++) {
      this.target[axis] += metres * (-across * right[axis] + down * up[axis]);
    }
  }

  zoom(factor) {
    this.distance = Math.min(5000, Math.max(0.05, this.distance * factor));
  }

  // Show a box from the origin, whole, in a view of some aspect, with its direction as it is.
  fit(size, aspect) {
    this.target = size.map((value) => value / 2);
    const { right, up, back } = this.axes(), slope = Math.tan(FIELD_OF_VIEW / 2);
    this.distance = 0.3;
    for (let corner = 0; corner < 8; corner++) {
      const place = size.map((value, axis) => (corner >> axis & 1 ? 0.5 : -0.5) * value);
      const along = (axis) => axis[0] * place[0] + axis[1] * place[1] + axis[2] * place[2];
      const across = Math.abs(along(right)) / Math.max(1, aspect);
      const upward = Math.abs(along(up)) / Math.max(1, 1 / aspect);
      this.distance = Math.max(this.distance,
        along(back) + 1.03 * Math.max(across, upward) / slope);
    }
  }

  look(center, radius) {
    this.target = center.slice();
    this.distance = Math.max(0.3, radius / Math.sin(FIELD_OF_VIEW / 2));
  }
}

// Return column and row in pixels, and depth, of a point; null behind the camera.
function project(matrix, point, width, height) {
  const [x, y, z] = point;
  const w = matrix[3] * x + matrix[7] * y + matrix[11] * z + matrix[15];
  if (w <= 0) return null;
  const cx = (matrix[0] * x + matrix[4] * y + matrix[8] * z + matrix[12]) / w;
  const cy = (matrix[1] * x + matrix[5] * y + matrix[9] * z + matrix[13]) / w;
  return [(cx + 1) / 2 * width, (1 - cy) / 2 * height, w];
}
