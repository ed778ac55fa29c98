# Two images from one file: `--target edge` (gateway, no store packages) and `--target store` (the default).
# BASE is any Debian with Python 3.11 or newer; where Python is missing, Debian's own is installed.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS tools
RUN command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' \
    || { apt-get update && apt-get install -y --no-install-recommends python3 python3-venv; }
RUN python3 -m venv /tools
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY mfl mfl
COPY telemetry telemetry
COPY drivers drivers
COPY gateway gateway
COPY store store
COPY census census
COPY dashboard dashboard
COPY simulators simulators
COPY config config
# A certificate authority for pip, where the network needs one of its own: --build-arg PIP_CERT=/run/ca.crt
ARG PIP_CERT=
# The environment that is shipped holds no pip: the tools' pip installs into it.
ENV INSTALL="/tools/bin/pip --python /opt/mfl/bin/python install --no-cache-dir --disable-pip-version-check"
RUN [ -z "$PIP_CERT" ] && unset PIP_CERT; \
    /tools/bin/pip wheel --no-cache-dir --no-deps --disable-pip-version-check --wheel-dir /wheels . \
    && python3 -m venv --without-pip /opt/mfl

FROM tools AS build-edge
ARG PIP_CERT=
RUN [ -z "$PIP_CERT" ] && unset PIP_CERT; $INSTALL -c constraints.txt "$(echo /wheels/*.whl)[sparkplug]"

FROM build-edge AS build-store
ARG PIP_CERT=
RUN [ -z "$PIP_CERT" ] && unset PIP_CERT; $INSTALL -c constraints.txt "$(echo /wheels/*.whl)[store]"

FROM ${BASE} AS runtime
RUN command -v python3 >/dev/null \
    || { apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*; }
RUN groupadd --gid 10001 mfl \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/mfl --shell /usr/sbin/nologin mfl \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/mfl
ENV PATH=/opt/mfl/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/mfl
VOLUME /var/lib/mfl
ENTRYPOINT ["mfl"]

FROM runtime AS edge
COPY --from=build-edge /opt/mfl /opt/mfl
USER 10001:10001
# The site file turns this on with `metrics: {port: 9108}`; it listens on the container's own loopback.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python3", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:9108/healthz', timeout=3)"]
CMD ["gateway", "run", "/etc/mfl/site.yaml"]

FROM runtime AS store
COPY --from=build-store /opt/mfl /opt/mfl
USER 10001:10001
EXPOSE 8086
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python3", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:8086/healthz', timeout=3)"]
CMD ["store", "serve", "/var/lib/mfl/store", "--host", "0.0.0.0", "--behind-proxy"]
