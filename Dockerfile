# The image of Rollcall: the server, its models and its web pages; no compiler, no npm, no database.
#
#   docker build -t rollcall .
#
# Where YuNet cannot be downloaded, a folder that holds it: --build-context mirror=FOLDER
# docs/deploy.md says how to run it. deploy/proof performs these steps without an engine: `make image-proof`.

# The version that the tests run on.
ARG PYTHON=3.11


FROM python:${PYTHON}-slim-bookworm AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore


# What builds: Node.js, `onnx`, the build backend. Nothing of it gets into the image.
FROM base AS tools
WORKDIR /build
COPY requirements/server.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/tools \
 && /opt/tools/bin/python -m pip install --quiet --no-deps --require-hashes --only-binary=:all: -r requirements/server.txt


FROM tools AS web
COPY web_client/package.json web_client/package-lock.json web_client/.npmrc web_client/npm.py web_client/
RUN --mount=type=cache,target=/root/.npm \
    /opt/tools/bin/python web_client/npm.py ci --loglevel=error
COPY docs/openapi.json docs/messages.schema.json docs/
COPY web_client/ web_client/
RUN /opt/tools/bin/python web_client/npm.py run --silent build


# Stands for a folder with model files; --build-context mirror=FOLDER takes its place.
FROM scratch AS mirror
COPY LICENSE /


FROM tools AS models
COPY deploy/__init__.py deploy/build_models.py deploy/
COPY recognition/ recognition/
RUN --mount=type=cache,target=/root/.npm \
    --mount=type=bind,from=mirror,target=/mirror \
    /opt/tools/bin/python -m deploy.build_models /models /mirror


FROM tools AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY recognition/ recognition/
COPY storage/ storage/
COPY stream_server/ stream_server/
RUN /opt/tools/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels .


# What runs, and only that: requirements/runtime.txt, less what is never loaded.
FROM base AS packages
WORKDIR /build
COPY requirements/runtime.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv --without-pip /opt/rollcall \
 && python3 -m pip --python /opt/rollcall/bin/python install --quiet --no-compile --no-deps --require-hashes \
    --only-binary=:all: -r requirements/runtime.txt
COPY deploy/__init__.py deploy/elf.py deploy/slim.py deploy/
# Compiled here once: in the image nobody may write, and every start would compile anew.
RUN echo /app > "$(echo /opt/rollcall/lib/python3*/site-packages)/rollcall-app.pth" \
 && /opt/rollcall/bin/python -m deploy.slim /opt/rollcall/lib/python3*/site-packages /opt/rollcall/slim.json \
 && /opt/rollcall/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/rollcall/lib


FROM packages AS program
COPY --from=wheel /wheels /wheels
RUN python3 -m pip --python /opt/rollcall/bin/python install --quiet --no-compile --no-deps --no-index \
    --target /app /wheels/*.whl \
 && /opt/rollcall/bin/python -m compileall -q --invalidation-mode unchecked-hash /app
COPY deploy/healthcheck.py LICENSE /app/
COPY deploy/check.py deploy/
COPY --from=models /models /models
RUN /opt/rollcall/bin/python -m deploy.check /models


FROM base AS rollcall
LABEL org.opencontainers.image.title="Rollcall" \
      org.opencontainers.image.description="Self-hosted real-time face attendance" \
      org.opencontainers.image.licenses="MIT"
# The standard library of the base image is not compiled either.
RUN groupadd --gid 10001 rollcall \
 && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin rollcall \
 && install --directory --owner=10001 --group=10001 --mode=0700 /data \
 && python3 -m compileall -q --invalidation-mode unchecked-hash -x 'site-packages|/(test|idlelib|lib2to3|ensurepip)/' \
    "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=packages /opt/rollcall /opt/rollcall
COPY --from=models /models /opt/models
COPY --from=web /build/web_client/dist /opt/web
COPY --from=program /app /app
ENV PATH=/app/bin:/opt/rollcall/bin:$PATH \
    HOME=/data \
    ROLLCALL_DATA_DIR=/data \
    ROLLCALL_MODELS__DIR=/opt/models \
    ROLLCALL_HTTP__PAGES_DIR=/opt/web \
    ROLLCALL_HTTP__HOST=0.0.0.0
# The only folder that is written to, besides /tmp.
VOLUME /data
WORKDIR /data
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/rollcall/bin/python", "-I", "-S", "/app/healthcheck.py"]
# No init before it: the server is made to be process 1. It handles SIGTERM from its first step on and waits for every
# process that it starts.
ENTRYPOINT ["rollcall"]
CMD ["serve", "--upgrade-db"]
