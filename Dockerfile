# The image of every Vigie process: api, worker, beat, migrations, and the MLflow server.

FROM python:3.11.14-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/vigie
WORKDIR /src

# What changes seldom comes first, so that a change of Vigie's code does not install this again.
COPY requirements/runtime.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/vigie/bin/pip install --require-hashes -r requirements/runtime.txt

COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/vigie/bin/pip wheel --no-deps --wheel-dir /wheels . ./client \
    && /opt/vigie/bin/pip install --no-deps --no-index /wheels/*.whl


FROM python:3.11.14-slim-bookworm

# The root file system is read-only in docker-compose.yml: what libraries cache goes to /tmp.
ENV PATH=/opt/vigie/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    NUMBA_CACHE_DIR=/tmp/numba \
    VIGIE_DATA_DIR=/var/lib/vigie \
    VIGIE_HOST=0.0.0.0 \
    VIGIE_LOG_FORMAT=json

RUN groupadd --gid 10001 vigie \
    && useradd --uid 10001 --gid vigie --no-create-home --shell /usr/sbin/nologin vigie \
    && install --directory --owner=vigie --group=vigie --mode=0700 \
       /var/lib/vigie /var/lib/vigie/keys /var/lib/vigie/reports /var/lib/vigie/artifacts \
       /var/lib/mlflow

COPY --from=build /opt/vigie /opt/vigie

USER vigie:vigie
WORKDIR /var/lib/vigie
EXPOSE 8000
CMD ["vigie", "api"]
