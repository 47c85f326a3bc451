# queuectl in a container: the programs, and the queue on a volume.
#
#   docker build -t queuectl .
#   docker run --rm -v queue:/data queuectl enqueue 'echo hello'
#   docker run --rm -v queue:/data queuectl worker start --drain

FROM rust:1.95-slim-trixie AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo install --locked --path . --root /out

FROM debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/bin/ /usr/local/bin/
RUN useradd --create-home --uid 1000 queuectl && install -d -o queuectl -g queuectl -m 0700 /data
USER queuectl
ENV QUEUECTL_HOME=/data
VOLUME /data
# Whatever jobs leave in the background is reaped by tini, which is PID 1.
ENTRYPOINT ["tini", "--", "queuectl"]
CMD ["worker", "start"]
