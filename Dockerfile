# queuectl in a container: the programs, and the queue on a volume.
#
#   docker build -t queuectl .
#   docker run --rm -v queue:/data queuectl enqueue 'echo hello'
#   docker run --rm -v queue:/data queuectl worker start --drain
#
# With the queue on a server nothing has to be kept here:
#
#   docker run --rm -e QUEUECTL_DATABASE=postgres://queue@db.example/queue -e PGPASSWORD queuectl worker start

FROM rust:1.95-slim-trixie AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo install --locked --path . --root /out

FROM debian:trixie-slim
# The certificates are for `sslrootcert=system` in the URL of a server.
RUN apt-get update && apt-get install -y --no-install-recommends tini ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/bin/ /usr/local/bin/
RUN useradd --create-home --uid 1000 queuectl && install -d -o queuectl -g queuectl -m 0700 /data
USER queuectl
ENV QUEUECTL_HOME=/data
VOLUME /data
# Whatever jobs leave in the background is reaped by tini, which is PID 1.
ENTRYPOINT ["tini", "--", "queuectl"]
CMD ["worker", "start"]
