# The broker, and with `--target demo` the broker with the emulator.
#
# Python and Debian are those that the tests run on. Where your builds must be repeatable bit for
# bit, add the image's digest to the tag (`python:...@sha256:...`) and let a bot renew it.
FROM python:3.11-slim-bookworm AS python

# Wheels alone: no package runs code of its own while the image is built.
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

# One file for each page in place of its modules.
FROM node:22-bookworm-slim AS bundles
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY scripts/bundle scripts/bundle
COPY static static
RUN scripts/bundle static

# Compiled here, because the broker may run where it can write nothing.
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
# The session history: what a container had open when it was killed, the next one ends.
RUN install --directory --owner 10001 --group 10001 /app/data
VOLUME /app/data
# A number, so that Kubernetes can see that it is not root; it owns nothing but the data.
USER 10001:10001
EXPOSE 8000
# http.client, because urllib would ask the proxy that HTTP_PROXY may name.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8000), timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "app"]

# Media goes from the emulator to the browser over UDP, so this one runs with `--network host`.
FROM base AS demo
COPY --from=demo-builder /venv /venv
CMD ["demo"]

# The last stage is what a plain `docker build .` makes.
FROM base AS broker
COPY --from=builder /venv /venv
ENV HOST=0.0.0.0
CMD ["serve"]
