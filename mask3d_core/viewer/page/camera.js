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

  // Show nearly all of some points in a view of some aspect, with its direction as it is.
  fit(points, aspect) {
    const { right, up, back } = this.axes(), slope = Math.tan(FIELD_OF_VIEW / 2);
    const [wide, high] = [Math.max(1, aspect) * slope, Math.max(1, 1 / aspect) * slope];
    const along = (axis, p) => axis.reduce((sum, v, i) => sum + v * (p[i] - this.target[i]), 0);
    const quantile = (values, share) => values.sort((a, b) => a - b)[
      Math.floor(share * (values.length - 1))];
    this.target = [0, 1, 2].map((axis) => quantile(points.map((p) => p[axis]), 0.5));
    for (let turn = 0; turn < 4; turn++) {   // the centre depends on the distance
      this.distance = 1.1 * Math.max(0.3, quantile(points.map((p) => along(back, p)
        + Math.max(Math.abs(along(right, p)) / wide, Math.abs(along(up, p)) / high)), 0.997));
      const middle = [right, up].map((axis) => {
        const seen = points.map((p) => along(axis, p)
          / Math.max(0.01, this.distance - along(back, p)));
        return (quantile(seen, 0.003) + quantile(seen, 0.997)) / 2 * this.distance;
      });
      this.target = this.target.map((v, i) => v + middle[0] * right[i] + middle[1] * up[i]);
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
