# The broker, and with `--target demo` the broker with the emulator.
#
# The tests run on the same Python and Debian. For reproducible builds add the image's digest to the
# tag (`python:...@sha256:...`), and let a bot renew it.
FROM python:3.11-slim-bookworm AS python

# Only wheels are installed, so no package's own code runs while the image is built.
FROM python AS builder
WORKDIR /build
RUN python -m venv --without-pip /venv
COPY requirements/runtime.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /venv install --require-hashes --only-binary :all: -r runtime.txt

FROM builder AS demo-builder
COPY requirements/demo.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /venv install --require-hashes --only-binary :all: -r demo.txt

# Bundles: one file for each page in place of its modules.
FROM node:22-bookworm-slim AS bundles
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY scripts/bundle scripts/bundle
COPY static static
RUN scripts/bundle static

# Compiled at build time, because the broker may run on a read-only file system.
FROM python AS source
WORKDIR /app
COPY app app
COPY --from=bundles /build/static static
COPY templates templates
RUN python -m compileall -q --invalidation-mode unchecked-hash app

FROM python AS base
LABEL org.opencontainers.image.title="Avatar Broker" \
      org.opencontainers.image.description="A backend-for-frontend for Kaltura avatars" \
      org.opencontainers.image.licenses="MIT"
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
COPY --from=source /app /app
# The database, from which the next container learns the sessions that a killed one left open.
RUN install --directory --owner 10001 --group 10001 /app/data
VOLUME /app/data
# A numeric user, which Kubernetes can verify not to be root; it owns only the data.
USER 10001:10001
EXPOSE 8000
# http.client, because urllib would connect through a proxy that HTTP_PROXY names.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8000), timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "app"]

# The emulator sends media to the browser over UDP, so this image runs with `--network host`.
FROM base AS demo
COPY --from=demo-builder /venv /venv
CMD ["demo"]

# The last stage is the one that a plain `docker build .` makes.
FROM base AS broker
COPY --from=builder /venv /venv
ENV HOST=0.0.0.0
CMD ["serve"]
