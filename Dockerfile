# docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" --tag callerid-proxy .
# docker run --read-only --cap-drop ALL --publish 8080:8080 \
#   --volume "$PWD/proxy.yaml:/etc/callerid-proxy/proxy.yaml:ro" callerid-proxy

FROM python:3.13-slim AS builder
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# The environment has no pip: the base image's pip installs into it, so the final image does not contain a second one.
RUN python -m venv --without-pip /opt/callerid-proxy
COPY requirements.lock ./
RUN python -m pip --python /opt/callerid-proxy install --no-compile --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY proxy proxy
# Bytecode without time stamps: the root file system is read-only, and COPY must not make the bytecode stale.
RUN python -m pip wheel --no-deps --wheel-dir dist . \
 && python -m pip --python /opt/callerid-proxy install --no-compile --no-deps dist/*.whl \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/callerid-proxy/lib

FROM python:3.13-slim
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="callerid-proxy" \
      org.opencontainers.image.description="Answers Twilio's 2008-08-01 OutgoingCallerIds API from today's JSON caller-ID APIs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 65532 callerid-proxy \
 && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin callerid-proxy
# The base image has no bytecode for the standard library, and the read-only root cannot store it at run time.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
    -x '/(ensurepip|idlelib|lib2to3|pydoc_data|site-packages|tkinter|turtledemo)/' \
    "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=builder /opt/callerid-proxy /opt/callerid-proxy
# 127.0.0.1, the default elsewhere, cannot be published. A listen.address in proxy.yaml takes precedence.
ENV PATH=/opt/callerid-proxy/bin:$PATH \
    CALLERID_PROXY_DEFAULT_ADDRESS=0.0.0.0:8080 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# A numeric user: Kubernetes checks runAsNonRoot without reading /etc/passwd of the image.
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s --retries=3 \
    CMD ["callerid-proxy", "healthcheck", "--config", "/etc/callerid-proxy/proxy.yaml"]
ENTRYPOINT ["callerid-proxy"]
CMD ["serve", "--config", "/etc/callerid-proxy/proxy.yaml"]
