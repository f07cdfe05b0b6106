# Not run by the authors' CI yet, which has no Docker: read and checked with hadolint only.
#
#   docker build -t mask3d_ros --build-arg ROS_DISTRO=jazzy .
#   docker run --rm --network host --ipc host mask3d_ros \
#     ros2 launch mask3d_ros segment.launch.py cloud:=/rtabmap/cloud_map
#
# PyTorch comes from pip's own index, whose wheel for x86-64 carries CUDA (run with --gpus all). For
# the smaller one without, add --build-arg PIP_EXTRA_INDEX_URL=… with the address of PyTorch's CPU
# index.
ARG ROS_DISTRO=jazzy

# ROS 2 with all that the package needs except PyTorch; .devcontainer uses this stage.
FROM ros:${ROS_DISTRO} AS ros
WORKDIR /ws
COPY package.xml src/mask3d_ros/package.xml
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
      g++ git make python3-dev python3-pip python3-venv \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths src --ignore-src -y \
    && rm -rf /var/lib/apt/lists/*

FROM ros AS node
ARG TORCH='torch>=2.4'
ARG PIP_EXTRA_INDEX_URL=
# For the system's Python, which runs the nodes. Ubuntu 22.04 has an older Pillow (docs/robot.md).
# hadolint ignore=DL3013
RUN PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --no-cache-dir "$TORCH" 'pillow>=10.1'
COPY . src/mask3d_ros
# Without tests: .dockerignore keeps them out, and CMake would look for them.
RUN . "/opt/ros/$ROS_DISTRO/setup.sh" \
    && colcon build --packages-select mask3d_ros --cmake-args -DBUILD_TESTING=OFF
# What NVIDIA's container runtime mounts: CUDA, no graphics.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
ENTRYPOINT ["/bin/bash", "-c", "source /ws/install/setup.bash && exec \"$@\"", "--"]
CMD ["ros2", "launch", "mask3d_ros", "segment.launch.py"]
