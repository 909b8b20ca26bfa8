# syntax=docker/dockerfile:1
# H3 is C, so that the binary needs glibc: built on Debian, run on distroless/base
# of the same release (Debian 13: trixie).
FROM golang:1.26-trixie AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY server/store/embedded/zstd/go.mod server/store/embedded/zstd/go.sum ./server/store/embedded/zstd/
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -buildvcs=false -ldflags="-s -w" -o /out/satnav ./server \
    && mkdir -p /out/data && install -d -m 0700 /out/data/keys

FROM gcr.io/distroless/base-debian13:nonroot
LABEL org.opencontainers.image.title="Satnav" \
      org.opencontainers.image.description="Mobile-backend personalisation: who, where and when in, suggestions and geofence triggers out" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/satnav /usr/local/bin/satnav
# A volume takes over the owner of the folder that it covers, /data or /data/keys: user nonroot.
COPY --from=build --chown=65532:65532 /out/data /data
VOLUME /data
USER 65532:65532
ENV SATNAV_DATA=/data \
    SATNAV_LOG_FORMAT=json
EXPOSE 8080 9090
# A stop waits for calls under way (drain, at most 10 s).
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/satnav"]
# No shell is here to ask with, so the binary asks its own operator address.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s \
    CMD ["/usr/local/bin/satnav", "check", "--ready", "http://127.0.0.1:9090"]
# Within a container the API listens on all interfaces, so that serve asks for
# identity.jwks: see compose.yaml. Other commands (token, import, check) need
# neither: docker run --rm satnav token --help
CMD ["serve", "--listen", "0.0.0.0:8080", "--operator-listen", "0.0.0.0:9090"]
